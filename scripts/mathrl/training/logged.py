"""Curves and kept rollouts of a stage stay as they were written: SHA-256 of each file, as far as it had grown at the last save.

verl appends to its event files, and a kill may cut off their last record; what was there at a save is there ever after. Monitor, budget
and the choice of a checkpoint read the curves, the report shows the rollouts: what is less or other than noted is refused, as nothing
but training could make it again. Stages of earlier commits have no note; they get one the next time that they are trained or looked at.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mathrl.core.files import UserError, read_checked_json, write_checked_json
from mathrl.core.tensorboard import event_files
from mathrl.training.records import FileMark

NOTE = "logged.json"
CURVES, ROLLOUTS = "tensorboard", "rollouts"
BLOCK = 1 << 20


def note(directory: Path, step: int) -> None:
    """Note all that is logged below `directory`, the rollouts up to `step`: those of later steps are written again.

    A file that is less than was noted, or another, keeps its entry: it is damaged, and the next check says so. Where there is no room for
    the note, the last one stands: a line says so, and training goes on.
    """
    try:
        _note(directory, step)
    except OSError as error:
        print(f"{error.filename or directory / NOTE}: {error.strerror or error}; the next save notes what is logged", file=sys.stderr)


def _note(directory: Path, step: int) -> None:
    known = _noted(directory)
    found = {name: mark for name, mark in known.items() if _is_saved(name, step)}
    for name, path in _files(directory, step):
        if name in found and name.startswith(ROLLOUTS):
            continue  # written once
        with open(path, "rb") as handle:
            os.fsync(handle.fileno())  # no note of what a machine that loses its power would lose
        before, mark = _grown(path, found[name]["bytes"] if name in found else 0)
        if name not in found or before == found[name]["sha256"]:
            found[name] = mark
    if found != known:
        write_checked_json(directory / NOTE, {"schema_version": 1, "files": found})


def check(directory: Path, *parts: str) -> None:
    """Refuse what is logged below `directory`, in `parts` or all of it, where it is not as it was written.

    Raises:
        UserError: names the file.
    """
    for name, mark in _noted(directory).items():
        path = directory / name
        if (not parts or name.partition("/")[0] in parts) and (not path.is_file() or _grown(path, mark["bytes"])[0] != mark["sha256"]):
            raise UserError(
                f"{path}: is damaged: it is not as it was written; checkpoints are chosen and reports made by it: restore it from a copy, "
                f"or remove {directory / NOTE} to go on with what is left of it"
            )


def _noted(directory: Path) -> dict[str, FileMark]:
    path = directory / NOTE
    try:
        return dict(read_checked_json(path)["files"]) if path.exists() else {}
    except UserError as error:
        print(f"{error}; what is logged is noted anew", file=sys.stderr)
        return {}


def _files(directory: Path, step: int) -> Iterator[tuple[str, Path]]:
    rollouts = sorted(path for path in (directory / ROLLOUTS).glob("*") if path.is_file())
    for path in [*event_files(directory / CURVES), *rollouts]:
        name = path.relative_to(directory).as_posix()
        if _is_saved(name, step):
            yield name, path


def _is_saved(name: str, step: int) -> bool:
    """Whether a file holds nothing that is trained again after `step`: event files are never written anew."""
    number = name.removeprefix(f"{ROLLOUTS}/").partition(".")[0]
    return not name.startswith(ROLLOUTS) or (number.isdigit() and int(number) <= step)


def _grown(path: Path, size: int) -> tuple[str, FileMark]:
    """SHA-256 of the first `size` bytes of a file (of fewer, where it has fewer), and the mark of the whole."""
    digest, count = hashlib.sha256(), 0
    first = "" if size else digest.hexdigest()
    with open(path, "rb") as handle:
        while block := handle.read(min(BLOCK, size - count) if count < size else BLOCK):
            digest.update(block)
            count += len(block)
            if count == size:
                first = digest.hexdigest()
    return first or digest.hexdigest(), {"bytes": count, "sha256": digest.hexdigest()}
