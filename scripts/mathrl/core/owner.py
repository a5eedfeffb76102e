"""The Snakemake that a job belongs to, and whether it lives still.

Linux only. A process is named by `pid:start`, where start is its start time in clock ticks since boot: the pair is
unique until the machine restarts, a pid alone is not.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

OWNER = "MATHRL_OWNER"  # the Snakemake process that the job belongs to: see owner_token


def start_time(pid: int) -> int | None:
    """Start of a process in clock ticks since boot; None if there is no such process or it is a zombie."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            line = file.read()
    except OSError:
        return None
    fields = line[line.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


@functools.cache
def world() -> str:
    """Where a process id of ours means a process: this boot of this machine, and the PID namespace that /proc shows.

    A container may have a namespace of its own (`apptainer --containall`) and a host name of its own.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return "unknown"


def owner_token(pid: int | None = None) -> str:
    """`pid:start:world:host` of a process (default: this one), the value of MATHRL_OWNER."""
    pid = pid or os.getpid()
    return f"{pid}:{start_time(pid)}:{world()}:{os.uname().nodename}"


def owner_is_gone(token: str | None) -> bool:
    """Whether the process of an owner token has ended; no if it cannot be known (another host or namespace, no or an odd token)."""
    try:
        pid, start, where, _ = (token or "").split(":", 3)
        return where == world() and start_time(int(pid)) != int(start)
    except ValueError:
        return False
