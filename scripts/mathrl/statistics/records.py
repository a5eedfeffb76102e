"""Records that statistics read and write: cells of tables, the columns of an eval JSON behind them, comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict, TypeGuard

if TYPE_CHECKING:
    from typing_extensions import ReadOnly

Column = Literal["correct", "strict", "lenient", "boxed", "majority", "greedy"]
"""A column of `Columns` that holds scores."""


class Cell(TypedDict):
    """A metric with its 95 % interval: a share (0–1), or tokens. `value` is None where nothing can be counted.

    value, low, high: the limits are None where there is no interval (a quoted score).
    n: problems; in a row over seeds too. None for a quoted score.
    se: the usual clustered standard error; the score table alone has it.
    """

    value: ReadOnly[float | None]
    low: ReadOnly[float | None]
    high: ReadOnly[float | None]
    n: ReadOnly[int | None]
    se: NotRequired[ReadOnly[float | None]]


class Mean(TypedDict):
    """A mean of shares (0–1) with its 95 % interval. n: what it is a mean of, problems or seeds."""

    value: float
    low: float
    high: float
    n: int
    se: NotRequired[float | None]


class Effect(Mean):
    """A difference of shares (−1 to 1) with its 95 % interval.

    smallest: the true difference that such an experiment shows with a probability of 80 %.
    n: problems, or runs of a comparison over seeds.
    """

    smallest: float


def measured(cell: Cell | None) -> TypeGuard[Mean]:
    """Whether a cell of a share has a value; then it has an interval and n too."""
    return cell is not None and cell["value"] is not None


class Columns(TypedDict):
    """`per_problem` of an eval JSON: lists with one entry per problem, in the benchmark's order.

    id: of the item. n: sampled responses. correct, strict, lenient, boxed: how many of them.
    majority: maj@n of the problem (0–1), None without samples. greedy: 1, 0, or None without a greedy response.
    verdicts: a letter per sample (`evaluation.metrics.STATUS_LETTERS`).
    contaminated: methods by which a training row matched the item, between blanks.
    """

    id: list[str]
    n: list[int]
    correct: list[int]
    strict: list[int]
    lenient: list[int]
    boxed: list[int]
    majority: list[float | None]
    greedy: list[int | None]
    verdicts: list[str]
    contaminated: list[str]


class CleanSubset(TypedDict):
    """pass@1 of the contaminated and the clean items of a benchmark.

    available: false where the samples were graded without a table of matches; then `why` says so and the rest is missing.
    removing: methods whose matches remove training rows. flagged: items that other methods alone matched.
    contaminated_minus_clean: only where both have items.
    """

    available: bool
    why: NotRequired[str]
    removing: NotRequired[list[str]]
    contaminated: NotRequired[Cell]
    clean: NotRequired[Cell]
    flagged: NotRequired[Cell]
    by_method: NotRequired[dict[str, Cell]]
    contaminated_minus_clean: NotRequired[Cell]


class PerProblem(TypedDict):
    """The columns of an eval JSON."""

    per_problem: Columns


class Scored(PerProblem):
    """What statistics read of an eval JSON."""

    clean_subset: CleanSubset


class Comparison(TypedDict):
    """Two models on the same problems.

    benchmarks: the effect on each. mean: over them. p: only over seeds. level: what is random, `problems` or `seeds` too.
    anatomy: each benchmark's share (0–1) of the variance of the mean.
    """

    benchmarks: dict[str, Effect]
    mean: Effect
    anatomy: dict[str, float]
    level: str
    p: float | None


class EffectParts(TypedDict):
    """An effect in two parts that add up to it: right answers, and the box around them.

    score: our mean (0–1); unsolved_before: its part on problems that the other model solved in none of at least `k` samples.
    """

    answers: Effect
    format: Effect
    unsolved_before: float
    score: float
    k: int


class NetEffect(Effect):
    """An effect less that of the control arm that gained most: its model, its kind of reward, and what is random."""

    model: str
    kind: str
    level: NotRequired[str]


class ComparisonRow(Comparison):
    """A row of the table of comparisons: a run, or the replicates of one, against a reference.

    model, against: as the table calls them. runs, against_runs: names of the runs on each side.
    control: kind of the reward where it is a control arm. parts, net: of rows against the base model.
    weighted: the mean with `weights` per benchmark, where the endpoint asks for it. p_adjusted: by Holm.
    """

    model: str
    runs: list[str]
    against: str
    against_runs: list[str]
    control: str | None
    parts: NotRequired[EffectParts | None]
    weighted: Effect | None
    weights: NotRequired[dict[str, float]]
    net: NetEffect | None
    p_adjusted: float | None


class ArmClaim(TypedDict):
    """What may be said of an arm, in words."""

    claimed: bool
    told: str


class Came(TypedDict):
    """An expectation (`config.evaluation.Expected`) and what came. found: the effect, None where it was not measured."""

    run: str
    over: str
    effect: Literal["gain", "none", "loss"]
    metric: str
    found: Effect | None
    verdict: str


class Contrast(TypedDict):
    """Gains on contaminated and on clean items, their difference, and the same at equal solve rates of the base model."""

    contaminated: Effect
    clean: Effect
    contrast: Effect
    adjusted: Effect | None
    benchmarks: list[str]


class Calibration(TypedDict):
    """How often groups of runs that differ in their seed alone are claimed to differ.

    seeds: runs. group: seeds per side. pairs: comparisons. share: of them with p < 0.05, with its 95 % interval low, high.
    one_seed: share of the `one_seed_pairs` pairs of single runs whose interval over problems excludes 0.
    """

    seeds: int
    group: int
    pairs: int
    share: float
    low: float
    high: float
    one_seed: float
    one_seed_pairs: int
