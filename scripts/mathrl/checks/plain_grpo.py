"""verl's own plain GRPO, as its example for GSM8K and MATH has it, at the sizes of one of our stages: what our additions cost.

The keys are those of verl's examples/grpo_trainer/run_qwen2-7b_math.sh, without its KL loss. Three things are as in our trainings,
because nothing would start otherwise, or stand open: attention is torch's (flash-attn is not on the package index, and without it
verl packs no sequences), the closed doors of `mathrl.verl.base_plugin`, and on a CPU our platform and its keys.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mathrl.checks import gpu
from mathrl.config.stage import Stage
from mathrl.core.files import UserError
from mathrl.execution.nodes import python_for_ray
from mathrl.execution.secrets import isolation
from mathrl.models.local_stores import DIRECTORY
from mathrl.verl import doors, grpo_config
from mathrl.verl.environment import verl_environment
from mathrl.verl.keys import Overrides
from mathrl.verl.precision import precision

ACTOR, ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
REWARDED_AS = "lighteval/MATH"  # a data source that verl has a reward for: the answer in the box


def keys(stage: Stage, accelerator: str, model: Path, folder: Path) -> Overrides:
    """verl's keys for the sizes of `stage`; nothing is saved or validated.

    Args:
        stage: batches, lengths, learning rate, precision, GPUs of one host.
        accelerator: `cuda` or `cpu`.
        model: Hugging Face directory.
        folder: with train.parquet and val.parquet.
    """
    found: Overrides = {
        "algorithm.adv_estimator": "grpo",
        "algorithm.use_kl_in_reward": False,
        "data.train_files": str(folder / "train.parquet"),
        "data.val_files": str(folder / "val.parquet"),
        "data.train_batch_size": stage.train_batch_size,
        "data.max_prompt_length": stage.max_prompt_length,
        "data.max_response_length": stage.max_response_length,
        "data.filter_overlong_prompts": True,
        "data.truncation": "error",
        "actor_rollout_ref.model.path": str(model),
        "actor_rollout_ref.model.use_remove_padding": False,
        "+actor_rollout_ref.model.override_config.attn_implementation": "sdpa",
        "actor_rollout_ref.model.enable_gradient_checkpointing": stage.gradient_checkpointing,
        f"{ACTOR}.strategy": "fsdp2",
        f"{ACTOR}.optim.lr": stage.learning_rate,
        f"{ACTOR}.ppo_mini_batch_size": stage.mini_batch_size,
        f"{ACTOR}.ppo_micro_batch_size_per_gpu": stage.micro_batch_size,
        f"{ACTOR}.use_kl_loss": False,
        f"{ACTOR}.entropy_coeff": 0,
        f"{ROLLOUT}.name": "vllm",
        f"{ROLLOUT}.n": stage.rollout_n,
        f"{ROLLOUT}.dtype": stage.dtype,
        f"{ROLLOUT}.tensor_model_parallel_size": stage.tensor_parallel,
        f"{ROLLOUT}.gpu_memory_utilization": stage.gpu_memory_utilization,
        f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu": stage.micro_batch_size_log_prob,
        f"{ROLLOUT}.max_model_len": stage.longest,
        f"{ROLLOUT}.load_format": "safetensors",
        "trainer.logger": ["console", "tensorboard"],
        "trainer.project_name": "plain",
        "trainer.experiment_name": "plain",
        "trainer.default_local_dir": str(folder / "checkpoints"),
        "trainer.n_gpus_per_node": stage.gpus,
        "trainer.nnodes": 1,
        "trainer.val_before_train": False,
        "trainer.save_freq": -1,
        "trainer.test_freq": -1,
        "trainer.total_epochs": stage.epochs,
        "trainer.total_training_steps": stage.steps,
        "+ray_kwargs.ray_init.runtime_env.worker_process_setup_hook": doors.HOOK,
    }
    if stage.dtype != "bfloat16":
        found[f"+{ACTOR}.fsdp_config.mixed_precision"] = precision(stage.dtype)
    return found | (grpo_config.cpu_keys(stage, str(model)) if accelerator == "cpu" else grpo_config.cuda_keys(stage))


def train(folder: Path, stage: Stage, accelerator: str, model: Path, seconds: float) -> Path:
    """Train by it in `folder`, which holds the rows of `gpu.write_data`; returns the directory of its curves.

    Raises:
        UserError: it failed, or took longer than `seconds`; names its log.
    """
    import polars as pl

    for name in ("train", "val"):
        file = folder / f"{name}.parquet"
        pl.read_parquet(file).with_columns(data_source=pl.lit(REWARDED_AS)).write_parquet(file)
    modules = "mathrl.verl.base_plugin"
    environment = verl_environment(accelerator) | isolation(os.environ)
    environment |= {"TENSORBOARD_DIR": str(folder / "tensorboard")}
    environment["VERL_USE_EXTERNAL_MODULES"] = f"mathrl.verl.cpu.platform,{modules}" if accelerator == "cpu" else modules
    quiet = ["hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout"]  # no files of Hydra's own
    command = [sys.executable, "-m", "mathrl.checks.plain_grpo", *quiet, *grpo_config.arguments(keys(stage, accelerator, model, folder))]
    log = folder / "verl.log"
    why = gpu.execute(command, log, environment, seconds, gpu.gpus_of(stage, accelerator))
    if why:
        raise UserError(f"verl's own trainer failed: {why}; its log is {log}")
    return folder / "tensorboard"


if __name__ == "__main__":  # in the supervisor's directory, where a link to Python may be needed
    python = python_for_ray(os.environ.get(DIRECTORY))
    os.execv(python, [python, "-m", "verl.trainer.main_ppo", *sys.argv[1:]])
