"""Our training configuration → verl's. The one place where the two meet; docs/reference/training.md has the table.

`overrides` and `places` give Hydra overrides for `verl.trainer.main_ppo`; verl composes and validates them (`resolve`). Anything that a run
wants beyond our keys goes into its `verl:` mapping, applied last.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from mathrl.config import process as process_reward
from mathrl.config import reward_terms
from mathrl.config.determinism import is_deterministic
from mathrl.config.process import Process
from mathrl.config.stage import Lora, Reward, Stage
from mathrl.config.verifier import Verifiers
from mathrl.config.verifiers import MODELS
from mathrl.core import users_code
from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import JsonObject, UserError
from mathrl.execution import trackers
from mathrl.models import adapter, router
from mathrl.models.checks import check_heads, check_parallel
from mathrl.rewards import controls, failure
from mathrl.verl import doors, users_functions
from mathrl.verl.environment import verl_environment
from mathrl.verl.keys import Overrides
from mathrl.verl.precision import check_head, check_precision, precision, shape

ACTOR = "actor_rollout_ref.actor"
ROLLOUT = "actor_rollout_ref.rollout"
# Settings of one method; verl gets them only where they are not its own defaults, so that they are in no other run's fingerprint.
OF_A_METHOD = {
    "dual_clip": f"{ACTOR}.clip_ratio_c",
    "gate_positive": f"{ACTOR}.tau_pos",
    "gate_negative": f"{ACTOR}.tau_neg",
    "clip_cov_share": f"{ACTOR}.policy_loss.clip_cov_ratio",
    "clip_cov_low": f"{ACTOR}.policy_loss.clip_cov_lb",
    "clip_cov_high": f"{ACTOR}.policy_loss.clip_cov_ub",
    "kl_cov_share": f"{ACTOR}.policy_loss.kl_cov_ratio",
    "kl_cov_coefficient": f"{ACTOR}.policy_loss.ppo_kl_coef",
}
BEFORE_A_QUOTE = re.compile(r'(\\*)("|\Z)')
ROUTER = "mathrl.verl.router"
MODULES = "VERL_USE_EXTERNAL_MODULES"
VERLS_REWARD_WORKERS = 8  # verl's default of reward.num_workers
# What a mode of the process reward changes in the trainer, and what dynamic sampling compares: under a gate right answers of one prompt
# are no longer all alike, under min neither are wrong ones.
PROCESS_LIBRARIES = {"filter": ["mathrl.verl.process_filter"], "min": ["mathrl.verl.process_min"]}
PROCESS_METRICS = {"gate": "process_acc", "min": "reward"}


def overrides(stage: Stage, *, accelerator: str, model: str, verifiers: Verifiers | None = None) -> Overrides:
    """verl's keys and values that the configuration of a stage decides, the user's own last.

    Args:
        stage: with its reward.
        accelerator: `cuda` or `cpu`.
        model: Hugging Face directory that the stage starts from.
        verifiers: those of a process reward, at least.
    """
    reward = stage.reward or Reward()
    _check(stage, accelerator, model)
    keys = _data(stage) | _algorithm(stage) | _model(stage, model) | _actor(stage) | _rollout(stage) | _reward(reward) | _trainer(stage)
    keys |= _of_a_method(stage)
    if stage.lora:
        keys |= adapter_keys(stage.lora, model, "actor_rollout_ref.model")
        # verl would hand adapters to the engine, whose CPU build has no kernels for them and whose router does not split
        # experts: it gets whole weights, summed in float32 (mathrl.verl.lora).
        keys["actor_rollout_ref.model.lora.merge"] = True
    if users_functions.terms(stage) and not reward.process:
        keys["reward.custom_reward_function.path"] = str(SCRIPTS / "users_reward.py")
    libraries = _libraries(stage, reward, model)
    if libraries:
        keys["actor_rollout_ref.model.external_lib"] = libraries if len(libraries) > 1 else libraries[0]
    keys |= cpu_keys(stage, model) if accelerator == "cpu" else cuda_keys(stage)
    if _in_a_cluster():
        keys = {key: value for key, value in keys.items() if "ray_kwargs.ray_init." not in key}
    keys |= _of_all_processes(stage, reward, libraries, accelerator)
    if is_deterministic(stage, accelerator):
        keys |= _deterministic(accelerator)
    if reward.process:
        workers = {**keys, **stage.verl}.get("reward.num_workers", VERLS_REWARD_WORKERS)
        keys |= _process_reward(reward.process, verifiers or Verifiers(), cast(int, workers))
    return keys | stage.verl


def _check(stage: Stage, accelerator: str, model: str) -> None:
    """Refuse a model that trainer or engine cannot compute with these settings."""
    check_head(model, stage.verl)
    check_precision(stage.dtype, accelerator, model)
    check_heads(model, accelerator)
    check_parallel(shape(model), stage.tensor_parallel, stage.all_gpus, model, "training")


def _data(stage: Stage) -> Overrides:
    keys: Overrides = {
        "data.train_batch_size": stage.train_batch_size,
        "data.max_prompt_length": stage.max_prompt_length,
        "data.max_response_length": stage.max_response_length,
        "data.filter_overlong_prompts": True,
        "data.truncation": "error",
        "data.seed": stage.seed,
        "data.shuffle": True,
        "data.dataloader_num_workers": 0,  # text rows cost nothing to load; one process less per rank, and resume is exact
    }
    if stage.skipping:
        keys["+data.skipping"] = stage.skipping.model_dump()
    return keys


def _algorithm(stage: Stage) -> Overrides:
    """Advantages; no KL anywhere."""
    return {
        "algorithm.adv_estimator": stage.advantage,
        "algorithm.norm_adv_by_std_in_grpo": stage.normalize_advantage,
        "algorithm.filter_groups.enable": stage.dynamic_sampling,
        "algorithm.filter_groups.metric": "acc",  # groups of only right or only wrong answers have no advantage
        "algorithm.use_kl_in_reward": False,
        f"{ACTOR}.use_kl_loss": False,
        f"{ACTOR}.entropy_coeff": stage.entropy_coefficient,
    }


def _model(stage: Stage, model: str) -> Overrides:
    return {
        "actor_rollout_ref.model.path": model,
        # Attention is torch's, as flash-attn has no wheel on the package index. Micro-batches of so many samples are padded to their
        # longest, as the memory they take is known then; those of so many tokens must be packed (transformers masks each sequence
        # from its positions): verl counts tokens without padding, and one long response among short ones would multiply them.
        "actor_rollout_ref.model.use_remove_padding": stage.dynamic_batch,
        # Log-probabilities of 512 tokens at a time, plain PyTorch in spite of the name. Without flash-attn verl otherwise takes them
        # token by token, some ten kernels each, with all logits of the micro-batch on the GPU: seven copies, most of its memory.
        "actor_rollout_ref.model.use_fused_kernels": True,
        "actor_rollout_ref.model.enable_gradient_checkpointing": stage.gradient_checkpointing,
        "+actor_rollout_ref.model.override_config.attn_implementation": "sdpa",
    }


def _actor(stage: Stage) -> Overrides:
    """Loss, micro-batches, optimizer, precision."""
    keys: Overrides = {
        f"{ACTOR}.strategy": "fsdp2",
        f"{ACTOR}.ppo_mini_batch_size": stage.mini_batch_size,
        f"{ACTOR}.ppo_micro_batch_size_per_gpu": stage.micro_batch_size,
        f"{ACTOR}.policy_loss.loss_mode": stage.policy_loss,
        f"{ACTOR}.loss_agg_mode": stage.loss_aggregation,
        f"{ACTOR}.clip_ratio_low": stage.clip_low,
        f"{ACTOR}.clip_ratio_high": stage.clip_high,
        f"{ACTOR}.use_dynamic_bsz": stage.dynamic_batch,
        f"{ACTOR}.ppo_max_token_len_per_gpu": stage.max_tokens_per_gpu,
        f"{ACTOR}.optim.lr": stage.learning_rate,
        f"{ACTOR}.optim.lr_warmup_steps": stage.warmup_steps,
        f"{ACTOR}.data_loader_seed": stage.seed,
        f"{ACTOR}.fsdp_config.seed": stage.seed,
        f"{ACTOR}.fsdp_config.model_dtype": "fp32",  # master weights; computation in `dtype`
        f"{ACTOR}.fsdp_config.dtype": stage.dtype,
    }
    if stage.dtype != "bfloat16":
        keys[f"+{ACTOR}.fsdp_config.mixed_precision"] = precision(stage.dtype)
    return keys


def _rollout(stage: Stage) -> Overrides:
    return {
        f"{ROLLOUT}.name": "vllm",
        f"{ROLLOUT}.n": stage.rollout_n,
        f"{ROLLOUT}.temperature": stage.temperature,
        f"{ROLLOUT}.dtype": stage.dtype,
        f"{ROLLOUT}.seed": stage.seed,
        f"{ROLLOUT}.tensor_model_parallel_size": stage.tensor_parallel,
        f"{ROLLOUT}.gpu_memory_utilization": stage.gpu_memory_utilization,
        f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu": stage.micro_batch_size_log_prob,
        f"{ROLLOUT}.max_model_len": stage.longest,
        f"{ROLLOUT}.load_format": "safetensors",
        f"{ROLLOUT}.calculate_log_probs": True,  # the train/rollout probability gap is monitored
    }


def _reward(reward: Reward) -> Overrides:
    return {
        "reward.custom_reward_function.path": str(SCRIPTS / "reward.py"),
        "reward.custom_reward_function.name": "compute_score",
        # as text, because a key in Hydra's grammar holds no colon
        "+reward.custom_reward_function.reward_kwargs.terms": json.dumps(reward_terms.plain(reward.terms), sort_keys=True),
    }


def _trainer(stage: Stage) -> Overrides:
    keys: Overrides = {
        "trainer.project_name": "mathrl",
        "trainer.logger": ["console", "tensorboard", *stage.further_trackers],
        "trainer.nnodes": stage.nodes,
        "trainer.n_gpus_per_node": stage.gpus,
        "trainer.total_epochs": stage.epochs,
        "trainer.val_before_train": stage.validate_before,
        "trainer.test_freq": stage.validate_every,
        "trainer.save_freq": stage.save_every,
        "+trainer.rollouts_per_step": stage.rollouts_per_step,  # for mathrl.verl.grpo_trainer
        "trainer.resume_mode": "auto",
        "trainer.checkpoint_callback_class": "mathrl.training.checkpoints.CompleteCheckpoints",
    }
    if stage.steps is not None:
        keys["trainer.total_training_steps"] = stage.steps
    return keys


def _of_a_method(stage: Stage) -> Overrides:
    """What only some methods have: nothing of it where the stage asks for none."""
    keys: Overrides = {}
    if stage.loss_aggregation == "seq-mean-token-sum-norm":
        # a fixed divisor instead of each response's own length (Dr. GRPO)
        keys[f"{ACTOR}.loss_scale_factor"] = stage.max_response_length
    if stage.overlong_penalty:
        penalty = {"enable": True, "len": stage.overlong_penalty.buffer, "penalty_factor": stage.overlong_penalty.factor}
        keys["reward.reward_manager.name"] = "dapo"
        keys["+reward.reward_kwargs.max_resp_len"] = stage.max_response_length
        keys["+reward.reward_kwargs.overlong_buffer_cfg"] = penalty | {"log": True}
    if correction := stage.correction:
        low, high = correction.low, correction.high
        keys["algorithm.rollout_correction.rollout_is"] = correction.level
        keys["algorithm.rollout_correction.rollout_is_threshold"] = high if low is None else f"{low}_{high}"
    others = {name: getattr(stage, name) for name in OF_A_METHOD}
    return keys | {OF_A_METHOD[name]: value for name, value in others.items() if value != Stage.model_fields[name].default}


def _libraries(stage: Stage, reward: Reward, model: str) -> list[str]:
    """Modules of ours that verl imports where it loads the model, in their order."""
    of_process = ["mathrl.verl.process_reward", *PROCESS_LIBRARIES.get(reward.process.mode, ())] if reward.process else []
    if stage.lora:
        of_the_model = ["mathrl.verl.lora"]  # which imports untied_heads
    else:
        of_the_model = [] if shape(model).get("tie_word_embeddings", True) else ["mathrl.verl.untied_heads"]
    return [
        *of_the_model,
        *(["mathrl.verl.maxrl"] if stage.advantage == "maxrl" else []),
        *([ROUTER] if router.has_one(Path(model)) else []),
        *(["mathrl.verl.skipping"] if stage.skipping else []),
        *(["mathrl.verl.users_registry"] if users_functions.keys(stage) else []),
        *(of_process or (["mathrl.verl.reward_failure"] if users_functions.terms(stage) else [])),
    ]


def _of_all_processes(stage: Stage, reward: Reward, libraries: list[str], accelerator: str) -> Overrides:
    """What each process of Ray's gets, and what names functions of the user's."""
    environment = "+ray_kwargs.ray_init.runtime_env.env_vars"
    keys: Overrides = {"+ray_kwargs.ray_init.runtime_env.worker_process_setup_hook": doors.HOOK, **users_functions.keys(stage)}
    if ROUTER in libraries:  # the engine's processes read no external_lib, and import these
        keys[f"{environment}.{MODULES}"] = f"{verl_environment(accelerator)[MODULES]},{ROUTER}"
    if controls.RANDOM in reward.terms:
        keys[f"{environment}.{controls.SEED}"] = str(stage.seed)
    return keys


def _process_reward(process: Process, verifiers: Verifiers, workers: int) -> Overrides:
    """A reward function that is a coroutine, with all that its verifiers need to know, as text."""
    section = process_reward.part(process, verifiers)
    named = {}
    for name, one in section.named.items():  # the reward workers may work elsewhere
        there = {"kind": users_code.absolute(one.kind), "prompt": one.prompt and str(Path(one.prompt).absolute())}
        there |= {"model": str(Path(str(one.model)).absolute())} if one.kind in MODELS else {}
        named[name] = one.model_copy(update=there)
    section = section.model_copy(update={"named": named})
    said = {"process": process.plain(), "verifiers": section.plain(), "workers": workers}
    keys: Overrides = {
        "reward.custom_reward_function.path": str(SCRIPTS / "process_reward.py"),
        "+reward.custom_reward_function.reward_kwargs.process": json.dumps(said, sort_keys=True),
    }
    if process.mode in PROCESS_METRICS:
        keys["algorithm.filter_groups.metric"] = PROCESS_METRICS[process.mode]
    return keys


def adapter_keys(lora: Lora, model: str, where: str) -> Overrides:
    """verl's keys below `where` for a model whose adapters are trained."""
    chosen = adapter.targets(lora, shape(model), model)
    return {f"{where}.lora_rank": lora.rank, f"{where}.lora_alpha": lora.alpha, f"{where}.target_modules": chosen}


