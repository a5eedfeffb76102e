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


class HackRun(TypedDict):
    """A training of the bench of planted hacks.

    curves: by habit the share of responses that show it, and under `right` the share of right answers, a value per step.
    flagged: step of the first flag of process_drop or process_rise; flags: all, as text.
    """

    run: str
    mode: str
    habit: str | None
    seed: int
    curves: dict[str, list[float]]
    flagged: int | None
    flags: list[str]


class HackVerdict(TypedDict):
    """What came of a habit: differences to grpo (value, low, high) and which expectations came true (None: nothing to see)."""

    habit: str
    held_out: bool
    differences: dict[str, dict[str, float]]
    came: dict[str, bool | None]
