"""Kill a supervisor such that nobody is left to clear up after it."""

import os
import signal
import subprocess

import psutil


def kill_with_its_guard(process: subprocess.Popen) -> None:
    """`process` is the guard, its one child the supervisor: each would clear up after the other, so none may see the other's end."""
    (supervisor,) = psutil.Process(process.pid).children()
    os.kill(supervisor.pid, signal.SIGSTOP)
    process.kill()
    process.wait()
    os.kill(supervisor.pid, signal.SIGKILL)
    psutil.wait_procs([supervisor], 5)
