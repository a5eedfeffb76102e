"""The curves of a stage as far as it is saved."""

from __future__ import annotations

from pathlib import Path

from mathrl.core.files import write_bytes
from mathrl.core.tensorboard import Curve, event_files, read_scalars

TIMED = ("timing_", "perf/")


def saved_curves(directory: Path, step: int) -> dict[str, Curve]:
    """Scalars by tag of a stage whose last checkpoint is that of `step` (0: none), also those that are not finite.

    verl logs a step after its save and its validation. Where a kill came between them, the checkpoint brings the step's line: it is
    copied to the others, so that curves, monitor and budget count the step.
    """
    log, saved = directory / "tensorboard", directory / f"global_step_{step}"
    curves = read_scalars(log, finite=False)
    line = {tag: dict(curve)[step] for tag, curve in read_scalars(saved, finite=False).items() if step in dict(curve)} if step else {}
    logged = {tag: dict(curves.get(tag, [])).get(step) for tag in line}
    # Times of a step that ended count its save, too. Other values are an earlier attempt's, or lost, where they are not the same.
    if all(repr(logged[tag]) == repr(value) for tag, value in line.items() if not tag.startswith(TIMED)):
        return curves
    for path in event_files(saved):
        write_bytes(log / path.name, path.read_bytes())
    return read_scalars(log, finite=False)
