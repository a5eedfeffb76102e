"""Environment variables of the training process and all of verl's workers."""

from __future__ import annotations

from mathrl.core.code_files import SCRIPTS
from mathrl.models.engine import engine_environment


def verl_environment(accelerator: str) -> dict[str, str]:
    """Environment variables of the training process and all of verl's workers."""
    variables = {
        "VERL_USE_EXTERNAL_MODULES": "mathrl.verl.grpo_trainer",
        "PYTHONPATH": str(SCRIPTS),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "1",
        "HYDRA_FULL_ERROR": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if accelerator == "cpu":
        variables |= {
            "VERL_PLATFORM": "cpu",
            "VERL_USE_EXTERNAL_MODULES": "mathrl.verl.cpu.platform,mathrl.verl.grpo_trainer",
            "VERL_ENGINE_DEVICE": "cuda",  # verl's own override: its FSDP engine is registered under this name only
            "RAY_worker_niceness": "0",
        }
    return engine_environment(accelerator) | variables
