"""Records of augmentation: what is asked about, what was proposed, and what it cost."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from mathrl.data.records import Problem
from mathrl.models.records import Spent

Unit = Literal["requests", "tokens", "money"]


class Asked(TypedDict):
    """A problem and its gold, as prompts take them."""

    problem: str
    answer: str


class Source(Problem):
    """A problem that proposals are asked about (`sources.COLUMNS`)."""


class Proposal(TypedDict):
    """A row of the table of proposals. source_id: the problem that it comes from. request_sha256: key of its answer.

    votes, solutions: solver's answers that agree, of how many. door, why: which door stopped it; None: none yet.
    """

    id: str
    problem: str
    answer: str
    solution: str | None
    source_id: str
    entry: str
    kind: str
    model: str
    served_by: str
    prompt_sha256: str
    request_sha256: str
    votes: int | None
    solutions: int | None
    door: str | None
    why: str | None


class Example(TypedDict):
    """A proposal as the study report shows it, texts cut, beside its source."""

    problem: str | None
    answer: str | None
    solution: str | None
    source_id: str
    why: str | None
    votes: int | None
    solutions: int | None
    request_sha256: str
    source: str
    solve_rate: NotRequired[float | None]


class Door(TypedDict):
    """Proposals before and after a door, reasons and examples."""

    door: str
    rows_in: int
    rows_out: int
    reasons: dict[str, int]
    examples: list[Example]


class MeanOf(TypedDict):
    """A mean of n values in 0–1 with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int


class Diversity(TypedDict):
    """Distinct n-grams over all n-grams, by n, of proposals and of sources; distance: 1 − cosine to the source."""

    n: int
    distinct: dict[str, dict[str, float | None]]
    distance: MeanOf | None


class Difficulty(TypedDict):
    """The base model's solve rate on the sources and on what came of them."""

    before: MeanOf | None
    after: MeanOf | None


class AugmentationFunnel(TypedDict):
    """An entry's funnel.json without its provenance. rows: that passed every door. sources: that they come from.

    not_searched: methods of decontamination that need a model which is not there.
    """

    schema_version: int
    entry: str
    kind: str
    model: str
    doors: list[Door]
    rows: int
    sources: int
    samples: list[Example]
    diversity: Diversity
    difficulty: Difficulty | None
    not_searched: list[str]


class BudgetLimits(TypedDict):
    """Limits of requests, tokens and money; None: no limit."""

    requests: int | None
    tokens: int | None
    money: float | None


class Requested(TypedDict):
    """What was asked for an entry and what it cost. in_doubt: requests without an outcome. failures: by reason."""

    entry: str
    sources: int
    requests: int
    answered: int
    new_answers: int
    in_doubt: int
    not_asked: int
    given_up: int
    retries: int
    failures: dict[str, int]
    spent: Spent
    budget: BudgetLimits
    prices: dict[str, float]


class Forecast(TypedDict):
    """What an entry will cost, as expected and at most. ends_it: limits of the budget that the expected cost exceeds."""

    entry: str
    kind: str
    sources: int
    expected: Spent
    most: Spent
    budget: BudgetLimits
    prices: dict[str, float]
    ends_it: list[str]
