"""Servers of verifiers that are models: started before a training, ended after it, and gone with the job however it dies.

One process for each verifier: an engine's groups are globals of its process, and what ends is known by its name. They start one after the
other: an engine measures the memory of its GPU meanwhile, and would count what another one takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from mathrl.config.verifier import Verifiers
from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError
from mathrl.core.long_logs import rotate
from mathrl.verifiers import frames
from mathrl.verifiers.served import AnotherModel, Place, Served

SCRIPT = SCRIPTS / "serve_verifier.py"
START = 1800.0  # seconds that a model may take to load
UNMOVED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # a step that is at work when a job is asked to end is scored before it is saved


@dataclass(frozen=True)
class Setting:
    """How the verifiers of a job are served.

    Args:
        section: holds them, each with the directory of its model.
        accelerator: `cuda` or `cpu`.
        share: of a GPU that each engine takes, 0 to 1.
        devices: the GPU of each by name, as CUDA names it; on a CPU none.
        logs: folder of `verifier-NAME.log`.
        environment: variables besides those of this process.
        start: seconds that each may take to load.
        models: hash of each one's model by name, where it is known.
    """

    section: Verifiers
    accelerator: str
    share: float
    devices: Mapping[str, str]
    logs: Path
    environment: Mapping[str, str]
    start: float = START
    models: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def started(names: tuple[str, ...], setting: Setting, who: str) -> Iterator[dict[str, Place]]:
    """Serve these verifiers while the block runs; where each is. `who` begins each line for the user.

    Raises:
        UserError: no place for sockets or logs, a server that does not come up (the message ends with its last words), or one that
            holds another model than the expected.
    """
    directory = _folder()
    running: list[_Server] = []
    try:
        for number, name in enumerate(names):
            log = (setting.logs / f"verifier-{name}.log").absolute()
            place = Place(str(directory / str(number)), str(log), rotate(log), setting.models.get(name, ""))
            server = _Server(name, place, setting)
            running.append(server)
            took = server.wait(setting.start)
            where = f", GPU {setting.devices[name]}" if setting.devices else ""
            print(f"{who}: verifier {name} is served after {took:.0f} s{where}", file=sys.stderr, flush=True)
        yield {server.name: server.place for server in running}
    finally:
        for server in running:
            server.end()
        shutil.rmtree(directory, ignore_errors=True)


def _folder() -> Path:
    """A new folder for sockets, of this job alone and removed with it."""
    parent = os.environ.get("RAY_TMPDIR") or "/tmp"
    try:
        directory = Path(tempfile.mkdtemp(prefix="verifiers-", dir=parent))
    except OSError as error:
        raise UserError(f"RAY_TMPDIR {parent}: {error.strerror}, and sockets of verifiers lie there; make it, or name another") from None
    if len(os.fsencode(directory / "000")) > frames.LONGEST_PATH:
        shutil.rmtree(directory, ignore_errors=True)
        raise UserError(f"RAY_TMPDIR {parent}: is too long, a socket's path may have {frames.LONGEST_PATH} bytes; name a shorter folder")
    return directory


class _Server:
    """One of them."""

    def __init__(self, name: str, place: Place, setting: Setting) -> None:
        self.name, self.place, self._ends = name, place, False
        command = [sys.executable, str(SCRIPT), "--verifier", name, "--verifiers", _section(setting.section, name)]
        model = setting.section.named[name].model
        command += ["--model", model] if model else []
        command += ["--accelerator", setting.accelerator, "--gpu-memory-utilization", str(setting.share)]
        command += ["--socket", place.socket, "--parent", str(os.getpid())]
        own = {"CUDA_VISIBLE_DEVICES": setting.devices[name]} if setting.devices else {}
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, UNMOVED)
        try:
            with _appended(place.log) as log:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **setting.environment, **own}
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        threading.Thread(target=self._note_end, daemon=True).start()

    def _note_end(self) -> None:
        """Write into the log how it ended, for who asks it then: a process that is killed has no last words."""
        code = self._process.wait()
        if not self._ends:
            how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
            with contextlib.suppress(OSError), open(self.place.log, "a") as log:
                print(f"verifier {self.name}: its server ended: {how}", file=log)

    def wait(self, most: float) -> float:
        """Wait until it answers; seconds that it took.

        Raises:
            UserError: it ended, took longer than `most` seconds, or holds another model.
        """
        begun = time.monotonic()
        while not self._answers():
            code, took = self._process.poll(), time.monotonic() - begun
            if code is not None or took > most:
                how = f"did not come up within {most:g} s" if code is None else f"did not come up (exit code {code})"
                raise UserError(
                    f"verifier {self.name}: its server {how}; its last words: {self.place.last_words()}; its log is {self.place.log}"
                )
            time.sleep(0.05)
        return time.monotonic() - begun

    def _answers(self) -> bool:
        if not Path(self.place.socket).exists():
            return False
        try:
            return bool(Served(self.place, 0.0).identity)
        except AnotherModel as error:
            raise UserError(f"verifier {self.name}: {error}") from None
        except UserError:
            return False

    def end(self) -> None:
        """It has nothing to save."""
        self._ends = True
        self._process.kill()
        self._process.wait()


def _appended(log: str) -> TextIO:
    """A log, open at its end."""
    try:
        return open(log, "a")
    except OSError as error:
        raise UserError(f"{log}: {error.strerror}; make its folder, one that you can write to") from None


def _section(section: Verifiers, name: str) -> str:
    return json.dumps(section.model_copy(update={"named": {name: section.named[name]}}).plain(), sort_keys=True)
