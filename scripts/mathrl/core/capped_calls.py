"""A function called in worker processes, each call with a limit on processor time and memory.

For code that may hang or take all memory on some inputs (computer algebra on a model's text). A call beyond the limit ends its
worker; the next call gets a new one. The limit is processor time, so that a busy machine changes no result: a worker that waits
for its turn is waited for. Arguments and results are JSON. An idle worker ends when its caller does, a busy one at its limit.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypedDict

CLOCK_FACTOR = 40
"""A worker that sleeps for this many times its limit, so that no processor time runs, is given up."""
LOOK_EVERY = 0.1
"""Seconds between two looks at whether a worker sleeps."""


def _serve(calls: Connection, task: str, cpu_seconds: float, memory: int) -> None:
    """A worker's life: one JSON list of arguments in, one JSON reply out, until the caller closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process when the timer runs out
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    module, _, name = task.partition(":")
    function = getattr(importlib.import_module(module), name)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    own = os.getpid()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            arguments = json.loads(calls.recv_bytes())
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            try:
                reply = json.dumps({"value": function(*arguments)})
            except Exception:
                reply = json.dumps({"lost": "error"})
            if os.getpid() != own:  # the function forked: a second reply would answer the next call
                os._exit(0)
            signal.setitimer(signal.ITIMER_PROF, 0)
            calls.send_bytes(reply.encode())


class Reply(TypedDict, total=False):
    """What came of a call: its `value`, or how it was `lost` (`timeout` or `error`)."""

    value: Any
    lost: str


class _Worker:
    def __init__(self, task: str, cpu_seconds: float, memory: int):
        context = multiprocessing.get_context("forkserver")
        self.calls, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far, task, cpu_seconds, memory), daemon=True)
        self.process.start()
        far.close()

    def ask(self, arguments: Sequence[Any], asleep_seconds: float) -> Reply:
        """{"value": result}, or {"lost": "timeout" or "error"}."""
        try:
            self.calls.send_bytes(json.dumps(arguments).encode())
            while asleep_seconds > 0:
                if self.calls.poll(LOOK_EVERY):
                    return json.loads(self.calls.recv_bytes())
                asleep_seconds -= LOOK_EVERY * self._sleeps()
        except (EOFError, OSError):
            self.process.join(asleep_seconds)
            return {"lost": "timeout" if self.process.exitcode == -signal.SIGPROF else "error"}
        self.process.kill()
        self.process.join()  # else the caller finds it alive, and lends a dead worker to the next call
        return {"lost": "timeout"}

    def _sleeps(self) -> bool:
        """Does the worker wait for something other than the processor or the disk?"""
        state = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2][:1]
        return state == "S"

    def close(self) -> None:
        self.calls.close()
        self.process.kill()
        self.process.join()


class CappedCalls:
    """Calls of `module:function`; a worker stays for the next call unless it was lost.

    cpu_seconds: processor time of one call; memory: address space of a worker in bytes, loaded modules included; preload:
    modules that are loaded once for all workers, so that a new worker takes milliseconds.
    """

    def __init__(self, task: str, cpu_seconds: float, memory: int = 2 << 30, preload: Sequence[str] = ()):
        self.task, self.cpu_seconds, self.memory, self.preload = task, cpu_seconds, memory, preload
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def _lease(self) -> _Worker:
        with self._lock:
            if self._owner != os.getpid():  # a forked copy of the caller must not share its pipes
                self._idle, self._owner = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        multiprocessing.get_context("forkserver").set_forkserver_preload(list(self.preload))
        return _Worker(self.task, self.cpu_seconds, self.memory)

    def ask(self, *arguments: Any) -> Reply:
        """{"value": result}, or {"lost": "timeout" or "error"}; from any thread."""
        worker = self._lease()
        try:
            reply = worker.ask(arguments, CLOCK_FACTOR * self.cpu_seconds)
        except BaseException:
            worker.close()
            raise
        if "lost" in reply and not worker.process.is_alive():
            worker.close()
        else:
            with self._lock:
                self._idle.append(worker)
        return reply

    def map(self, calls: Iterable[Sequence[Any]], workers: int = 1) -> list[Reply]:
        """Replies in the order of the calls, from at most `workers` processes at once."""
        with ThreadPoolExecutor(max_workers=max(1, workers)) as threads:
            return list(threads.map(lambda arguments: self.ask(*arguments), calls))

    def close(self) -> None:
        """End the workers."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()
