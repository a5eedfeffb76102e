"""Locks that a dead owner does not hold: a file names the job that has it, and what is left of a dead job is ended.

A lock of the kernel goes with the last process that has the file open. A daemon may close what it inherits (Ray's do), and an orphan
may keep it: so the file also names the job, whose processes are known by their tag.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mathrl.core.errors import UserError
from mathrl.execution import processes


def open_lock(path: Path) -> int:
    """The descriptor of a lock file, made if need be."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(handle: int) -> bool:
    """Take a lock if it is free now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def held(path: Path, waits: str) -> Iterator[None]:
    """Hold a lock file, made with its folder if need be; who comes second says `waits` and waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = open_lock(path)
    try:
        if not try_lock(handle):
            if waits:
                print(waits, file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def owner(handle: int) -> str:
    """The job that a lock file names; empty if none."""
    return os.pread(handle, 4096, 0).decode(errors="replace")


def sign(handle: int, job: str) -> None:
    """Name the job that has the lock."""
    os.ftruncate(handle, 0)
    os.pwrite(handle, job.encode(), 0)


def lock_if_free(handle: int, what: str, mine: str = "") -> bool:
    """Take a lock where no other job uses what it guards; orphans of a killed supervisor are ended for it."""
    if try_lock(handle):
        return not still_used(handle, what, mine)
    if not processes.supervisor_is_gone(owner(handle)) or still_used(handle, what, mine):
        return False
    return try_lock(handle)


def still_used(handle: int, what: str, mine: str = "") -> bool:
    """Whether processes of the job that the file names live on without its lock; orphans among them are ended here."""
    job = owner(handle)
    if not job or job == mine or not processes.tagged(processes.JOB, job):
        return False
    if not processes.supervisor_is_gone(job):
        return True
    for line in processes.end_all(lambda: set(processes.tagged(processes.JOB, job))):
        print(f"{what}: ended process {line}, left behind by a job whose supervisor was killed", file=sys.stderr, flush=True)
    return bool(processes.tagged(processes.JOB, job))


@contextlib.contextmanager
def sole_writer(directory: Path) -> Iterator[None]:
    """Nobody else writes in this directory meanwhile: neither another job nor what is left of a dead one.

    Raises:
        UserError: somebody does; the line names the process.
    """
    mine = os.environ.get(processes.JOB, "")
    path = directory / "writer.lock"
    handle = open_lock(path)
    try:
        if not lock_if_free(handle, str(directory), mine):
            others = [pid for pid in processes.holders(path.resolve()) if pid != os.getpid()]
            pid = next(iter(others), None) or processes.supervisor(owner(handle))
            who = f"pid {pid} {processes.command_line(pid)}" if pid else "a process of another host or container"
            raise UserError(f"{directory}: {who} trains here already; wait for it" + (f", or stop it: kill {pid}" if pid else ""))
        sign(handle, mine)
        yield
        sign(handle, "")
    finally:
        os.close(handle)
