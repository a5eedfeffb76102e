"""How processes get onto the nodes of a job: by SLURM's srun, or by a command of the user's, such as `ssh {host} {command}`.

srun hands on the environment, and signals. A command of the user's need not: so a small process of ours at the far end (`serve`) reads the
environment and signals from its standard input, which such a command passes on. Secrets are on no command line. When the input ends, as the
connection breaks, the far end ends what it started.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Protocol

from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError
from mathrl.execution import gpus

SCRIPT = SCRIPTS / "run_on_nodes.py"
OWN = "MATHRL_LAUNCHER"
"""The environment variable that brings `launcher` of the configuration, as JSON, to the jobs: another one is no reason to train again."""

OF_A_HOST = re.compile(r"(SSH|XDG|DBUS|LC|SUDO)_.*|CUDA_VISIBLE_DEVICES|HOSTNAME|DISPLAY|TMPDIR|PWD|OLDPWD|SHLVL|_|TERM|TTY|MAIL|LS_COLORS")
"""Variables that hold on one host and are not handed on."""


class Started(Protocol):
    """A process on a node, as `subprocess.Popen`."""

    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Launcher(Protocol):
    """Which nodes a job has, and how a process is started there."""

    def allocation(self) -> tuple[list[str], int]:
        """Names of the nodes, first one first, and CPUs of each."""
        ...

    def address(self, node: str) -> str:
        """The IPv4 address of a node."""
        ...

    def start(self, node: str, command: Sequence[str]) -> Started:
        """Start a command there."""
        ...


class Srun:
    """One step of this SLURM job per process; `gpus` is None without GPUs."""

    def __init__(self, gpus: int | None) -> None:
        self.gpus = gpus
        self._allocation: tuple[list[str], int] | None = None

    def allocation(self) -> tuple[list[str], int]:
        """Asked of SLURM: Snakemake's job step strips SLURM_JOB_NODELIST from the environment."""
        job = os.environ.get("SLURM_JOB_ID")
        if not job:
            raise UserError(
                "training.nodes is above 1 and this is no SLURM job; use --profile profiles/slurm, name a launcher (config: launcher), "
                "or nodes: 1"
            )
        if self._allocation is None:
            names, cpus, count = _ask("squeue", "--noheader", "--jobs", job, "--format", "%N %C %D").split()
            self._allocation = _ask("scontrol", "show", "hostnames", names).split(), max(1, int(cpus) // int(count))
        return self._allocation

    def address(self, node: str) -> str:
        """As SLURM knows it: its NodeAddr, resolved."""
        match = re.search(r"\bNodeAddr=(\S+)", _ask("scontrol", "show", "node", "--oneliner", node))
        return socket.gethostbyname(match.group(1) if match else node)

    def start(self, node: str, command: Sequence[str]) -> Started:
        step = ["srun", "--overlap", "--nodes=1", "--ntasks=1", f"--cpus-per-task={self.allocation()[1]}", "--mem=0"]
        step += [] if self.gpus is None else [f"--gres=gpu:{self.gpus}"]
        return subprocess.Popen([*step, f"--nodelist={node}", *command], start_new_session=True)


class Command:
    """A command of the user's: words of which one holds {host}, and one is {command}."""

    def __init__(self, hosts: Sequence[str], template: str) -> None:
        self.hosts, self.words = list(hosts), shlex.split(template)

    def allocation(self) -> tuple[list[str], int]:
        """The hosts of the configuration; this host's CPUs, for all are taken to be alike."""
        return self.hosts, os.cpu_count() or 1

    def address(self, node: str) -> str:
        try:
            return socket.gethostbyname(node.rpartition("@")[2])
        except OSError as error:
            raise UserError(f"launcher.hosts: {node} has no address ({error}); mend its name") from None

    def start(self, node: str, command: Sequence[str]) -> Started:
        far = [sys.executable, str(SCRIPT), "--serve", "--", *command]
        line = f"cd {shlex.quote(os.getcwd())} && exec {shlex.join(far)}"
        words = [word.replace("{host}", node).replace("{command}", line) for word in self.words]
        try:
            return Channel(words)
        except OSError as error:
            raise UserError(f"launcher.command: {words[0]} cannot be started ({error})") from None


class Channel:
    """The near end: a process that takes its environment and its signals by its standard input."""

    def __init__(self, words: Sequence[str]) -> None:
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True, text=True)
        self._tell(json.dumps({name: value for name, value in os.environ.items() if not OF_A_HOST.fullmatch(name)}))

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        return self._process.wait(timeout)

    def send_signal(self, number: int) -> None:
        self._tell(signal.Signals(number).name)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.kill()


def serve(command: Sequence[str], told: IO[str] | None = None) -> int:
    """The far end: run a command with the environment and the signals that come by standard input; returns its exit code."""
    told = told or sys.stdin
    try:
        given = json.loads(told.readline())
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            raise ValueError
    except (ValueError, RecursionError):
        raise UserError("launcher.command: does not pass standard input on; ssh without -n does, docker and kubectl with -i") from None
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env={**os.environ, **given}, start_new_session=True)
    except (OSError, ValueError) as error:
        raise UserError(f"launcher: {command[0]} cannot be started on {socket.gethostname()} ({error})") from None

    def pass_on() -> None:
        for line in told:
            with contextlib.suppress(ProcessLookupError, KeyError):
                process.send_signal(signal.Signals[line.strip()])
        process.terminate()  # nobody is there any more
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()

    threading.Thread(target=pass_on, daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


def remember(launcher: dict[str, object] | None) -> None:
    """Write the configuration's launcher into the environment that jobs inherit; None: SLURM's."""
    os.environ[OWN] = json.dumps(launcher)


def of_job(count: int | None, gpus: int | None) -> Launcher:
    """The launcher of this job; `count` is the number of hosts that it takes, where the configuration names them."""
    own = json.loads(os.environ.get(OWN, "null"))
    return Command(own["hosts"][:count], own["command"]) if own and count else Srun(gpus)


@contextlib.contextmanager
def alone(launcher: Launcher) -> Iterator[None]:
    """Wait until no other job of this user has the hosts: SLURM shares its nodes out, nobody does so with hosts of the user's."""
    if isinstance(launcher, Srun):
        yield
        return
    with open(gpus.state_directory() / "launcher", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"{' '.join(command)}: failed ({error}); is this a SLURM job?") from None
