"""The curves of a stage as far as it is saved."""

from __future__ import annotations

from pathlib import Path

from mathrl.core.files import write_bytes
from mathrl.core.tensorboard import Curve, event_files, read_scalars
from mathrl.training.session import TRAINED


def saved_curves(directory: Path, step: int) -> dict[str, Curve]:
    """Scalars by tag of a stage whose last checkpoint is that of `step` (0: none), also those that are not finite.

    verl logs a step after its save and its validation. Where a kill came between them, the checkpoint brings the step's line: it is
    copied to the others, so that curves, monitor and budget count the step.
    """
    log = directory / "tensorboard"
    curves = read_scalars(log, finite=False)
    if not step or any(step in dict(curves.get(tag, [])) for tag in TRAINED):
        return curves
    for path in event_files(directory / f"global_step_{step}"):
        write_bytes(log / path.name, path.read_bytes())
    return read_scalars(log, finite=False)
