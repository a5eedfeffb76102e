"""Verifiers beside a training: its rewards ask for one response at a time, from an event loop that must not wait.

What is asked for while a batch is scored becomes the next batch. A thread scores, so that the loop goes on; what two samples say alike
is scored once. Scores are kept as everywhere (`mathrl.verifiers.kept`), but for those that cost less than to look them up.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from mathrl.config.verifier import Verifiers
from mathrl.config.verifiers import Settings, settings
from mathrl.core.files import UserError
from mathrl.verifiers import load
from mathrl.verifiers.interface import Solution, Verifier
from mathrl.verifiers.prm import ProcessRewardModel

REMEMBERED = 200_000  # responses; a longer training must not fill the memory of its reward workers
UNKEPT = ("arithmetic",)  # scored again faster than read

Asked = tuple[Solution, "Future[list[float]]"]


class Gathering:
    """Collects what is asked of a verifier into batches, and scores them in threads of its own.

    Args:
        verifier: what scores.
        batch_size: responses per batch.
        parallel: batches at the same time.
    """

    def __init__(self, verifier: Verifier, batch_size: int, parallel: int) -> None:
        self._verifier, self._batch = verifier, batch_size
        self._queue: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self._asked: dict[Solution, Future[list[float]]] = {}
        for _ in range(parallel):
            threading.Thread(target=self._work, daemon=True).start()

    async def score(self, problem: str, steps: Sequence[str]) -> list[float]:
        """One score per step; whatever the verifier raises. To be awaited in one event loop."""
        solution = (problem, tuple(steps))
        future = self._asked.get(solution)
        if future is None:
            future = self._asked[solution] = Future()
            self._queue.put((solution, future))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            batch = [self._queue.get()]
            while len(batch) < self._batch:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            self._answer(batch)

    def _answer(self, batch: list[Asked]) -> None:
        try:
            found = self._verifier.score([problem for (problem, _), _ in batch], [steps for (_, steps), _ in batch])
            answers: Sequence[Sequence[float] | BaseException] = found
        except BaseException as error:
            answers = [error] * len(batch)
        for (solution, future), answer in zip(batch, answers, strict=True):
            self._asked.pop(solution, None)
            # A sample that nobody waits for any more takes no answer.
            if not future.set_running_or_notify_cancel():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(list(answer))


def gathered(section: Verifiers, name: str, store: Path, workers: int) -> Gathering:
    """The verifier `name`, made for one of so many reward workers: they share what a judge may have in flight.

    Raises:
        UserError: it cannot be had.
    """
    one = settings(section)[name]
    limits = {key: getattr(section, key) for key in ("timeout", "retries", "batch_size")}
    kept = load.make(one, root=store, remembered=REMEMBERED, model=_model(one), **limits)
    verifier: Verifier = kept.inner if one.kind in UNKEPT else kept
    return Gathering(verifier, kept.batch_size, max(1, kept.parallel // workers))


def _model(one: Settings) -> Path | None:
    """Directory of a model that scores beside a training, on a CPU."""
    return Path(one.own["model"]) if one.kind == "prm" else None


def check(section: Verifiers, store: Path) -> None:
    """Refuse before a training what could not score in it.

    Raises:
        UserError: a function that cannot be loaded, a judge whose prompt cannot be read, a model that is none.
    """
    for name, one in settings(section).items():
        try:
            made = load.make(one, root=store, timeout=1.0, retries=0, batch_size=1, model=_model(one))
            if isinstance(made.inner, ProcessRewardModel):
                made.inner.check()
        except UserError as error:
            raise UserError(f"config: verifiers.named.{name}: {error}") from None
