"""What a source problem of an entry may cost, and what is left of its budget."""

from __future__ import annotations

from mathrl.config.entry import Entry, Limits
from mathrl.models.spending import Cost, one_request

CHARS_PER_TOKEN = 4  # of English text, for a forecast; a limit counts with the upper bound


def most(entry: Entry, prompt_tokens: int) -> Cost:
    """The most that one source problem costs, without retries, whose question has so many tokens."""
    found = one_request(entry.prices, prompt_tokens, entry.max_tokens)
    if entry.asks_solver:
        asked = entry.max_tokens + 100  # what was proposed, and the words around it
        found += one_request(entry.prices, asked, entry.holds.max_tokens).times(entry.holds.k)
    return found.times(entry.per_problem)


def left(limits: Limits, spent: Cost) -> str:
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
