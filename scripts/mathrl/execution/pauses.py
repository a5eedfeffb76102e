"""A pause is no failure: a SLURM job that was told to end goes back into the queue, as the same job.

What runs in the job knows that it was told to end, and whether it got on before; an image has no scontrol. So it leaves a note, and
the job's own Snakemake, outside of the image, has SLURM queue the job again before it ends. Snakemake sees one job that takes longer:
its `retries` are for failures alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mathrl.core.files import UserError, read_json, write_json

FOLDER = Path(".snakemake/paused")  # a folder a SLURM job, with a note for each of its commands that was told to end
PROGRESS = "MATHRL_PROGRESS"  # the file that a command makes once it has saved something that it will not do again
LIMIT = 3  # pauses in a row without progress; then the job fails


def progressed() -> None:
    """Something is saved that this job will not have to do again."""
    if PROGRESS in os.environ:
        Path(os.environ[PROGRESS]).touch()


def note(command: Sequence[str], progress: bool) -> str:
    """Note that this job's command was told to end; what that means, in a line. Empty outside of SLURM."""
    path = _note_of(command)
    if path is None:
        return ""
    without = 0 if progress else _read(path)["without_progress"] + 1
    again = without < LIMIT
    write_json(path, {"again": again, "without_progress": without if again else 0})
    if again:
        return "paused: the job goes back into the queue" + (f"; {without} of at most {LIMIT} pauses without progress" if without else "")
    return f"was told to end {LIMIT} times in a row before anything was saved; give it more time (runtime), or save more often (save_every)"


def forget(command: Sequence[str]) -> None:
    """This job's command has ended by itself."""
    path = _note_of(command)
    if path is not None and path.exists():
        path.unlink()
        with contextlib.suppress(OSError):  # there are notes of the job's other commands
            path.parent.rmdir()


def queue_again() -> None:
    """Have SLURM queue this job again where one of its commands was paused; nothing where somebody cancelled the job."""
    job = os.environ.get("SLURM_JOB_ID")
    notes = {path: _read(path) for path in sorted((FOLDER / str(job)).glob("*.json"))}
    if not job or not any(said["again"] for said in notes.values()):
        return
    for path, said in notes.items():
        write_json(path, said | {"again": False})
    try:
        shown = subprocess.run(
            ["scontrol", "show", "job", job, "--oneliner"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
        if re.search(r"\bJobState=RUNNING\b", shown):  # of a cancelled job it is COMPLETING by now
            print(f"paused: SLURM job {job} goes back into the queue", file=sys.stderr, flush=True)
            subprocess.run(["scontrol", "requeue", job], timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"paused, but SLURM does not queue job {job} again ({error}); it counts as failed", file=sys.stderr, flush=True)


def _note_of(command: Sequence[str]) -> Path | None:
    job = os.environ.get("SLURM_JOB_ID")
    return FOLDER / job / f"{hashlib.sha256(chr(0).join(command).encode()).hexdigest()[:16]}.json" if job else None


def _read(path: Path) -> dict:
    try:
        said = read_json(path)
        return {"again": bool(said["again"]), "without_progress": int(said["without_progress"])}
    except (UserError, OSError, KeyError, TypeError, ValueError):  # none yet, or cut off by a kill
        return {"again": False, "without_progress": 0}
