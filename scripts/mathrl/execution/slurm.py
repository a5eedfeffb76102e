"""What a job must know of its SLURM: when it ends; and what others see of its jobs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from mathrl.execution.processes import DEADLINE as DEADLINE


def note_deadline() -> None:
    """Put the end of this SLURM job's walltime into the environment, for the supervisor inside the image.

    There is no squeue in an image, so Snakemake asks on the node before it starts the image. Nothing happens outside of
    SLURM, or without a time limit.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return
    os.environ.pop(DEADLINE, None)
    try:
        done = subprocess.run(
            ["squeue", "--noheader", "--jobs", job, "--format", "%L"], capture_output=True, text=True, timeout=20, check=True
        )
        os.environ[DEADLINE] = str(int(time.time()) + seconds_left(done.stdout.strip()))
    except (OSError, subprocess.SubprocessError, ValueError):
        return


def seconds_left(text: str) -> int:
    """SLURM's `[days-][[hours:]minutes:]seconds` in seconds. Raises ValueError for UNLIMITED, INVALID and NOT_SET."""
    days, _, clock = text.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return int(days or 0) * 86400 + seconds


class Job(NamedTuple):
    """A job of SLURM's. comment: Snakemake's plug-in writes `rule_NAME_wildcards_…` there, or `group_…`."""

    number: str
    state: str
    comment: str


def jobs_from(directory: Path, seconds: float) -> list[Job]:
    """This user's jobs that were started from a directory; none where there is no squeue, or where it does not answer in time."""
    if not shutil.which("squeue"):
        return []
    ask = ["squeue", "--me", "--noheader", "--format", "%i|%T|%Z|%k"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, errors="replace", timeout=seconds, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    here, found = os.path.realpath(directory), []
    for line in done.stdout.splitlines():
        number, _, rest = line.strip().partition("|")
        state, _, rest = rest.partition("|")
        where, _, comment = rest.rpartition("|")
        if where and os.path.realpath(where) == here:
            found.append(Job(number, state, comment))
    return found


def jobs_of(directory: Path, rule: str) -> dict[str, str]:
    """The same of a rule: Snakemake's wildcards, joined by `_`, → RUNNING, PENDING, …."""
    found: dict[str, str] = {}
    for job in jobs_from(directory, 5.0):
        wildcards = job.comment.removeprefix(f"rule_{rule}_wildcards_")
        if wildcards != job.comment:
            found[wildcards] = "RUNNING" if "RUNNING" in (job.state, found.get(wildcards)) else job.state
    return found
