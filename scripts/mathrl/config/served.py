"""Verifiers that are models beside a training: which GPU each works on, how much of it it takes, and what cannot fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mathrl.config.process import models
from mathrl.config.stage import Stage
from mathrl.config.verifier import Verifiers
from mathrl.core.files import UserError
from mathrl.core.model_context import context

SHARED, OWN = 0.2, 0.9  # of a GPU, where the configuration says nothing: on one that trains too, on one of their own
PLACES = ("{}", "resources/models/{}", "results/{}/model")  # of a verifier's model: as it is named, fetched, or trained here
MARKS = 32  # tokens of a verifier's dialogue besides problem and response, at least: turns or separators of the first steps


@dataclass(frozen=True)
class Served:
    """Verifiers that are models, of one training.

    Args:
        names: of the verifiers.
        gpus: that are theirs alone; 0: they share those that train.
        share: of its GPU that each takes, 0 to 1.
        most: of them on one GPU.
    """

    names: tuple[str, ...] = ()
    gpus: int = 0
    share: float = 0.0
    most: int = 0

    @property
    def on_training_gpu(self) -> int:
        """How many of them work on a GPU that trains, at most."""
        return 0 if self.gpus else self.most


NOBODY = Served()


def of_stage(stage: Stage, section: Verifiers) -> Served:
    """The verifiers that are models of a stage; `section` holds those of its process reward at least."""
    process = stage.reward.process if stage.reward and not stage.supervised else None
    names = models(process, section)
    if process is None or not names:
        return NOBODY
    most = math.ceil(len(names) / (process.gpus or stage.gpus))
    share = process.gpu_memory or (OWN / most if process.gpus else SHARED)
    return Served(tuple(names), process.gpus, share, most)


def check(stage: Stage, section: Verifiers, accelerator: str, where: str) -> None:
    """Refuse verifiers that are out of reach of some of the stage's rewards, read too little, or that no GPU has room for.

    Raises:
        UserError: the line begins with `where`.
    """
    found = of_stage(stage, section)
    if not found.names:
        return
    if stage.nodes > 1:
        raise UserError(
            f"{where}: reward.process: '{found.names[0]}' is a model and served on one host, and the rewards of nodes {stage.nodes} are "
            "computed on all of them; write nodes: 1, or serve it yourself and name a judge or a function of yours"
        )
    _check_context(stage, found.names, section, where)
    if accelerator == "cpu":
        return
    if stage.deterministic:
        raise UserError(
            f"{where}: deterministic: true and '{found.names[0]}' in reward.process: on a GPU its scores depend, in their last digits, on "
            "what is scored beside; set deterministic: false"
        )
    taken = found.most * found.share
    each = f"reward.process.gpu_memory {found.share:g}" + (f", {found.most} verifiers on a GPU," if found.most > 1 else "")
    if found.gpus and taken > 1:
        raise UserError(f"{where}: {each} takes {taken:g} of it; lower it, or raise reward.process.gpus")
    if not found.gpus and taken + stage.gpu_memory_utilization >= 1:
        raise UserError(
            f"{where}: {each} and gpu_memory_utilization {stage.gpu_memory_utilization:g} leave nothing of a GPU for the weights that "
            "are trained; lower one of them, or give the verifiers GPUs of their own (reward.process.gpus)"
        )


def _check_context(stage: Stage, names: Sequence[str], section: Verifiers, where: str) -> None:
    """Refuse verifiers that cannot read the longest response; a model that is not there yet is not looked at."""
    needed = stage.max_prompt_length + stage.max_response_length + MARKS
    for name in names:
        places = [Path(place.format(section.named[name].model)) for place in PLACES]
        most = next((longest for place in places if (longest := context(place)) is not None), None)
        if most is not None and needed > most:
            raise UserError(
                f"{where}: training.max_prompt_length {stage.max_prompt_length}, max_response_length {stage.max_response_length} and some "
                f"{MARKS} tokens of marks are {needed}, and verifier '{name}' in reward.process reads {most} (max_position_embeddings); "
                "lower training.max_response_length, or choose a verifier with a longer context"
            )


def divided(devices: Sequence[str], training: int, own: int) -> tuple[list[str], list[str]]:
    """The GPUs of the trainer, and those of verifiers alone: the last `own` of them.

    Args:
        devices: of the job, as CUDA names them.
        training: that the trainer needs at least.
        own: of verifiers alone.

    Raises:
        UserError: there are fewer.
    """
    if len(devices) < training + own:
        raise UserError(
            f"this job sees {len(devices)} GPU(s) and needs {training + own}: training.gpus {training} and reward.process.gpus {own}; "
            "lower one of them, or widen CUDA_VISIBLE_DEVICES"
        )
    return list(devices[: len(devices) - own]), list(devices[len(devices) - own :])


def placed(names: Sequence[str], devices: Sequence[str]) -> dict[str, str]:
    """Which of these GPUs each verifier works on: one after the other, from the first again."""
    return {name: devices[number % len(devices)] for number, name in enumerate(names)}
