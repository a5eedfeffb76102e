"""Checkpoints that are complete or not there.

verl writes `global_step_N` in place. A kill in the middle leaves a directory that loads wrongly or not at all, so each save is
marked complete when its last byte is on disk, with the hash of each file. A rerun goes on from the last checkpoint that is complete
and unharmed. verl instantiates `CompleteCheckpoints` by name (trainer.checkpoint_callback_class); the other functions need no verl.
"""

from __future__ import annotations

import math
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mathrl.core.files import UserError, read_json, sha256_file, sha256_json, write_checked_json, write_text
from mathrl.core.hashes import sha256_files
from mathrl.training.records import FileMark

MARK = "whole.json"
HASHES = "hashes.json"  # of checkpoints that were read again and stayed as they are
THREADS = 4  # that hash the files of a checkpoint, one for each rank
TRACKER = "latest_checkpointed_iteration.txt"  # verl's: the step that resume_mode=auto loads


class CompleteCheckpoints:
    """verl's checkpoint callback: mark each checkpoint after its save."""

    def __init__(self, config: object = None) -> None:
        self.config = config

    def on_save(self, trainer: object, global_step: int, checkpoint_dir: str, async_save: bool = False, **kwargs: object) -> None:
        """Called by verl on the driver after every rank has written its part."""
        mark_complete(Path(checkpoint_dir))


def _sizes(directory: Path) -> dict[str, int]:
    files = (path for path in sorted(directory.rglob("*")) if path.is_file() and path.name != MARK)
    return {path.relative_to(directory).as_posix(): path.stat().st_size for path in files}


def mark_complete(directory: Path) -> None:
    """Flush a checkpoint to disk and write down its files, their sizes (bytes) and hashes."""
    sizes = _sizes(directory)
    for name in sizes:
        with open(directory / name, "rb") as handle:
            os.fsync(handle.fileno())
    with ThreadPoolExecutor(THREADS) as pool:
        hashes = pool.map(lambda name: sha256_file(directory / name), sizes)
        files = {name: {"bytes": sizes[name], "sha256": found} for name, found in zip(sizes, hashes, strict=True)}
    write_checked_json(directory / MARK, {"schema_version": 2, "files": files})


def _marked(directory: Path) -> dict[str, FileMark] | None:
    """What the mark says of each file; None without a mark that is as it was written."""
    try:
        mark = read_json(directory / MARK)
        checksum = mark.pop("checksum", None)
        if checksum is None and mark["schema_version"] == 1:  # sizes alone, of an earlier commit
            return {name: {"bytes": size} for name, size in mark["files"].items()}
        return mark["files"] if checksum == sha256_json(mark) else None
    except (UserError, KeyError, TypeError, AttributeError):
        return None


def is_complete(directory: Path) -> bool:
    """Whether a checkpoint was marked complete and its files still have their sizes."""
    marked = _marked(directory)
    if marked is None:
        return False
    found = _sizes(directory)
    return all(found.get(name) == said["bytes"] for name, said in marked.items())


def damage(directory: Path, cache: Path | None = None) -> str | None:
    """The first file of a complete checkpoint whose bytes are not those that were saved, or None. All bytes are read.

    With a `cache`, files that stayed as they are are read once.
    """
    marked = {name: said["sha256"] for name, said in (_marked(directory) or {}).items() if "sha256" in said}
    found = sha256_files([directory / name for name in marked], cache)
    return next((name for name, sha256 in marked.items() if found[directory / name] != sha256), None)


def check(directory: Path) -> None:
    """Refuse a checkpoint that is not as it was saved, before it is used.

    Raises:
        UserError: names the file.
    """
    if not (directory / MARK).exists():
        return  # somebody else's
    name = damage(directory) if is_complete(directory) else MARK
    if name:
        raise UserError(
            f"{directory / name}: is damaged: it is not as it was saved; move {directory.name} away, then snakemake --cores all "
            "--forcerun train_policy chooses another checkpoint or trains it again"
        )


def steps(root: Path) -> list[int]:
    """Steps with a complete checkpoint below `root`, ascending."""
    return sorted(step for step, path in _directories(root).items() if is_complete(path))


def last(root: Path) -> int:
    """The newest of them; 0 without one."""
    return max([0, *steps(root)])


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
    """Remove checkpoints that were cut off or are damaged, and point verl at the last one left; returns what was done, a line each."""
    done = []
    for step in incomplete(root):
        path = root / f"global_step_{step}"
        shutil.rmtree(path)
        done.append(f"{path}: was cut off while being written, or a file of it is gone; removed, step {step} is trained again")
    for step in steps(root):
        path = root / f"global_step_{step}"
        name = damage(path, cache=root / HASHES)
        if name:
            shutil.rmtree(path)
            done.append(f"{path / name}: is damaged: it is not as it was saved; the checkpoint is removed, step {step} is trained again")
    whole = steps(root)
    tracker = root / TRACKER
    if whole:
        if not tracker.exists() or tracker.read_text().strip() != str(whole[-1]):
            write_text(tracker, str(whole[-1]))
    elif tracker.exists():
        tracker.unlink()
    return done


def due(saved: list[int], save_every: int) -> list[int]:
    """The steps that a training which nobody interrupts has saved as well: multiples of `save_every`, and the newest.

    An interruption saves one more. It is there to go on from; were it chosen or counted, a run's export would depend on its interruptions.
    """
    return [step for step in saved if step % save_every == 0 or step == saved[-1]]


def retain(root: Path, last: int, every: int | None, save_every: int, *named: int) -> list[int]:
    """Remove the complete checkpoints that nothing asks for; returns their steps.

    Kept: of those that are `due` the `last` newest (verl goes on from the newest), the `named` steps, and each that `every` divides.
    """
    saved = steps(root)
    kept = {*due(saved, save_every)[-max(1, last) :], *named} | {step for step in saved if every and step % every == 0}
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
