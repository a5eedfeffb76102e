"""Records of step labels and of measured verifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from mathrl.data.records import Item
from mathrl.statistics.records import Cell

Identity = Mapping[str, object]
"""All that decides a score (weights by their hash, prompts, code, versions), as JSON. Nobody reads it but its hash."""


class Prefix(Item):
    """An item of a benchmark file of beginnings: it has a `prefix`, from which the policy goes on."""


class Labelled(TypedDict):
    """A sampled solution with its labels.

    id: of the problem and the sample. rates: share (0–1) of right completions before the first step and after each.
    marks: of the labelled steps, `+` or `-`; None where it is dropped. why: how it was decided. correct: its answer.
    """

    id: str
    problem: str
    response: str
    steps: list[str]
    rates: list[float]
    marks: list[str] | None
    correct: bool
    why: str


class Dialogue(TypedDict):
    """A row of the supervised stage: chat messages with their role and content."""

    problem: str
    messages: list[dict[str, str]]


class Share(TypedDict):
    """A share (0–1) of n; None where nothing was counted."""

    value: float | None
    n: int


class Finished(TypedDict):
    """How many labels the verifier `agree` took, items are labelled, are trained on, and solutions are accepted."""

    disagreed: int
    labelled: int
    trained_on: int
    accepted: int


class StepSetRow(TypedDict):
    """A solution whose first wrong step is known. first_error: its number from 0, None where all are right. kind: of the error."""

    problem: str
    steps: list[str]
    first_error: int | None
    kind: NotRequired[str | None]


class FirstErrorF1(TypedDict):
    """First-error F1 and its two accuracies: errors named, and right solutions not flagged (0–1)."""

    named: Cell
    clean: Cell
    f1: Cell


class Bin(TypedDict):
    """Steps whose score is between low and high (0–1): how many, their mean score, and the share of right ones."""

    low: float
    high: float
    n: int
    score: float
    right: float


class Calibration(TypedDict):
    """Of step scores read as probabilities: Brier score, expected calibration error, number of steps, and the bins."""

    brier: float
    error: float
    n: int
    bins: list[Bin]


class Measured(FirstErrorF1):
    """All figures of one verifier on one step set. false_flags: of right steps. kinds: errors named, by kind of error."""

    threshold: float
    false_flags: Share
    calibration: Calibration
    kinds: dict[str, Share]


class MeasuredVerifier(Measured):
    """The same with the verifier's kind."""

    kind: str


class MeasuredSet(TypedDict):
    """All verifiers on one step set of n solutions. checkable: share of its wrong steps that write an equality between numbers."""

    n: int
    n_wrong: int
    checkable: float | None
    verifiers: dict[str, MeasuredVerifier]
