"""What is trained: one stage of a run with its files, and what is made of it once: verl's keys and the fingerprint.

Runner, manifest and forecast read it; nobody else makes verl's keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mathrl.config.stage import Stage
from mathrl.config.verifier import Verifiers
from mathrl.training import fingerprints
from mathrl.training.records import Fingerprint
from mathrl.verl import grpo_config, sft_config
from mathrl.verl.keys import Overrides

STORE = Path("checkpoints/verifiers")  # scores of verifiers, of all runs and of the evaluation


@dataclass(frozen=True)
class StagePlan:
    """One stage of training."""

    run: str
    stage_name: str
    stage: Stage  # with its reward
    accelerator: str  # cuda or cpu
    model: Path  # Hugging Face directory that it starts from
    train_file: Path  # parquet in verl's columns
    validation_file: Path
    root: Path  # of the checkpoint directories, one a fingerprint
    log: Path  # verl's output is appended here
    verifiers: Verifiers = field(default_factory=Verifiers)  # those of a process reward
    store: Path = STORE  # their scores

    @property
    def name(self) -> str:
        """What the stage is called in messages."""
        return f"train {self.run}" + ("" if self.stage_name == "main" else f"/{self.stage_name}")

    @property
    def supervised(self) -> bool:
        """Whether verl's SFT trainer trains it."""
        return self.stage.supervised

    @property
    def gpus(self) -> int:
        """GPUs of the job over all nodes, with those of verifiers alone (on a CPU: ranks)."""
        return self.stage.job_gpus * self.stage.nodes

    @cached_property
    def keys(self) -> Overrides:
        """verl's keys and values that the configuration decides: all but places and names, which the fingerprint decides."""
        of_stage: dict[str, str] = {"accelerator": self.accelerator, "model": str(self.model)}
        if self.supervised:
            return sft_config.overrides(self.stage, **of_stage)
        return grpo_config.overrides(self.stage, verifiers=self.verifiers, **of_stage)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Everything that determines what is learnt; the checkpoint directory is named by its hash.

        Raises:
            UserError: the module of a reward term or of a verifier is nowhere, a judge has no prompt, or code is no Python.
        """
        return fingerprints.fingerprint(self.stage, self.keys, self.train_file, self.model, self.accelerator, self.verifiers)

    def placed(self, directory: Path, train_file: Path, **more: Any) -> Overrides:
        """All of verl's keys: those above, where things lie, `more` that this start of the trainer needs, and the user's own last.

        Args:
            directory: of the checkpoints.
            train_file: what verl reads: the stage's, or the solutions of a supervised stage.
        """
        trainer = sft_config if self.supervised else grpo_config
        files = {"train_file": str(train_file), "validation_file": str(self.validation_file)}
        places = trainer.places(self.stage, **files, checkpoints=str(directory), run=self.run, store=str(self.store))
        return {**self.keys, **places, **more, **self.stage.verl}
