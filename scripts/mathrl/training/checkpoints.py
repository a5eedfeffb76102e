"""Checkpoints that are whole or not there.

verl writes `global_step_N` in place. A kill in the middle leaves a directory that loads wrongly or not at all, so each save is
marked complete when its last byte is on disk, and a rerun goes on from the last complete one. verl instantiates `WholeCheckpoints` by name
(trainer.checkpoint_callback_class); the other functions need no verl.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

from mathrl.core.files import UserError, read_json, write_json, write_text

MARK = "whole.json"
TRACKER = "latest_checkpointed_iteration.txt"  # verl's: the step that resume_mode=auto loads


class CompleteCheckpoints:
    """verl's checkpoint callback: mark each checkpoint after its save."""

    def __init__(self, config=None) -> None:
        self.config = config

    def on_save(self, trainer, global_step: int, checkpoint_dir: str, async_save: bool = False, **kwargs) -> None:
        """Called by verl on the driver after every rank has written its part."""
        mark_complete(Path(checkpoint_dir))


def _sizes(directory: Path) -> dict[str, int]:
    files = (path for path in sorted(directory.rglob("*")) if path.is_file() and path.name != MARK)
    return {path.relative_to(directory).as_posix(): path.stat().st_size for path in files}


def mark_complete(directory: Path) -> None:
    """Flush a checkpoint to disk and write down its files and sizes (bytes)."""
    for name in _sizes(directory):
        with open(directory / name, "rb") as handle:
            os.fsync(handle.fileno())
    write_json(directory / MARK, {"schema_version": 1, "files": _sizes(directory)})


def is_complete(directory: Path) -> bool:
    """Whether a checkpoint was marked complete and still has all its bytes."""
    try:
        marked = read_json(directory / MARK)["files"]
    except (UserError, KeyError, TypeError):
        return False
    found = _sizes(directory)
    return all(found.get(name) == size for name, size in marked.items())


def steps(root: Path) -> list[int]:
    """Steps with a whole checkpoint below `root`, ascending."""
    return sorted(step for step, path in _directories(root).items() if is_complete(path))


def incomplete(root: Path) -> list[int]:
    """Steps whose checkpoint was cut off while being written, ascending."""
    return sorted(step for step, path in _directories(root).items() if not is_complete(path))


def _directories(root: Path) -> dict[int, Path]:
    found = {}
    for path in root.glob("global_step_*"):
        number = path.name.removeprefix("global_step_")
        if number.isdigit() and path.is_dir():
            found[int(number)] = path
    return found


def repair(root: Path) -> list[str]:
    """Remove checkpoints that were cut off and point verl at the last whole one; returns what was done, a line each."""
    done = []
    for step in incomplete(root):
        path = root / f"global_step_{step}"
        shutil.rmtree(path)
        done.append(f"{path}: was cut off while being written; removed, step {step} is trained again")
    whole = steps(root)
    tracker = root / TRACKER
    if whole:
        if not tracker.exists() or tracker.read_text().strip() != str(whole[-1]):
            write_text(tracker, str(whole[-1]))
    elif tracker.exists():
        tracker.unlink()
    return done


def retain(root: Path, last: int, every: int | None, *named: int) -> list[int]:
    """Remove the whole checkpoints that nothing asks for; returns their steps.

    Kept: the `last` newest (verl goes on from the newest), the `named` steps, and each that `every` divides.
    """
    saved = steps(root)
    kept = {*saved[-max(1, last) :], *named} | {step for step in saved if every and step % every == 0}
    gone = [step for step in saved if step not in kept]
    for step in gone:
        directory = root / f"global_step_{step}"
        (directory / MARK).unlink()  # from here on a kill leaves a directory that `repair` removes
        shutil.rmtree(directory)
    return gone


def most_at_once(steps: int | None, save_every: int, last: int, every: int | None, window: int) -> int:
    """Checkpoints that lie on disk at most while a stage trains: those kept, and the next one beside them; `steps` None: many.

    Beside the `last` newest and the best these are the newest from before a collapse, or up to two around the beginning of the
    monitor's `window` (see `session.Session.retain`).
    """
    around_window = max(1, ((last - 1) * save_every < window) + (last * save_every < window))
    kept = last + 1 + around_window + (steps // math.lcm(every, save_every) if steps and every else 0)
    return kept + 1 if steps is None else min(-(-steps // save_every), kept + 1)