def places(stage: Stage, *, train_file: str, validation_file: str, checkpoints: str, run: str, store: str) -> Overrides:
    """Where things lie and what they are called.

    Args:
        stage: as above.
        train_file, validation_file: parquet files in verl's columns.
        checkpoints: directory of verl's `global_step_N`.
        run: name shown by trackers.
        store: where the scores of verifiers are kept.
    """
    keys: Overrides = {
        "data.train_files": train_file,
        "data.val_files": validation_file,
        "trainer.experiment_name": run,
        "trainer.default_local_dir": checkpoints,
        "trainer.rollout_data_dir": f"{checkpoints}/rollouts" if stage.rollouts_per_step else None,
    }
    process = (stage.reward or Reward()).process
    if process or users_functions.terms(stage):
        kwargs = "+reward.custom_reward_function.reward_kwargs"
        keys |= {f"{kwargs}.store": str(Path(store).absolute())} if process else {}
        keys[f"{kwargs}.failure"] = str(Path(checkpoints, failure.NAME).absolute())
    if _in_a_cluster():
        stores = trackers.environment(stage.further_trackers, Path(checkpoints) / "trackers", os.environ)
        stores["TENSORBOARD_DIR"] = f"{checkpoints}/tensorboard"
        keys |= {f"+ray_kwargs.ray_init.runtime_env.env_vars.{name}": value for name, value in stores.items()}
    return keys


