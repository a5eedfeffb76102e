"""Clear the way for Snakemake after a kill: refuse a second one, end orphans, remove a dead one's lock.

`kill -9` of Snakemake (or the OOM killer of a full machine) leaves its jobs running and its lock in place. Both hinder
the next call. Nothing is ended or removed that belongs to somebody alive, to another directory or to another host.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

from mathrl.core.files import UserError, write_text
from mathrl.execution import leftovers, processes

OWNER_FILE = "owner"  # in .snakemake/


def live_snakemake(directory: Path) -> int | None:
    """Pid of a Snakemake that works in this directory, not counting this process and what it descends from.

    One that takes no lock (`make report`) only reads what others make, and is not counted either.
    """
    ancestors = set()
    pid = os.getpid()
    while pid > 1:
        ancestors.add(pid)
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            break
        pid = int(stat[stat.rindex(")") + 2 :].split()[1])
    for pid in processes.pids():
        if pid in ancestors:
            continue
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            names = [os.path.basename(os.fsdecode(argument)) for argument in arguments[:4]]
            here = (
                _is_snakemake(names, arguments) and b"--nolock" not in arguments and os.path.realpath(f"/proc/{pid}/cwd") == str(directory)
            )
            if here and processes.start_time(pid) is not None:
                return pid
        except OSError:
            continue
    return None


def _is_snakemake(names: list[str], arguments: list[bytes]) -> bool:
    """Whether a command line is Snakemake itself (not an editor or a supervised command that mentions it)."""
    if names[0].startswith("python"):
        rest = [name for name in names[1:] if not name.startswith("-")]
        return (b"snakemake" in arguments[1:4] and b"-m" in arguments[1:3]) or rest[:1] == ["snakemake"]
    return names[0] == "snakemake"


def orphans(directory: Path) -> dict[int, str]:
    """Processes of this directory's supervised jobs that nobody waits for any more, by pid with their job.

    That is: the supervisor is dead, or (it lives still) the Snakemake that started it is.
    """
    found = {}
    for pid, where in processes.tagged(processes.WORKDIR).items():
        if os.path.realpath(where) != str(directory):
            continue
        environment = processes.environment(pid)
        job = environment.get(processes.JOB, "")
        if processes.supervisor_is_gone(job) or processes.owner_is_gone(environment.get(processes.OWNER)):
            found[pid] = job
    return found


def end_orphans(directory: Path, grace: float = 30.0) -> list[str]:
    """End the orphans of this directory; one line a process.

    A supervisor that lives still is told first and given its grace: the command may save.
    """
    found = orphans(directory)
    if not found:
        return []
    supervisors = {pid for job in found.values() if not processes.supervisor_is_gone(job) and (pid := processes.supervisor(job))}
    processes.send(supervisors, signal.SIGTERM)
    until = time.monotonic() + grace
    while supervisors and time.monotonic() < until:
        time.sleep(0.1)
        supervisors = {pid for pid in supervisors if processes.start_time(pid) is not None}
    ended = [f"{pid} {processes.command_line(pid)}".strip() for pid in found if processes.start_time(pid) is None]
    ended += processes.end_all(lambda: set(orphans(directory)), polite=3.0)
    for job in set(found.values()):
        if job:
            leftovers.remove(leftovers.directory_of(job))
    return ended


def claim(directory: str | os.PathLike) -> None:
    """Note in .snakemake/ which Snakemake works here: this process. Called by Snakemake itself when it starts jobs.

    Its own lock names nobody, and on a shared file system its owner may be alive on another host.
    """
    write_text(Path(directory) / ".snakemake" / OWNER_FILE, processes.owner_token() + "\n")


def clear_locks(directory: Path) -> int:
    """Remove .snakemake/locks and return how many files that were. Only when no Snakemake of this host works there.

    Raises `UserError` if the lock belongs to a Snakemake of another host, of which nothing can be known.
    """
    locks = directory / ".snakemake" / "locks"
    paths = sorted(locks.glob("*")) if locks.is_dir() else []
    if not paths:
        return 0
    with contextlib.suppress(OSError):
        host = (directory / ".snakemake" / OWNER_FILE).read_text().strip().split(":")[-1]
        if host != socket.gethostname():
            raise UserError(
                f"{locks}: the lock belongs to a Snakemake on host {host}; go on there, or, if it is gone for certain: snakemake --unlock"
            )
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def clear_locks_of_the_dead(directory: Path) -> int:
    """The same for a Snakemake that starts: only where the one that noted itself ran on this host since it booted, and is gone.

    A lock that is younger than the note is another's, perhaps on another host: one that plans still has noted nothing.
    """
    own = directory / ".snakemake"
    try:
        owner, since = (own / OWNER_FILE).read_text().strip(), (own / OWNER_FILE).stat().st_mtime_ns
        theirs = all(path.stat().st_mtime_ns <= since for path in (own / "locks").glob("*"))
    except OSError:
        return 0
    return clear_locks(directory) if theirs and processes.owner_is_gone(owner) and live_snakemake(directory) is None else 0


def recover(directory: str | os.PathLike, grace: float = 30.0) -> list[str]:
    """Do all of it; returns one line for each thing done, none if there was nothing to do.

    Raises `UserError` if a Snakemake is at work in the directory.
    """
    root = Path(directory).resolve()
    busy = live_snakemake(root)
    if busy is not None:
        raise UserError(f"{root}: Snakemake is at work here already (pid {busy}); wait for it, or stop it: kill {busy}")
    done = [f"ended orphan {line}" for line in end_orphans(root, grace)]
    if count := clear_locks(root):
        done.append(f"removed {count} lock file(s) of a Snakemake that is gone")
    return done
