"""The user's reward terms at work: one response at a time or in batches, plain functions or `async` ones, each call with a time limit.

All calls of a process are waited for in one event loop, in a thread of its own: verl's loop and threads are never blocked, and an async
function may keep a session of a client for all its calls. A plain function runs in a thread that is given up when it takes too long.

A call fails where it raises, takes longer than `timeout`, or answers anything but finite numbers. Then the term is 0 for its responses,
which is counted (`on_failure: zero`), or `TermFailed` says in one line what happened (`stop`).
"""

from __future__ import annotations

import asyncio
import inspect
import math
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence, Set, Sized
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

from mathrl.config.reward_terms import Term
from mathrl.core import users_code
from mathrl.core.files import UserError
from mathrl.data.records import ExtraInfo
from mathrl.grading import Grade

LINGER_SECONDS = 0.05
"""How long the first response of a batch waits for others."""

BLOCKED_SECONDS = 10.0
"""An event loop that has not come round for so long, beyond a term's timeout, is held by an async function that waits without await."""

MOST_HANGING = 64
"""Calls of a plain function that never returned; then the term ends the training whatever `on_failure` says."""


class TermFailed(UserError):
    """A reward term has no value, and training is to end."""


@dataclass(frozen=True)
class Sample:
    """What a term is told of one response."""

    grade: Grade
    data_source: str
    response: str
    answer: str
    extra_info: ExtraInfo | None = None

    @property
    def parts(self) -> tuple[Grade, str, str, str, ExtraInfo | None]:
        """In the order of a term's arguments."""
        return self.grade, self.data_source, self.response, self.answer, self.extra_info


@dataclass(frozen=True)
class Value:
    """What a term says of a response; `failed` where 0 stands for no value."""

    number: float
    failed: bool = False


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.came_round = time.monotonic()
        threading.Thread(target=self._run, name="reward terms", daemon=True).start()

    def _run(self) -> None:
        self.loop.call_soon(self._beat)
        self.loop.run_forever()

    def _beat(self) -> None:
        self.came_round = time.monotonic()
        self.loop.call_later(0.5, self._beat)

    def submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Start a coroutine, from any thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def is_held(self, timeout: float) -> bool:
        """Whether it has not come round for so long that a call of this timeout should have ended."""
        return time.monotonic() - self.came_round > timeout + BLOCKED_SECONDS


@lru_cache(maxsize=1)
def _loop(pid: int) -> Loop:
    """The loop of this process; a forked one has another."""
    return Loop()


