"""Which checkpoint of a finished stage a name means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import checkpoints
from .io import UserError
from .training import DEV, choose
from .watch import onset


def pick(manifest: Mapping[str, Any], point: str) -> tuple[int, str]:
    """(step, why) of `chosen`, `best`, `last` or `step-N` in a stage's manifest; step 0 is the model that the stage began with.

    `best` is chosen on the dev split among the steps before a collapse, whatever the run itself exports; `last` is where training
    ended, sound or not.

    Raises:
        UserError: no such name, or the step was never saved or has been removed; says which steps there are.
    """
    saved = checkpoints.steps(Path(manifest["checkpoints"]))
    if point == "chosen":
        return manifest["chosen_step"], manifest["chosen_why"]
    if point == "last":
        return (saved[-1], "the last checkpoint") if saved else (0, "no checkpoint was saved")
    if point == "best":
        return choose("best", saved, (manifest.get("validation") or {}).get(DEV, {}), collapsed_at(manifest))
    number = point.removeprefix("step-")
    if number == point or not number.isdigit():
        raise UserError(f"--point {point}: must be chosen, best, last or step-N")
    if int(number) not in saved:
        have = ", ".join(map(str, saved)) or "none"
        raise UserError(
            f"{manifest['checkpoints']}: step {number} of run {manifest['run']}, stage {manifest['stage']}, was never saved or has been "
            f"removed; there are steps {have}; name one of them in evaluation.steps"
        )
    return int(number), "named in evaluation.steps"


def collapsed_at(manifest: Mapping[str, Any]) -> int | None:
    """Where the stage's watch saw a collapse begin; None without one, or in a manifest of a run that was not watched."""
    window = ((manifest.get("config") or {}).get("watch") or {}).get("window", 1)
    return onset(manifest.get("collapse") or [], window)
