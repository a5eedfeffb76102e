"""What a job leaves on its host when it or its supervisor is killed: its directory, temporary files, processes, semaphores.

Only what is of this user and certainly of a dead job goes. Another container may share /tmp and /dev/shm and have process ids of its own.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import time
from pathlib import Path

from mathrl.execution import processes

PLACE = Path("/tmp")  # not TMPDIR: short, for the paths of sockets, and the same for whoever clears up
SHARED = Path("/dev/shm")
JOB_FILE = "job"  # in the job's directory: its id, for whoever clears up after it
TEMPORARY = "tmp"  # in the job's directory: its temporary files, or a link to them
UNNAMED = 600.0  # seconds after which a directory goes that its job did not come to name, or had begun to remove


def directory_of(job: str) -> Path:
    """The directory of a job, by its id."""
    return PLACE / f"mathrl-ray-{job.rpartition('.')[2]}"


def temporary_name(directory: Path) -> str:
    """Name of the folder that a job makes in a TMPDIR of the user's."""
    return f"mathrl-tmp-{directory.name.rpartition('-')[2]}"


def remove(directory: Path) -> None:
    """Remove the directory of a job, and its temporary files where the user keeps those; a link to anything else is a link.

    What names the job goes last: a directory that is cut off half removed still says whose it is.
    """
    with contextlib.suppress(OSError):
        linked = Path(os.readlink(directory / TEMPORARY))
        if linked.name == temporary_name(directory):
            shutil.rmtree(linked, ignore_errors=True)
    with contextlib.suppress(OSError):
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != JOB_FILE:
                os.unlink(entry)
    shutil.rmtree(directory, ignore_errors=True)


def _named(folder: Path, begin: str) -> list[Path]:
    """Entries whose names begin so; a pattern would have to be compiled at each start of a rule."""
    return [folder / name for name in os.listdir(folder) if name.startswith(begin)]


def of_job(job: str) -> set[int]:
    """Live processes of a job, but this one."""
    return set(processes.tagged(processes.JOB, job))


def sweep() -> list[str]:
    """End what is left of this user's jobs on this host whose supervisor was killed, and remove their directories; a line a process."""
    ended = []
    for path in _named(PLACE, "mathrl-ray-"):
        with contextlib.suppress(OSError):
            info = path.lstat()
            if info.st_uid != os.getuid():
                continue
            job = _job_of(path)
            if job is None:
                _remove_unnamed(path, info.st_mtime)
                continue
            if not processes.supervisor_is_gone(job):
                if processes.namespace_is_gone(job) and not of_job(job):
                    remove(path)
                continue
            begun = (path / JOB_FILE).stat().st_mtime
            ended += processes.end_all(functools.partial(of_job, job))
            remove_semaphores(int(job.partition(".")[0]), begun)
            remove(path)
    return ended


def _job_of(directory: Path) -> str | None:
    """The id of a directory's job; None where there is none, or where a full disk or the machine's end left half of it."""
    with contextlib.suppress(FileNotFoundError):
        job = (directory / JOB_FILE).read_text(errors="replace")
        return job if re.fullmatch(r"[0-9]{1,20}\.[0-9]{1,20}\.[^.]+\.[0-9a-f]{8}", job) else None
    return None


def _remove_unnamed(path: Path, changed: float) -> None:
    """Remove the directory of a job that did not come to write its id; one that anybody uses, or that is young, stays."""
    old = time.time() - changed > UNNAMED
    if old and re.fullmatch(r"mathrl-ray-[0-9a-f]{8}", path.name) and not processes.tagged("RAY_TMPDIR", str(path)):
        remove(path)


def remove_semaphores(supervisor: int, since: float) -> None:
    """Remove semaphores of joblib whose maker is dead and ran below this supervisor: they name the process that made them.

    A process below it has a larger id, and made them since it began. One that somebody has open stays.
    """
    found = []
    for path in _named(SHARED, "sem.loky-"):
        with contextlib.suppress(OSError):
            named, info = re.match(r"sem\.loky-(\d+)-", path.name), path.lstat()
            ours = info.st_uid == os.getuid() and info.st_mtime > since - 1
            if named and ours and int(named[1]) > supervisor and processes.start_time(int(named[1])) is None:
                found.append((path, info.st_ino))
    if found:
        used = _open_inodes()
        for path, inode in found:
            if inode not in used:
                path.unlink(missing_ok=True)


def _open_inodes() -> set[int]:
    """Inodes of the files in /dev/shm that any process has mapped, whatever their names are by now."""
    found = set()
    for pid in processes.pids():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", errors="replace") as maps:
            found |= {int(line.split()[4]) for line in maps if "/dev/shm/" in line}
    return found