@dataclass
class Caller:
    """One term of the user's in this process."""

    name: str
    term: Term
    function: Callable[..., Any]
    hanging: int = 0
    failures: int = 0
    waiting: list[tuple[Sample, asyncio.Future[float]]] = field(default_factory=list)
    calls: asyncio.Semaphore | None = None
    sent: set[asyncio.Task[None]] = field(default_factory=set)

    def value(self, sample: Sample) -> Value:
        """The term's value, from any thread but that of the loop.

        Raises:
            TermFailed: there is none, and `on_failure` is stop.
        """
        loop = _loop(os.getpid())
        asked = loop.submit(self._one(sample))
        while not wait_for([asked], timeout=1.0).done:
            if loop.is_held(self.term.timeout):
                return self._blocks()
        return self._read(asked)

    async def value_soon(self, sample: Sample) -> Value:
        """The same, awaited in a loop of the caller's."""
        loop = _loop(os.getpid())
        asked = loop.submit(self._one(sample))
        waited = asyncio.wrap_future(asked)
        while not (await asyncio.wait([waited], timeout=1.0))[0]:
            if loop.is_held(self.term.timeout):
                return self._blocks()
        waited.exception()  # taken note of: asyncio logs what nobody looks at
        return self._read(asked)

    def _read(self, asked: Future[float]) -> Value:
        error = asked.exception()
        if error is None:
            return Value(asked.result())
        if isinstance(error, TermFailed):
            raise error
        if isinstance(error, _TooLateError):
            return self._failed(f"gave no answer within {self.term.timeout:g} s")
        path = users_code.path_of(self.name) if users_code.is_file(self.name) else None
        return self._failed(str(error) if isinstance(error, _BadAnswerError) else users_code.told(error, path))

    def _blocks(self) -> Value:
        return self._failed(f"blocks its event loop for {self.term.timeout:g} s; an async function must not wait without await")

    def _failed(self, why: str) -> Value:
        line = f"reward term '{self.name}' failed: {why}"
        if self.term.on_failure == "stop":
            raise TermFailed(line)
        self.failures += 1
        if math.log10(self.failures).is_integer():  # 1, 10, 100: a log is read, a flood is not
            print(f"mathrl: {line}; 0 in its place, {self.failures} times in this process", file=sys.stderr, flush=True)
        return Value(0.0, failed=True)

    async def _one(self, sample: Sample) -> float:
        if self.term.batch is None:
            return (await self._call([sample]))[0]
        loop = asyncio.get_running_loop()
        mine = loop.create_future()
        self.waiting.append((sample, mine))
        if len(self.waiting) >= self.term.batch:
            self._send()
        elif len(self.waiting) == 1:
            loop.call_later(LINGER_SECONDS, self._send)
        return await mine

    def _send(self) -> None:
        batch, self.waiting = self.waiting, []
        if batch:
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self.sent.add(task)
            task.add_done_callback(self.sent.discard)

    async def _answer(self, batch: Sequence[tuple[Sample, asyncio.Future[float]]]) -> None:
        try:
            values = await self._call([sample for sample, _ in batch])
        except Exception as error:
            for _, asked in batch:
                asked.set_exception(error)
        else:
            for (_, asked), value in zip(batch, values, strict=True):
                asked.set_result(value)

    async def _call(self, samples: Sequence[Sample]) -> list[float]:
        self.calls = self.calls or asyncio.Semaphore(self.term.parallel)
        async with self.calls:
            if self.hanging >= MOST_HANGING:
                raise TermFailed(f"reward term '{self.name}' failed: {self.hanging} calls never returned; mend it")
            told = samples[0].parts if self.term.batch is None else tuple(map(list, zip(*(s.parts for s in samples), strict=True)))
            if inspect.iscoroutinefunction(self.function):
                given = await self._in_time(_guarded(self.function(*told, **self.term.arguments)))
            else:
                given = await self._in_thread(told)
        return _numbers(given, None if self.term.batch is None else len(samples))

    async def _in_time(self, work: Awaitable[Any]) -> Any:
        """What it answers; one that does not end when it is cancelled is not waited for."""
        asked = asyncio.ensure_future(work)
        done, _ = await asyncio.wait([asked], timeout=self.term.timeout)
        if not done:
            asked.add_done_callback(lambda task: task.cancelled() or task.exception())  # looked at: asyncio logs what nobody looks at
            asked.cancel()
            raise _TooLateError
        return asked.result()

    async def _in_thread(self, told: Sequence[Any]) -> Any:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()
        late = False

        def settle(value: Any, error: BaseException | None) -> None:
            if late:
                self.hanging -= 1
            elif error is None:
                answered.set_result(value)
            else:
                answered.set_exception(error)

        def work() -> None:
            try:
                value, error = self.function(*told, **self.term.arguments), None
            except BaseException as raised:
                value, error = None, _harmless(raised)
            loop.call_soon_threadsafe(settle, value, error)

        threading.Thread(target=work, name=f"reward term {self.name}", daemon=True).start()
        done, _ = await asyncio.wait([answered], timeout=self.term.timeout)
        if not done:
            late = True
            self.hanging += 1
            raise _TooLateError
        value = answered.result()
        return await self._in_time(_guarded(value)) if isinstance(value, Awaitable) else value


class _TooLateError(Exception):
    """No answer within the term's timeout."""


class _BadAnswerError(Exception):
    """A term answered something else than it should."""


async def _guarded(work: Awaitable[Any]) -> Any:
    """What it answers; nothing that it raises ends the loop, or looks as if the caller was cancelled."""
    try:
        return await work
    except BaseException as error:
        raise _harmless(error) from None


def _harmless(error: BaseException) -> Exception:
    """An error that ends no thread and no loop, and that a future can hold."""
    return error if isinstance(error, Exception) and not isinstance(error, StopIteration) else _BadAnswerError(users_code.told(error))


def _numbers(given: Any, count: int | None) -> list[float]:
    """Finite numbers for so many responses; for None a single one."""
    try:
        if count is not None and isinstance(given, str | bytes | Mapping | Set):
            raise TypeError
        values = [_number(value) for value in ([given] if count is None else islice(given, count + 1))]
    except (TypeError, ValueError):
        wanted = "a number" if count is None else f"a list of {count} numbers"
        raise _BadAnswerError(f"it answers {ascii(given)[:60]}, not {wanted}") from None
    if len(values) != (count or 1):
        many = len(given) if isinstance(given, Sized) else f"more than {count}" if len(values) > (count or 1) else len(values)
        raise _BadAnswerError(f"it answers {many} numbers for {count} responses")
    if not all(map(math.isfinite, values)):
        raise _BadAnswerError(f"it answers {next(value for value in values if not math.isfinite(value))}; a term must be finite")
    return values


def _number(value: Any) -> float:
    if isinstance(value, str | bytes):  # "0.5" would do, and "nan" and "1_0" too
        raise TypeError
    return float(value)
