"""Environment variables of the training process and all of verl's workers."""

from __future__ import annotations

import os

from mathrl.core.code_files import SCRIPTS
from mathrl.models.engine import engine_environment


def verl_environment(accelerator: str) -> dict[str, str]:
    """Environment variables of the training process and all of verl's workers."""
    variables = {
        "VERL_USE_EXTERNAL_MODULES": "mathrl.verl.plugin",
        # ours first; what the user has there (a reward's module, say) stays
        "PYTHONPATH": os.pathsep.join([str(SCRIPTS), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "1",
        "HYDRA_FULL_ERROR": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if accelerator == "cpu":
        variables |= {
            "VERL_PLATFORM": "cpu",
            "VERL_USE_EXTERNAL_MODULES": "mathrl.verl.cpu.platform,mathrl.verl.plugin",
            "VERL_ENGINE_DEVICE": "cuda",  # verl's own override: its FSDP engine is registered under this name only
            "RAY_worker_niceness": "0",
            # Ray would start an idle worker for each of its logical CPUs, sixteen here. verl's actors take none of them: theirs are
            # started with the environment variables of verl's job.
            "RAY_prestart_worker_first_driver": "0",
            # The engine computes in the process that schedules it (grpo_config.py), which vLLM allows with this setting only: with an
            # own process both wait for each other in busy loops, a core each.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        }
    return engine_environment(accelerator) | variables
