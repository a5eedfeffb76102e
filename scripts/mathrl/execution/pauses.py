"""A pause is no failure: a SLURM job that was told to end goes back into the queue, as the same job.

What runs in the job knows that it was told to end, and whether it got on before; an image has no scontrol. So it leaves a note, and
the job's own Snakemake, outside of the image, has SLURM queue the job again before it ends. Snakemake sees one job that takes longer:
its `retries` are for failures alone.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mathrl.core.files import UserError, read_json, write_json
from mathrl.execution.processes import PROGRESS as PROGRESS
from mathrl.execution.processes import QUEUES as QUEUES

FOLDER = Path(".snakemake/paused")  # a folder a SLURM job, with a note for each of its commands that was told to end
LIMIT = 3  # pauses in a row without progress; then the job fails
KEPT = 30 * 86400.0  # seconds after which the notes of a job that failed or was cancelled go


def progressed() -> None:
    """Something is saved that this job will not have to do again."""
    if PROGRESS in os.environ:
        Path(os.environ[PROGRESS]).touch()


def note(command: Sequence[str], progress: bool) -> str:
    """Note that this job's command was told to end; what that means, in a line. Empty where no Snakemake of a SLURM job reads it."""
    path = _note_of(command)
    if path is None:
        return ""
    without = 0 if progress else _read(path)["without_progress"] + 1
    again = without < LIMIT
    try:
        write_json(path, {"again": again, "without_progress": without if again else 0})
    except OSError as error:
        return f"paused, but {path} cannot be written ({error.strerror}); the job counts as failed"
    if again:
        return "paused: the job goes back into the queue" + (f"; {without} of at most {LIMIT} pauses without progress" if without else "")
    return f"was told to end {LIMIT} times in a row before anything was saved; give it more time (runtime), or save more often (save_every)"


def forget(command: Sequence[str]) -> None:
    """This job's command has ended by itself, well or not: an earlier note holds no longer."""
    path = _note_of(command)
    with contextlib.suppress(OSError):  # there is none, or there are notes of the job's other commands
        if path is not None:
            path.unlink()
            path.parent.rmdir()


def read_at_exit() -> None:
    """Read the notes when this Snakemake, which is that of a SLURM job, ends; those of jobs that are long over go."""
    os.environ[QUEUES] = "1"
    atexit.register(queue_again)
    for folder in FOLDER.glob("*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > KEPT:
                shutil.rmtree(folder)


def queue_again() -> None:
    """Have SLURM queue this job again where one of its commands was paused; nothing where somebody cancelled the job."""
    job = _job()
    notes = {path: _read(path) for path in sorted((FOLDER / job).glob("*.json"))} if job else {}
    if not any(said["again"] for said in notes.values()):
        return
    try:
        for path, said in notes.items():
            write_json(path, said | {"again": False})
        shown = subprocess.run(
            ["scontrol", "show", "job", job, "--oneliner"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
        if re.search(r"\bJobState=RUNNING\b", shown):  # of a cancelled job it is COMPLETING by now
            print(f"paused: SLURM job {job} goes back into the queue", file=sys.stderr, flush=True)
            subprocess.run(["scontrol", "requeue", job], timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"paused, but SLURM does not queue job {job} again ({error}); it counts as failed", file=sys.stderr, flush=True)


def _job() -> str:
    """This SLURM job as scontrol names it, a task of an array by its own name; empty where there is none."""
    task = [os.environ.get(f"SLURM_ARRAY_{part}_ID", "") for part in ("JOB", "TASK")]
    name = "_".join(task) if all(task) else os.environ.get("SLURM_JOB_ID", "")
    return name if re.fullmatch(r"\d+(_\d+)?", name) else ""


def _note_of(command: Sequence[str]) -> Path | None:
    job = _job() if QUEUES in os.environ else ""
    return FOLDER / job / f"{hashlib.sha256(chr(0).join(command).encode()).hexdigest()[:16]}.json" if job else None


def _read(path: Path) -> dict:
    try:
        said = read_json(path)
        return {"again": bool(said["again"]), "without_progress": int(said["without_progress"])}
    except (UserError, OSError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError):  # none yet, or cut off by a kill
        return {"again": False, "without_progress": 0}
