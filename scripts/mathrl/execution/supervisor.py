"""Run one command such that nothing of it outlives it.

The supervisor is the command's parent and the subreaper of everything below: a daemon that detaches itself (Ray's
gcs_server and raylet do) becomes the supervisor's child, not init's. When the command ends, or the supervisor is told
to end, or the Snakemake that started it is gone, every process below it and every process with its tag is ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mathrl.core.errors import UserError
from mathrl.execution import gpus, leftovers, processes
from mathrl.execution.guard import ENDING, FORWARDED

MARGIN = 30.0  # seconds between the end of a job and its walltime
HEARD_LATER = 1.0  # seconds by which a signal to all processes of a job may reach us later than the command
PROGRESS_FILE = "progress"  # in the job's directory: made by the command, see mathrl.execution.pauses


def _say(line: str) -> None:
    print(f"supervisor: {line}", file=sys.stderr, flush=True)


class Supervisor:
    """One command, its GPUs and its end. `run` returns the exit code: the command's, or 128 + signal."""

    def __init__(self, command: Sequence[str], count: int, grace: float = 30.0, service: bool = False, once: bool = False):
        """`service`: others need this command while they save. SIGTERM, which SLURM sends to all, ends it not; SIGUSR1 does.

        `once`: the command saves nothing on its way. It is not told of the walltime, whose end is a failure: it needs more.
        """
        self.service = service
        self.once = once
        self.command = list(command)
        self.count = count
        self.grace = grace
        self.job = processes.job_id()
        self.owner = os.environ.get(processes.OWNER)
        self.parent = os.getppid()
        self.child = 0
        self.begin = time.time()
        self.status: int | None = None  # wait status of the command
        self.asked: int | None = None  # the signal that asked us to end
        self.heard = 0.0  # when it did
        self.deadline = float("inf")
        self.walltime = float(os.environ.get(processes.DEADLINE, "inf"))  # end of the SLURM job
        # Ray of this job alone, apart from any other on the host; short: its sockets' paths must stay below 107 bytes
        self.ray_directory = leftovers.directory_of(self.job)
        self.last_words: Callable[[], None] = lambda: None  # called when the command ended unasked, before its Ray's files go

    def run(self) -> int:
        """Take GPUs, run the command, end what is left, give the GPUs back."""
        processes.prctl(processes.PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # as in the guard
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED | {signal.SIGCHLD})
        for line in leftovers.sweep():
            _say(f"ended process {line}, left behind by a job whose supervisor was killed")
        held = self._take_gpus()
        if held is None:
            return 128 + (self.asked or signal.SIGTERM)
        try:
            self._start(held)
            while self.status is None:
                self._step(0.5)
            noted = self.asked is None and not self.service and processes.QUEUES in os.environ
            if noted and self._is_told(os.waitstatus_to_exitcode(self.status)):
                self._hear(HEARD_LATER)
        finally:
            left = self._end_rest()
            if self.asked is None:
                self.last_words()
            if left and not (self.once and self.asked):  # a shell that is told to end leaves its command to us
                _say(f"ended {len(left)} process(es) that the command left behind: {'; '.join(left[:8])}")
            progress = (self.ray_directory / PROGRESS_FILE).exists()
            leftovers.remove(self.ray_directory)
            leftovers.remove_semaphores(os.getpid(), self.begin)
            held.release()
        code = os.waitstatus_to_exitcode(self.status)
        self._note_pause(code, progress)
        return 128 - code if code < 0 else code

    def _note_pause(self, code: int, progress: bool) -> None:
        """Leave word for the job's Snakemake whether this job is to be queued again: a failure while it saved is none."""
        if processes.QUEUES not in os.environ:
            return
        from mathrl.execution import pauses  # what no supervisor on one host needs

        paused = code < 0 or self._is_told(code)
        too_short = self.once and time.time() > self.walltime - MARGIN
        if self.asked is None or not paused or too_short:
            pauses.forget(self.command)
        elif not self.service:
            said = pauses.note(self.command, progress)
            if said:
                _say(said)

    @staticmethod
    def _is_told(code: int) -> bool:
        """Is this the exit code of a command that was told to end?"""
        return -code in ENDING or code - 128 in ENDING

    def _hear(self, seconds: float) -> None:
        """The command was told to end, not by us. SLURM tells all processes at once, and the command may be gone before we hear of it."""
        number = processes.wait_for_signal(ENDING, seconds)
        if number is not None:
            self.asked, self.heard = number, time.monotonic()
            _say(f"got {signal.Signals(number).name}, as the command did")

    def _take_gpus(self) -> gpus.GpuSlots | None:
        if "SLURM_JOB_ID" in os.environ:  # SLURM gives GPUs itself
            given = os.environ.get("CUDA_VISIBLE_DEVICES")
            if self.count and given is None and not gpus.physical_devices():
                raise UserError(
                    f"this job asks for {self.count} GPU(s) and its SLURM node shows none; choose a partition with GPUs "
                    "(profiles/slurm), or run on a laptop's CPU: snakemake --profile profiles/demo"
                )
            if self.count and given is not None and len(gpus.visible_devices()) < self.count:
                raise UserError(
                    f"this job asks for {self.count} GPU(s) and SLURM gave '{given}'; "
                    f"start Snakemake with --resources gpu={self.count} or more, or lower training.gpus"
                )
            if self.count and given:
                _say(f"GPUs {given} (given by SLURM)")
            return gpus.GpuSlots([], [])
        return gpus.acquire(self.count, self.job, self._check_owner, self._pause)

    def _check_owner(self) -> bool:
        """False once this job shall end: a signal came, or nobody waits for it any more."""
        if self.asked is None and self.owner:
            if processes.owner_is_gone(self.owner):
                self._end("the Snakemake that started this job is gone")
            elif os.getppid() != self.parent:
                self._end("the process that started this job is gone")
        # a job of a few minutes still gets half of its time
        told = float("inf") if self.once else max(self.walltime - self.grace - MARGIN, (self.begin + self.walltime) / 2)
        if self.asked is None and time.time() > told:
            self._end("the walltime ends soon")
        return self.asked is None

    def _pause(self, seconds: float) -> None:
        self._step(seconds)

    def _step(self, seconds: float) -> None:
        """Wait for a signal, at most this long; pass it on, reap, check the owner and the deadline."""
        number = processes.wait_for_signal(FORWARDED | {signal.SIGCHLD}, seconds)
        if number is not None and number != signal.SIGCHLD:
            if number in ({signal.SIGUSR1} if self.service else ENDING) and self.asked is None:
                self._end(f"got {signal.Signals(number).name}", signal.SIGINT if self.service else number)
            elif self.child and not self.service and not (number in ENDING and time.monotonic() < self.heard + 1):
                # one Ctrl-C, or one signal of SLURM's, reaches us and our guard, which hands it on
                processes.send([self.child], number)
        self._reap()
        self._check_owner()
        if self.status is None and self.child and time.monotonic() > self.deadline:
            _say(f"the command did not end within {self.grace:g} s: killed")
            processes.send([self.child], signal.SIGKILL)
            self.deadline = float("inf")

    def _end(self, why: str, number: int = signal.SIGTERM) -> None:
        self.asked, self.heard = number, time.monotonic()
        self.deadline = time.monotonic() + self.grace
        _say(f"{why}: ending the command" + ("" if self.once else f", it has {self.grace:g} s to save"))
        if self.child and self.once:  # a shell hands on nothing
            try:
                os.killpg(self.child, number)
            except OSError:  # it has no group of its own yet
                processes.send([self.child], number)
        elif self.child:  # only the command itself: its workers must live while it saves
            processes.send([self.child], number)

    def _reap(self) -> bool:
        """Whether there are children still; those that have ended are reaped."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.child:
                    self.status = status
        return False

    def _start(self, held: gpus.GpuSlots) -> None:
        environment = dict(os.environ)
        environment |= {processes.JOB: self.job, processes.WORKDIR: os.getcwd(), "RAY_TMPDIR": str(self.ray_directory)}
        environment[processes.PROGRESS] = str(self.ray_directory / PROGRESS_FILE)
        if "CUDA_VISIBLE_DEVICES" in environment:
            environment.pop("ROCR_VISIBLE_DEVICES", None)  # SLURM sets both on any GPU node, and verl refuses both together
        if held.names:
            environment |= {"CUDA_VISIBLE_DEVICES": ",".join(held.names), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
            _say(f"GPUs {','.join(held.names)}")
        processes.own_directory(self.ray_directory)  # over several nodes its name can be guessed
        (self.ray_directory / leftovers.JOB_FILE).write_text(self.job)
        environment["TMPDIR"] = self._temporary(environment.get("TMPDIR"))
        me = os.getpid()
        self.child = os.fork()
        if self.child == 0:
            try:
                processes.end_with(me)
                os.setsid()
                # the shell around us may ignore the first, so that it outlives it; Python ignores the others
                for ignored in (signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ, *([signal.SIGINT] if self.service else [])):
                    signal.signal(ignored, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, self.mask | ({signal.SIGTERM} if self.service else set()))
                os.execvpe(self.command[0], self.command, environment)
            except OSError as error:
                _say(f"{self.command[0]}: {error.strerror}")
            finally:
                os._exit(127)

    def _temporary(self, given: str | None) -> str:
        """A folder for temporary files that goes with the job, in TMPDIR, which Snakemake always sets: verl leaves a lock per checkpoint.

        A TMPDIR that cannot have a folder, or whose folder's name would leave no room for sockets, stays as it is. So does that of a job
        within which this one works, on the same directory.
        """
        place = self.ray_directory / leftovers.TEMPORARY
        if given is None:
            return str(processes.own_directory(place))
        own = Path(given).absolute() / leftovers.temporary_name(self.ray_directory)
        room = len(os.fsencode(own)) <= processes.LONGEST_TMPDIR and os.path.isdir(given) and os.access(given, os.W_OK | os.X_OK)
        if not room or os.path.lexists(place):
            return given
        place.symlink_to(processes.own_directory(own))
        return str(own)

    def _end_rest(self) -> list[str]:
        """End what the command left; helpers of its libraries, which end once they see that it is gone, have a moment to do so."""
        me = os.getpid()
        until = time.monotonic() + 0.3
        while self._reap() and self.asked is None and time.monotonic() < until:
            time.sleep(0.01)

        def rest() -> set[int]:
            if self._reap():
                return processes.descendants(me) | leftovers.of_job(self.job)
            return set() if self.once else leftovers.of_job(self.job)  # without a child nothing is below us: all orphans are ours

        return processes.end_all(rest, 3.0, self._reap)
