"""Killable workers for the few verdicts that need an algebra system.

`Pool.ask` may be called from any thread. It leases a worker, sends the request and waits until the cap (wall clock, seconds);
a worker that hangs or dies is replaced and the caller learns which it was. Workers are fresh Python processes, never forks of
the caller (which may hold Ray, CUDA or threads); they inherit no file but their pipes and end when the caller does.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

CAP_SECONDS = 2.0
"""Hard limit on the clock for one request."""
START_SECONDS = 120.0
"""A worker that is not ready by then (a machine on its knees) counts as broken."""
_SCRIPTS = str(Path(__file__).resolve().parents[2])
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from mathrl.grading.worker import main; main(sys.argv[2], int(sys.argv[3]))"


class WorkerLost(Exception):
    """The worker's process ended while it was asked."""


class _Worker:
    def __init__(self, task: str, memory: int, path: str):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "PYTHONSTARTUP"))}
        environment.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="", PYTHONHASHSEED="0")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [path, environment.get("PYTHONPATH", "")]))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, _SCRIPTS, task, str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            close_fds=True,
            start_new_session=True,
        )
        self.ready = False
        self.buffer = b""

    def read(self, seconds: float) -> dict | None:
        """One reply, or None when the time is over; `WorkerLost` at the end of the stream."""
        deadline = time.monotonic() + seconds
        stream = self.process.stdout.fileno()
        poller = select.poll()  # select() cannot take descriptors above 1023
        poller.register(stream, select.POLLIN)
        while b"\n" not in self.buffer:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not poller.poll(remaining * 1000):
                return None
            part = os.read(stream, 1 << 16)
            if not part:
                raise WorkerLost
            self.buffer += part
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def await_ready(self) -> None:
        if not self.ready:
            if self.read(START_SECONDS) is None:
                raise WorkerLost
            self.ready = True

    def ask(self, arguments: list, cap: float) -> dict:
        self.await_ready()
        try:
            self.process.stdin.write(json.dumps({"arguments": arguments, "cap": cap}).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise WorkerLost from None
        reply = self.read(cap + 5.0)
        if reply is None:
            raise WorkerLost
        return reply

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Pool:
    """Up to `size` workers for one task (`module:function`, arguments and result JSON)."""

    def __init__(self, task: str, size: int, cap: float = CAP_SECONDS, memory: int = 1 << 30, path: str = ""):
        self.task, self.size, self.cap, self.memory, self.path = task, size, cap, memory, path
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._lock = threading.Lock()
        self._all: set[_Worker] = set()
        self._pid = os.getpid()

    def warm(self) -> None:
        """Start all workers and wait until they are ready."""
        with self._lock:
            started = [self._spawn() for _ in range(self.size - len(self._all))]
        for worker in started:
            try:
                worker.await_ready()
            except WorkerLost:
                self._drop(worker)
                continue
            self._idle.put(worker)

    def _spawn(self) -> _Worker:
        worker = _Worker(self.task, self.memory, self.path)
        self._all.add(worker)
        return worker

    def _lease(self) -> _Worker:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        with self._lock:
            if len(self._all) < self.size:
                return self._spawn()
        return self._idle.get()

    def _drop(self, worker: _Worker) -> None:
        worker.close()
        with self._lock:
            self._all.discard(worker)

    def ask(self, *arguments: Any) -> dict:
        """{"value": result}, {"timeout": True} or {"error": why}; never raises."""
        try:
            worker = self._lease()
        except OSError as error:
            return {"error": type(error).__name__}
        try:
            reply = worker.ask(list(arguments), self.cap)
        except (WorkerLost, ValueError):
            self._replace(worker)
            return {"error": "worker lost"}
        except BaseException:
            self._replace(worker)
            raise
        self._idle.put(worker)
        return reply

    def _replace(self, worker: _Worker) -> None:
        """Drop a broken worker; where others may be waiting for it, put a new one in its place."""
        self._drop(worker)
        with contextlib.suppress(OSError), self._lock:
            if len(self._all) < self.size:
                self._idle.put(self._spawn())

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            workers, self._all = list(self._all), set()
        for worker in workers:
            worker.close()

    def pids(self) -> list[int]:
        """Process ids of the keepers."""
        with self._lock:
            return [worker.process.pid for worker in self._all]


_pools: dict[tuple[int, str], Pool] = {}
_pools_lock = threading.Lock()


def pool_for(task: str, size: int | None = None) -> Pool:
    """This process's pool for a task; made at the first call, never shared with a forked process.

    size: workers; by default the usable cores, at most 4. A later, larger size makes the pool grow.
    """
    with _pools_lock:
        key = (os.getpid(), task)
        if key not in _pools:
            _pools[key] = Pool(task, size or min(4, len(os.sched_getaffinity(0))))
        found = _pools[key]
        found.size = max(found.size, size or 0)
        return found
