"""Records of problems and benchmarks as they travel between functions."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Read(TypedDict):
    """Problem and gold of a published row; without a gold, `left_out` says why."""

    problem: str | None
    answer: str | None
    left_out: str | None


class Item(TypedDict):
    """A row of `resources/benchmarks/*.jsonl`: a problem with one canonical gold.

    id: unique in its benchmark. answer: the gold. domain: one or several. difficulty: 1 easy – 5 hard.
    """

    id: str
    problem: str
    answer: str
    domain: NotRequired[list[str] | str | None]
    difficulty: NotRequired[int | None]
