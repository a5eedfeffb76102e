"""Records of the demo's world."""

from __future__ import annotations

from typing import TypedDict

from mathrl.data.records import Item
from mathrl.verifiers.records import StepSetRow


class RawProblem(TypedDict):
    """A training row in Big-Math's columns. llama8b_solve_rate: 0–1."""

    prompt: str
    solution: str
    source: str
    domain: list[str]
    llama8b_solve_rate: float


class Leak(TypedDict):
    """A planted training row: the item that it copies, and how."""

    prompt: str
    benchmark: str
    item_id: str
    kind: str


class World(TypedDict):
    """Training rows, items by benchmark, planted rows, and keys of the items."""

    problems: list[RawProblem]
    benchmarks: dict[str, list[Item]]
    leaks: list[Leak]
    keys: set[object]


class DemoStepRow(StepSetRow):
    """A solution with its answer."""

    id: str
    answer: str