def _in_a_cluster() -> bool:
    """A cluster is there (scripts/run_on_nodes.py): Ray refuses to be told its size, and verl's own driver may run on any node."""
    return "RAY_ADDRESS" in os.environ


def cuda_keys(stage: Stage) -> Overrides:
    """What a GPU asks for, whatever is trained."""
    return {
        # Logical: verl's actors ask for three a GPU and ten besides, whatever the host has, and most of them sleep. Ray would wait
        # for ever on a host of fewer, and start a process for each core of a host of many.
        "ray_kwargs.ray_init.num_cpus": 4 * stage.gpus + 12,
        "+ray_kwargs.ray_init.include_dashboard": False,  # as on a CPU and over several nodes: nobody looks at it
        # FlashInfer's experts, vLLM's choice on Blackwell, hold their weights in another layout after the first start, which the next
        # weight sync cannot fill; and nvcc compiles some of them at run time. Triton's are vLLM's choice on all GPUs before.
        f"+{ROLLOUT}.engine_kwargs.vllm.moe_backend": "triton",
    }


def cpu_keys(stage: Stage, model: str) -> Overrides:
    """What differs without a GPU: no CUDA kernels, no sleeping engine, logical Ray GPUs, one worker of each kind."""
    keys: Overrides = {
        "trainer.device": "cpu",
        f"{ACTOR}.use_torch_compile": False,
        f"{ACTOR}.fsdp_config.use_torch_compile": False,
        f"{ROLLOUT}.enforce_eager": True,
        f"{ROLLOUT}.free_cache_engine": False,
        f"+{ROLLOUT}.enable_sleep_mode": False,
        f"{ROLLOUT}.max_num_seqs": 256,
        f"{ROLLOUT}.max_num_batched_tokens": max(4096, stage.longest),
        f"{ROLLOUT}.agent.num_workers": 1,
        f"{ROLLOUT}.checkpoint_engine.update_weights_bucket_megabytes": _bucket_megabytes(model),
        f"+{ROLLOUT}.engine_kwargs.vllm.worker_extension_cls": "mathrl.verl.cpu.worker.LiveWeightExtension",
        "reward.num_workers": 1,
        "transfer_queue.backend.SimpleStorage.num_data_storage_units": 1,
        "ray_kwargs.ray_init.num_cpus": 16,  # logical: verl's actors each ask for some, most of them sleep
        "+ray_kwargs.ray_init.num_gpus": stage.gpus,
        "+ray_kwargs.ray_init.include_dashboard": False,
    }
    if stage.tensor_parallel == 1:
        # one process less to start, and no exchange of each token's batch between two (environment.py)
        keys[f"+{ROLLOUT}.engine_kwargs.vllm.distributed_executor_backend"] = "uni"
    return keys


