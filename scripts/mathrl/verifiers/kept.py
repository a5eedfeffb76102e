"""A verifier with a memory and with patience: scores are kept by content, failures are tried again, and what fails for good says so.

Finished scores lie in a store of checked lines (`mathrl.core.checked_lines`) below a directory of the verifier's identity, outside
all declared outputs: a killed job goes on where it was, nothing is scored twice, and other weights, prompts or code score anew. No
score is ever made up: where one cannot be had the call ends with one line.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from mathrl.core import users_code
from mathrl.core.checked_lines import SUFFIX, Appender, Reader
from mathrl.core.files import UserError, sha256_json
from mathrl.verifiers.interface import RetryLater, Solution, Verifier, checked

LONGEST_PAUSE = 60.0  # seconds between two tries


class Kept:
    """`inner` with a store, a limit on time and further tries.

    Args:
        name: of the verifier, in messages.
        inner: what scores.
        root: stores of all verifiers lie below it.
        timeout: seconds that one batch may take.
        retries: further tries of a batch.
        batch_size: responses that are scored at once.
        parallel: batches in flight.
        pause: seconds before the second try, doubled from try to try.
        threshold: a step with a score below it is flagged.
        remembered: responses whose scores are held in memory, the newest; all of them if none.
    """

    def __init__(
        self,
        name: str,
        inner: Verifier,
        root: Path,
        *,
        timeout: float,
        retries: int,
        batch_size: int,
        parallel: int = 1,
        pause: float = 1.0,
        threshold: float = 0.5,
        remembered: int | None = None,
    ) -> None:
        self.name, self.inner, self.threshold = name, inner, threshold
        self.identity = inner.identity
        self.directory = root / sha256_json(dict(inner.identity))[:12]
        self._timeout, self._retries, self._batch, self._parallel, self._pause = timeout, retries, batch_size, parallel, pause
        self._reader, self._store, self._lock = Reader(self.directory, f"*{SUFFIX}"), Appender(self.directory), threading.Lock()
        self._known: dict[str, list[float]] = {}
        self._remembered = remembered

    @property
    def parallel(self) -> int:
        """Batches in flight at most."""
        return self._parallel

    @property
    def batch_size(self) -> int:
        """Responses that are scored at once."""
        return self._batch

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        """As of every verifier; a response without steps gets no scores.

        Raises:
            UserError: the verifier refused, or a batch failed at every try; the message says how much is kept.
        """
        asked: list[Solution] = [(problem, tuple(steps)) for problem, steps in zip(problems, responses, strict=True)]
        keys = {solution: sha256_json(solution) for solution in dict.fromkeys(asked)}
        known = self._look_up(set(keys.values()))
        missing = [solution for solution, key in keys.items() if solution[1] and key not in known]
        if missing:
            self._score_missing(missing, keys, known)
        return [known[keys[solution]] if solution[1] else [] for solution in asked]

    def _look_up(self, keys: set[str]) -> dict[str, list[float]]:
        """What is known of these solutions, by this process or by others that scored meanwhile."""
        with self._lock:
            for _, row in self._reader.new():
                self._known[row["key"]] = row["scores"]
                if self._remembered is not None and len(self._known) > self._remembered:
                    del self._known[next(iter(self._known))]
            return {key: self._known[key] for key in keys if key in self._known}

    def _score_missing(self, missing: list[Solution], keys: dict[Solution, str], known: dict[str, list[float]]) -> None:
        # Of like length together: padding and a batch's slowest member cost less.
        missing.sort(key=lambda solution: (sum(map(len, solution[1])), solution))
        batches = [missing[start : start + self._batch] for start in range(0, len(missing), self._batch)]
        stop = threading.Event()

        def work(batch: list[Solution]) -> None:
            if stop.is_set():
                return
            try:
                rows = self._try(batch, stop)
            except BaseException:
                stop.set()
                raise
            for solution, scores in zip(batch, rows, strict=True):
                known[keys[solution]] = scores
                self._store.write({"key": keys[solution], "scores": scores})

        try:
            if self._parallel == 1:
                for batch in batches:
                    work(batch)
                return
            with ThreadPoolExecutor(self._parallel) as threads:
                done, _ = wait([threads.submit(work, batch) for batch in batches], return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except _Failed as error:
            finished = sum(keys[solution] in known for solution in missing)
            kept = f"{finished} of {len(missing)} responses are scored and kept, the same command goes on from there"
            raise GaveUp(f"verifier {self.name}: {error}", kept) from None
        finally:
            self._store.close()

    def _try(self, batch: list[Solution], stop: threading.Event) -> list[list[float]]:
        responses = [steps for _, steps in batch]
        for attempt in range(self._retries + 1):
            try:
                found = within(self._timeout, self.inner.score, [problem for problem, _ in batch], responses)
                return checked(found, responses)
            except UserError:
                raise
            except Exception as error:
                told = " ".join(str(error).split())[:300]
                why = told if isinstance(error, RetryLater) else f"{type(error).__name__}: {told}"
                if attempt == self._retries or stop.is_set():
                    raise _Failed(f"failed {attempt + 1} times on {len(batch)} response(s), at last by {why}") from None
                print(f"verifier {self.name}: {why}; trying again", file=sys.stderr, flush=True)
                asked = error.seconds if isinstance(error, RetryLater) else 0.0
                stop.wait(min(LONGEST_PAUSE, max(asked, self._pause * 2**attempt * random.uniform(0.5, 1.5))))
        raise AssertionError("unreachable")


class GaveUp(UserError):
    """A verifier failed at every try. `why` is the message without what is kept, for who asks for one response at a time."""

    def __init__(self, why: str, kept: str) -> None:
        super().__init__(f"{why}; {kept}")
        self.why = why


class _Failed(Exception):
    """A batch that failed at every try."""


def within(seconds: float, call: Any, *arguments: Any) -> Any:
    """`call(*arguments)`; TimeoutError where it takes longer. What hangs is left behind in a daemon thread, which ends with the process."""
    found: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(call(*arguments))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    begun = time.monotonic()
    thread.start()
    thread.join(seconds)
    if failed and not isinstance(failed[0], Exception):  # sys.exit() and the like of the user's code end a call, not who asked
        raise RuntimeError(users_code.told(failed[0]))
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"no answer within {time.monotonic() - begun:.0f} s (verifiers.timeout)")
    return found[0]
