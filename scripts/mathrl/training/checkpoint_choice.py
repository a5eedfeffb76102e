"""Which checkpoint of a stage is exported: chosen on held-out training problems, or named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from mathrl.core.files import UserError
from mathrl.training import checkpoints
from mathrl.training.collapse import onset
from mathrl.training.records import Manifest

DEV = "dev"  # data source of the held-out training problems


def validation_curves(scalars: Mapping[str, list[tuple[int, float]]]) -> dict[str, dict[str, float]]:
    """Validation accuracy by data source and step, from TensorBoard's `val-core/<source>/acc/mean@1`."""
    curves = {}
    for tag, points in scalars.items():
        part = tag.split("/")
        if part[0] == "val-core" and part[-2] == "acc" and part[-1].startswith("mean@"):
            curves["/".join(part[1:-2])] = {str(step): round(value, 6) for step, value in points}
    return curves


def choose(rule: Literal["best", "last", "end"], saved: list[int], dev: Mapping[str, float], onset: int | None = None) -> tuple[int, str]:
    """The checkpoint to export and why; step 0 is the starting model.

    `best`: highest accuracy on the dev split among saved steps and the start; the earlier one of equals, as it drifted less.
    Steps from `onset` on, where a collapse began, are chosen by `end` alone: a control that was replaced by the model from before it
    collapsed would say nothing.
    """
    if rule == "end" and saved:
        collapsed = "" if onset is None else f"; the run collapsed from step {onset} on"
        return saved[-1], "where training ended, as configured" + collapsed
    sound = [step for step in saved if onset is None or step < onset]
    note = "" if onset is None else f"; checkpoints from step {onset} on are out, the run collapsed there"
    if rule != "best" or not sound:
        step = sound[-1] if sound else 0
        return step, ("last checkpoint, as configured" if rule == "last" and sound else "no sound checkpoint was saved") + note
    if not any(str(step) in dev for step in sound):
        return sound[-1], "last checkpoint; none was validated on the dev split" + note
    unknown = [step for step in sound if str(step) not in dev]
    note = (f"; not validated: step {', '.join(map(str, unknown))}" if unknown else "") + note
    candidates = [step for step in (0, *sound) if str(step) in dev]
    step = max(candidates, key=lambda s: (dev[str(s)], -s))
    among = ", ".join(map(str, candidates))
    return step, f"highest accuracy on the dev split of the training data ({dev[str(step)]:.4f}) among steps {among}{note}"


def pick(manifest: Manifest, choice: str) -> tuple[int, str]:
    """(step, why) of `chosen`, `best`, `last` or `step-N` in a stage's manifest; step 0 is the model that the stage began with.

    `best` is chosen on the dev split among the steps before a collapse, whatever the run itself exports; `last` is where training
    ended, sound or not.

    Raises:
        UserError: no such name, or the step was never saved or has been removed; says which steps there are.
    """
    saved = checkpoints.steps(Path(manifest["checkpoints"]))
    if choice == "chosen":
        return manifest["chosen_step"], manifest["chosen_why"]
    if choice == "last":
        return (saved[-1], "the last checkpoint") if saved else (0, "no checkpoint was saved")
    if choice == "best":
        due = checkpoints.due(saved, manifest["config"]["save_every"])
        return choose("best", due, (manifest.get("validation") or {}).get(DEV, {}), collapsed_at(manifest))
    number = choice.removeprefix("step-")
    if number == choice or not number.isdigit():
        raise UserError(f"--choice {choice}: must be chosen, best, last or step-N")
    if int(number) not in saved:
        have = ", ".join(map(str, saved)) or "none"
        raise UserError(
            f"{manifest['checkpoints']}: step {number} of run {manifest['run']}, stage {manifest['stage']}, was never saved or has been "
            f"removed; there are steps {have}; name one of them in evaluation.steps"
        )
    return int(number), "named in evaluation.steps"


def collapsed_at(manifest: Manifest) -> int | None:
    """Where the stage's monitor saw a collapse begin; None without one, or in a manifest of a run that was not monitored."""
    window = ((manifest.get("config") or {}).get("monitor") or {}).get("window", 1)
    return onset(manifest.get("collapse") or [], window)
