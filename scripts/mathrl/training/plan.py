"""What is trained: one stage of a run with its files, as the runner, the manifest and a forecast read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StagePlan:
    """One stage of training."""

    run: str
    stage_name: str
    stage: Mapping[str, Any]  # its merged `training` mapping
    reward: Mapping[str, Any]  # the `reward` mapping of the config
    accelerator: str  # cuda or cpu
    model: Path  # Hugging Face directory that it starts from
    train_file: Path  # parquet in verl's columns
    validation_file: Path
    root: Path  # of the checkpoint directories, one a fingerprint
    log: Path  # verl's output is appended here

    @property
    def name(self) -> str:
        """What the stage is called in messages."""
        return f"train {self.run}" + ("" if self.stage_name == "main" else f"/{self.stage_name}")

    @property
    def supervised(self) -> bool:
        """Whether verl's SFT trainer trains it."""
        return self.stage["algorithm"] == "supervised"

    @property
    def gpus(self) -> int:
        """GPUs of the job over all nodes (on a CPU: ranks)."""
        return self.stage["gpus"] * self.stage["nodes"]