def _deterministic(accelerator: str) -> Overrides:
    """For mathrl.verl.deterministic: nothing of an earlier request is used again. A GPU's usual kernels depend on the batch."""
    keys: Overrides = {"+trainer.deterministic": True, f"{ROLLOUT}.enable_prefix_caching": False}
    if accelerator == "cpu":
        # A prompt read in pieces rewinds its request's random generator, which torch cannot do on a CPU.
        return keys | {f"{ROLLOUT}.enable_chunked_prefill": False}
    return keys | {
        f"{ACTOR}.fsdp_config.full_determinism": True,  # torch.use_deterministic_algorithms, and cuBLAS with one workspace
        "+ray_kwargs.ray_init.runtime_env.env_vars.VLLM_BATCH_INVARIANT": "1",
    }


def _bucket_megabytes(model: str) -> int:
    """Shared memory that a weight sync moves at once: the largest weight, which is the embedding in float32, must fit."""
    sizes = shape(model)
    return max(64, 1 + sizes.get("vocab_size", 0) * sizes.get("hidden_size", 0) * 4 // 2**20)


def _literal(value: Any) -> str:
    """A value in Hydra's override grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_literal(item) for item in value) + "]"
    if isinstance(value, str):
        # Of backslashes Hydra takes those for escapes that stand before a quote, and no others: a text of JSON or a pattern has some.
        return '"' + BEFORE_A_QUOTE.sub(lambda found: 2 * found[1] + found[2].replace('"', '\\"'), value) + '"'
    return repr(value)


def arguments(keys: Overrides) -> list[str]:
    """Command-line arguments for `python -m verl.trainer.main_ppo`."""
    return [f"{key}={_literal(value)}" for key, value in keys.items()]


def all_keys(trainer: str) -> list[str]:
    """Every key of a Hydra configuration of verl's, with those that hold others. verl itself is not imported."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    def walk(node: JsonObject, prefix: str = "") -> Iterator[str]:
        for key, value in node.items():
            yield f"{prefix}{key}"
            if isinstance(value, Mapping):
                yield from walk(dict(value), f"{prefix}{key}.")

    (package,) = importlib.util.find_spec("verl").submodule_search_locations  # type: ignore[union-attr, misc]
    with initialize_config_dir(str(Path(package) / "trainer/config"), version_base=None):
        composed = OmegaConf.to_container(compose(trainer), resolve=False)
    return sorted(walk(composed))


def resolve(keys: Overrides) -> JsonObject:
    """Compose the overrides with verl's own Hydra configuration and run verl's own validation; returns the whole, resolved.

    Imports verl, hence torch: seconds. `environment(...)` must be in `os.environ` before.

    Raises:
        UserError: verl refuses the configuration.
    """
    import verl.trainer
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    directory = str(Path(verl.trainer.__file__).parent / "config")
    try:
        with initialize_config_dir(directory, version_base=None):
            config = compose("ppo_trainer", overrides=arguments(keys))
        validate_config(config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config))
    except Exception as error:
        raise UserError(f"config: training: verl refuses the resulting configuration: {error}") from error
    return OmegaConf.to_container(config, resolve=True)
