"""A supervised stage: verl's SFT trainer on given solutions of the stage's own training problems.

Only problems of the stage's train file count, so that decontamination and data selection hold for solutions too.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from mathrl.config.stage import Stage
from mathrl.models import router
from mathrl.models.local_stores import DIRECTORY
from mathrl.verl.grpo_config import adapter_keys
from mathrl.verl.keys import Overrides
from mathrl.verl.precision import check_precision, precision


def overrides(stage: Stage, *, accelerator: str, model: str) -> Overrides:
    """verl's keys and values (`sft_trainer_engine`) that the configuration of a supervised stage decides, the user's own last."""
    keys: Overrides = {
        "data.train_batch_size": stage.train_batch_size,
        "data.micro_batch_size_per_gpu": stage.micro_batch_size,
        "data.use_dynamic_bsz": stage.dynamic_batch,
        "data.max_token_len_per_gpu": stage.max_tokens_per_gpu,
        "data.max_length": stage.longest,
        "data.truncation": "right",
        "data.num_workers": 0,
        "optim.lr": stage.learning_rate,
        "optim.lr_warmup_steps": stage.warmup_steps,
        "model.path": model,
        "model.use_remove_padding": stage.dynamic_batch,  # micro-batches by tokens are packed: see mathrl.verl.grpo_config
        "model.enable_gradient_checkpointing": stage.gradient_checkpointing,
        "+model.override_config.attn_implementation": "sdpa",
        "engine.strategy": "fsdp2",
        "engine.model_dtype": "fp32",
        "engine.dtype": stage.dtype,
        "engine.seed": stage.seed,
        "trainer.project_name": "mathrl",
        "trainer.logger": ["console", "tensorboard", *stage.further_trackers],
        "trainer.seed": stage.seed,
        "trainer.nnodes": 1,
        "trainer.n_gpus_per_node": stage.gpus,
        "trainer.total_epochs": 10**6,  # the steps end it
        "trainer.total_training_steps": stage.steps,
        "trainer.save_freq": stage.save_every,
        "trainer.resume_mode": "auto",
    }
    if stage.lora:
        keys |= adapter_keys(stage.lora, model, "model")
    if router.has_one(Path(model)):
        keys["model.external_lib"] = "mathrl.verl.router"
    check_precision(stage.dtype, accelerator, "")
    if stage.dtype != "bfloat16":
        keys["+engine.mixed_precision"] = precision(stage.dtype)
    if accelerator == "cpu":
        keys |= {"trainer.device": "cpu", "engine.use_torch_compile": False}
    elif stage.deterministic:
        keys["engine.full_determinism"] = True  # as of GRPO's trainer (grpo_config.py); float32 on a CPU needs nothing
    return keys | stage.verl


def places(stage: Stage, *, train_file: str, validation_file: str, checkpoints: str, run: str, store: str) -> Overrides:
    """Where things lie and what they are called; verl's SFT trainer is given no validation, and asks no verifier."""
    return {"data.train_files": train_file, "trainer.experiment_name": run, "trainer.default_local_dir": checkpoints}


def command(gpus: int) -> list[str]:
    """How the trainer is started: a process a GPU. They meet in a file, not at a port, which --standalone would open to everybody."""
    meeting = ["--nnodes", "1", "--rdzv-backend", "c10d", "--rdzv-conf", "store_type=file", "--local-addr", "127.0.0.1"]
    if DIRECTORY in os.environ:
        meeting += ["--rdzv-endpoint", f"{os.environ[DIRECTORY]}/rendezvous-{uuid.uuid4().hex[:8]}"]  # else a temporary file of mode 0600
    return ["-m", "torch.distributed.run", *meeting, "--nproc-per-node", str(gpus), "-m", "mathrl.verl.sft_trainer"]
