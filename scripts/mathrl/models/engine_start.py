"""The start of a vLLM engine in this process: for sampling, and for verifiers that are models."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from mathrl.execution.secrets import LOOPBACK
from mathrl.models import local_stores, router
from mathrl.models.engine import engine_environment, inspect_models_here, leave_out_sklearn


def start_llm(accelerator: str, **settings: Any) -> Any:
    """A `vllm.LLM` of these settings that lives and dies with this process. It opens no port and runs no code of a hub."""
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.update(engine_environment(accelerator) | LOOPBACK)
    if accelerator == "cpu":
        leave_out_sklearn()
    from vllm import LLM

    local_stores.use_files(importlib.import_module("torch.distributed.rendezvous"))  # by name: torch hides it behind a function
    if accelerator == "cpu":
        from mathrl.models import cpu_kernels

        cpu_kernels.apply()
        inspect_models_here()
    if router.has_one(Path(settings["model"])):
        router.in_the_engine(importlib.import_module(router.ENGINES))
    return LLM(**settings)
