"""The far side of the pool: a keeper that never computes, and the child it forks to do so.

The keeper loads the task's module once, forks a child, passes each request on and waits for the reply until the cap. A child
that hangs is killed, one that dies (memory cap, crash) is noticed, and the next one is a fork away (milliseconds, because
the algebra system is already loaded). The keeper ends when its input does, so that nothing outlives the process that asked;
the child dies with the keeper.

Requests and replies are JSON, one a line: no pickles, no code. Run by mathrl.grading.pool only.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

MEMORY_BYTES = 1 << 30
"""Address space of a child, loaded modules included."""
_PR_SET_PDEATHSIG = 1


def _die_with_parent(parent: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _serve(task: Callable[..., Any], requests: int, replies: int) -> None:
    """The child's life: read a request, compute, reply; a Python error is a reply too."""
    with os.fdopen(requests, "rb") as source, os.fdopen(replies, "wb", buffering=0) as sink:
        for line in source:
            try:
                reply = {"value": task(*json.loads(line))}
            except MemoryError:
                os._exit(3)
            except BaseException as error:
                reply = {"error": type(error).__name__}
            sink.write(json.dumps(reply).encode() + b"\n")


class _Child:
    def __init__(self, task: Callable[..., Any], memory: int):
        down_read, down_write = os.pipe()
        up_read, up_write = os.pipe()
        keeper = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _die_with_parent(keeper)
                resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                os.close(down_write)
                os.close(up_read)
                null = os.open(os.devnull, os.O_RDWR)
                for stream in (0, 1, 2):
                    os.dup2(null, stream)
                sys.setrecursionlimit(3_000)
                _serve(task, down_read, up_write)
            finally:
                os._exit(0)
        os.close(down_read)
        os.close(up_write)
        self.requests, self.replies = down_write, up_read

    def ask(self, request: bytes, cap: float, source: int) -> dict:
        """The reply to one request: {"value"}, {"error"} or {"timeout"}; the latter and a death end the child.

        Nothing comes from `source` while a request is open, so what can be read there is its end: nobody waits any more.
        """
        deadline = time.monotonic() + cap
        reply = b""
        try:
            os.write(self.requests, request)
            while not reply.endswith(b"\n"):
                remaining = max(0.0, deadline - time.monotonic())
                ready, _, _ = select.select([self.replies, source], [], [], remaining)
                if source in ready:
                    self.kill()
                    os._exit(0)
                if not ready:
                    self.kill()
                    return {"timeout": True, "dead": True}
                part = os.read(self.replies, 1 << 16)
                if not part:
                    raise BrokenPipeError
                reply += part
        except OSError:
            self.kill()
            return {"error": "worker died", "dead": True}
        return json.loads(reply)

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(self.pid, 0)
        os.close(self.requests)
        os.close(self.replies)


def main(task_name: str, memory: int = MEMORY_BYTES) -> None:
    """Keep one child for `module:function` and serve requests from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    module, _, function = task_name.partition(":")
    loaded = importlib.import_module(module)
    task = getattr(loaded, function)
    getattr(loaded, "load", lambda: None)()
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    child = _Child(task, memory)
    sink.write(b'{"ready": true}\n')
    for line in source:
        envelope = json.loads(line)
        reply = child.ask(json.dumps(envelope["arguments"]).encode() + b"\n", envelope["cap"], source.fileno())
        if reply.pop("dead", False):
            child = _Child(task, memory)
        sink.write(json.dumps(reply).encode() + b"\n")
    child.kill()
