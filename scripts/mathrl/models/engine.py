"""Environment variables of every process in which vLLM runs, in training and in evaluation alike."""

from __future__ import annotations


def engine_environment(accelerator: str) -> dict[str, str]:
    """vLLM's variables; nothing is downloaded, nothing is reported, nothing is compiled at run time.

    Args:
        accelerator: `cuda` or `cpu`.
    """
    variables = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        # FlashInfer's sampler is compiled where a request first filters by top-p: that takes nvcc and ninja; vLLM's own filters alike
        "VLLM_USE_FLASHINFER_SAMPLER": "0",
    }
    if accelerator == "cpu":
        variables |= {
            "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_MLA_DISABLE": "1",  # DeepSeek-V3's shape: vLLM has no kernel for its latent cache on a CPU
        }
    return variables


def inspect_models_here() -> None:
    """Let vLLM look at a model's class in this process, to be called before an engine is made on a CPU.

    vLLM otherwise starts a process for it, which imports torch and vLLM once more, so that CUDA is not initialized in this one.
    """
    from vllm.model_executor.models import registry

    registry._run_in_subprocess = lambda look: look()


def leave_out_sklearn() -> None:
    """Keep transformers from importing scikit-learn, to be called before models are imported.

    Only its assisted generation uses it. It is a sixth of what each of verl's processes imports.
    """
    import transformers.utils

    transformers.utils.is_sklearn_available = lambda: False
