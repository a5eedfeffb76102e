"""A supervisor with a guard of its own: whichever of two processes is killed, the other ends the job within seconds.

What Snakemake started is the guard. It forks, and the fork is the supervisor: the guard hands signals on to it, notices when the shell or
Snakemake above is gone, and ends what a killed supervisor leaves behind. A supervisor whose guard is gone ends its command by itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable

from mathrl.execution import leftovers, processes

# A signal that was ignored from the beginning, as below nohup, stays ignored: blocked, it would be kept for us.
ENDING = {signal.SIGTERM, *(number for number in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN)}
FORWARDED = ENDING | {signal.SIGUSR1, signal.SIGUSR2}


def guarded(run: Callable[[], int]) -> int:
    """Run a supervisor in a process of its own; its exit code, or 128 + the signal that killed it."""
    parent, owner = os.getppid(), os.environ.get(processes.OWNER)
    processes.prctl(processes.PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, as a launcher may have it, the end of a child would leave no status
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED | {signal.SIGCHLD})
    me, child = os.getpid(), os.fork()
    if child == 0:
        processes.end_with(me, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return run()
    told = False
    while (status := _status(child)) is None:
        number = processes.wait_for_signal(FORWARDED | {signal.SIGCHLD}, 0.5)
        if number not in (None, signal.SIGCHLD):
            processes.send([child], number)
        if owner and not told and os.getppid() != parent:
            print("supervisor: the shell that started this job is gone", file=sys.stderr, flush=True)
            processes.send([child], signal.SIGTERM)
            told = True
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _end_rest(child)
    return 128 - code if code < 0 else code


def _status(child: int) -> int | None:
    """Wait status of this child, None while it lives; children that it left are reaped."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in (0, child):
                return status if pid else None
    return None


def _end_rest(supervisor: int) -> None:
    """The supervisor was killed: what was below it is ours now."""
    me = os.getpid()
    ended = processes.end_all(lambda: processes.descendants(me), 1.0, lambda: _status(supervisor))
    for line in [*ended, *leftovers.sweep()]:
        print(f"supervisor: ended process {line}, left behind by a job whose supervisor was killed", file=sys.stderr, flush=True)
