"""Batches of what is asked for one by one, or by several at once: what comes while a batch is scored becomes the next one.

A thread scores, so that the event loop in which all of it is asked goes on; what two say alike is scored once.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from mathrl.verifiers.interface import Solution, Verifier

Asked = tuple[Solution, "Future[list[float]]"]


class Gathering:
    """Collects what is asked of a verifier into batches, and scores them in threads of its own.

    Args:
        verifier: what scores.
        batch_size: responses per batch.
        parallel: batches at the same time.
        apart: score the members of a batch that failed once more, each alone, so that one of them fails nobody else's.
    """

    def __init__(self, verifier: Verifier, batch_size: int, parallel: int, *, apart: bool = False) -> None:
        self._verifier, self._batch, self._apart = verifier, batch_size, apart
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
        waited = asyncio.wrap_future(future)
        waited.add_done_callback(lambda done: done.cancelled() or done.exception())  # an error is heard, also where who asked is cancelled
        return await asyncio.shield(waited)  # who is cancelled takes the answer from nobody who asked the same

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
        answers = self._scored([solution for solution, _ in batch])
        for (solution, future), answer in zip(batch, answers, strict=True):
            self._asked.pop(solution, None)
            # A sample that nobody waits for any more takes no answer.
            if not future.set_running_or_notify_cancel():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(list(answer))

    def _scored(self, solutions: list[Solution]) -> list[Sequence[float] | BaseException]:
        """The scores of each, or why there are none."""
        try:
            return list(self._verifier.score([problem for problem, _ in solutions], [steps for _, steps in solutions]))
        except BaseException as error:
            if self._apart and len(solutions) > 1:
                return [answer for solution in solutions for answer in self._scored([solution])]
            return [error] * len(solutions)
