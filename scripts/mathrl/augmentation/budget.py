"""What requests may cost before they are sent, what they cost afterwards, and whether the budget still has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mathrl.augmentation.requests import Answer, Request
from mathrl.augmentation.store import Spent
from mathrl.config.entry import Entry, Limits, Prices

MILLION = 1_000_000
CHARS_PER_TOKEN = 4  # of English text, for a forecast; a limit counts with the upper bound


@dataclass(frozen=True)
class Cost:
    """Requests, tokens and money."""

    requests: int = 0
    tokens: int = 0
    money: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.requests + other.requests, self.tokens + other.tokens, self.money + other.money)

    def times(self, count: float) -> Cost:
        return Cost(round(self.requests * count), round(self.tokens * count), self.money * count)


def total(costs: Iterable[Cost]) -> Cost:
    """Their sum."""
    found = Cost()
    for cost in costs:
        found += cost
    return found


def money(prices: Prices, prompt: int, completion: int) -> float:
    """What so many tokens cost."""
    return (prices.input * prompt + prices.output * completion) / MILLION


def bound(request: Request, prices: Prices) -> Cost:
    """The most that a request costs, if the server keeps to `max_tokens`."""
    return Cost(1, request.prompt_bound + request.max_tokens, money(prices, request.prompt_bound, request.max_tokens))


def cost(answer: Answer, prices: Prices) -> Cost:
    """What an answer cost by the server's own count."""
    return Cost(1, answer.prompt_tokens + answer.completion_tokens, money(prices, answer.prompt_tokens, answer.completion_tokens))


def most(entry: Entry, prompt_tokens: int) -> Cost:
    """The most that one source problem costs, without retries, whose question has so many tokens."""
    proposal = Cost(1, prompt_tokens + entry.max_tokens, money(entry.prices, prompt_tokens, entry.max_tokens))
    if not entry.asks_solver:
        return proposal.times(entry.per_problem)
    asked = entry.max_tokens + 100  # what was proposed, and the words around it
    solution = Cost(1, asked + entry.holds.max_tokens, money(entry.prices, asked, entry.holds.max_tokens))
    return (proposal + solution.times(entry.holds.k)).times(entry.per_problem)


def fits(limits: Limits, spent: Spent, more: Cost) -> bool:
    """Whether the budget still has so much."""
    return all(
        limit is None or used + wanted <= limit
        for limit, used, wanted in (
            (limits.requests, spent.requests, more.requests),
            (limits.tokens, spent.tokens, more.tokens),
            (limits.money, spent.money, more.money),
        )
    )


def left(limits: Limits, spent: Spent | Cost) -> str:
    """What is left, in words."""
    parts = []
    for name, limit, used in (
        ("requests", limits.requests, spent.requests),
        ("tokens", limits.tokens, spent.tokens),
        ("money", limits.money, spent.money),
    ):
        if limit is not None:
            remaining = max(0, limit - used)
            parts.append(f"{remaining:.4f} of {limit:g} {name}" if name == "money" else f"{remaining:,} of {limit:,} {name}")
    return ", ".join(parts)


def as_dict(spent: Any) -> dict[str, Any]:
    """Requests, tokens and money as JSON."""
    return {"requests": spent.requests, "tokens": spent.tokens, "money": round(spent.money, 6)}
