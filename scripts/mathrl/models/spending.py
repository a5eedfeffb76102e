"""What requests to a served model cost: bounds before, counts after, limits, and an account on disk that a kill does not empty.

An account is a folder of checked lines (`mathrl.core.checked_lines`): `reserve` with the most that a request can cost before it is sent,
then `answer` or `failed` with what it did cost. A reservation without an outcome is in flight, or was when its process died: the
provider may have charged for it, so it counts in full.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mathrl.config.entry import Limits, Prices
from mathrl.core.checked_lines import Appender, Reader
from mathrl.execution import locks
from mathrl.models.chat import Answer, Request
from mathrl.models.records import AccountRow, Spent

MILLION = 1_000_000


@dataclass(frozen=True)
class Cost:
    """Requests, tokens and money."""

    requests: int = 0
    tokens: int = 0
    money: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.requests + other.requests, self.tokens + other.tokens, self.money + other.money)

    def times(self, count: float) -> Cost:
        """So many times the same."""
        return Cost(round(self.requests * count), round(self.tokens * count), self.money * count)

    def as_dict(self) -> Spent:
        """As JSON."""
        return {"requests": self.requests, "tokens": self.tokens, "money": round(self.money, 6)}


def total(costs: Iterable[Cost]) -> Cost:
    """Their sum."""
    return sum(costs, Cost())


def one_request(prices: Prices, prompt: int, completion: int) -> Cost:
    """A request of so many tokens of prompt and of answer."""
    return Cost(1, prompt + completion, (prices.input * prompt + prices.output * completion) / MILLION)


def bound(request: Request, prices: Prices) -> Cost:
    """The most that a request costs, if the server keeps to `max_tokens`."""
    return one_request(prices, request.prompt_bound, request.max_tokens)


def paid(answer: Answer, prices: Prices) -> Cost:
    """What an answer cost by the server's own count."""
    return one_request(prices, answer.prompt_tokens, answer.completion_tokens)


def fits(limits: Limits, spent: Cost, more: Cost) -> bool:
    """Whether the limits leave room for so much more."""
    return all(
        limit is None or used + wanted <= limit
        for limit, used, wanted in (
            (limits.requests, spent.requests, more.requests),
            (limits.tokens, spent.tokens, more.tokens),
            (limits.money, spent.money, more.money),
        )
    )


class Account:
    """What was spent under a name, by all processes that ever opened the account. From any thread."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.name = directory, name
        self._lines = Appender(directory, f"{name}-")
        self._reader = Reader(directory, "*.jsonl")
        self._lock = threading.Lock()
        self._number = 0
        self._ended = Cost()
        self._open: dict[tuple[Path | None, str], Cost] = {}
        self.refresh()

    @property
    def spent(self) -> Cost:
        """What is paid, and what is in flight at its most."""
        with self._lock:
            return self._ended + total(self._open.values())

    @property
    def in_doubt(self) -> int:
        """Requests of other processes that have no outcome: in flight, or left so by a kill."""
        with self._lock:
            return sum(file != self._lines.path for file, _ in self._open)

    def refresh(self) -> None:
        """Read what other processes have written."""
        with self._lock:
            for path, row in self._reader.new():
                if path != self._lines.path:
                    self._count(path, cast(AccountRow, row))

    def reserve(self, most: Cost, key: str = "") -> str:
        """Write down that a request is about to be sent and may cost so much; returns the reservation."""
        with self._lock:
            self._number += 1
            name = str(self._number)
            self._write({"kind": "reserve", "id": name, "key": key, "tokens": most.tokens, "money": most.money})
        return name

    def reserve_within(self, limits: Limits, most: Cost) -> str | None:
        """The same where the limits have room for it, whatever other processes reserve at this moment; else None."""
        with locks.held(self.directory / "lock", waits=""):
            self.refresh()
            return self.reserve(most) if fits(limits, self.spent, most) else None

    def settle(self, reservation: str, cost: Cost, **outcome: Any) -> None:
        """Write down what a reserved request did cost, and how it ended: `kind` (answer or failed) and more."""
        with self._lock:
            self._write(cast(AccountRow, {"id": reservation, "tokens": cost.tokens, "money": cost.money} | outcome))

    def close(self) -> None:
        """Sync what was written."""
        self._lines.close()

    def _write(self, row: AccountRow) -> None:
        row["entry"] = self.name
        self._lines.write(row)
        self._count(self._lines.path, row)

    def _count(self, file: Path | None, row: AccountRow) -> None:
        """Take a row of this or another process into account."""
        if row["entry"] != self.name:
            return
        cost = Cost(1, row["tokens"], row["money"])
        if row["kind"] == "reserve":
            self._open[file, row["id"]] = cost
        else:
            self._open.pop((file, row["id"]), None)
            self._ended += cost
