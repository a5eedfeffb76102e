"""verl in a process of its own, its log followed line by line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from mathrl.execution.nodes import python_for_ray
from mathrl.models.local_stores import DIRECTORY
from mathrl.training.session import Session

RAYS_TRAINER = "verl.trainer.main_ppo"  # the other trainers start no Ray


def run_verl(module: list[str], arguments: list[str], environment: Mapping[str, str], log: Path, session: Session) -> int:
    """Run a trainer of verl (`module`: Python's arguments); its output goes to `log`, one line a step to stderr. Returns its exit code.

    Ray gives its agent 15 s to start, which no setting changes (execution/nodes.py): from a cold disk it may need more, once.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    quiet = ["hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout"]  # no files of Hydra's own
    directory = os.environ.get(DIRECTORY)
    python = python_for_ray(directory) if directory or RAYS_TRAINER in module else sys.executable
    command = [python, *module, *quiet, *arguments]
    code = _run_once(command, environment, log, session)
    if code and session.ray_late and not session.paused:
        print(f"{session.progress.name}: Ray did not start in the time it gives itself: a second attempt", file=sys.stderr, flush=True)
        code = _run_once(command, environment, log, session)
    return code


def _run_once(command: list[str], environment: Mapping[str, str], log: Path, session: Session) -> int:
    """One attempt of `run_verl`."""
    # SLURM sends SIGTERM to every process of a job; verl's and Ray's are deaf to it, because they must live while a step is saved
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with open(log, "a", encoding="utf-8", errors="replace") as out:
        process = subprocess.Popen(
            command,
            env={"NCCL_DEBUG": "WARN", **os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, lambda *_: session.interrupt(process)) for number in ends}
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        sign, ended = time.monotonic(), threading.Event()
        threading.Thread(target=session.end_if_silent, args=(process, lambda: sign, ended), daemon=True).start()
        try:
            assert process.stdout is not None
            for text in process.stdout:
                sign = time.monotonic()
                out.write(text)
                out.flush()
                for shown in session.follow(text):
                    print(shown, file=sys.stderr, flush=True)
            return process.wait()
        finally:
            ended.set()
            for number, handler in before.items():
                signal.signal(number, handler)
