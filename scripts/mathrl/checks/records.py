"""Records of the checks: of a machine, and of the grader's accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, TypedDict


class Host(TypedDict):
    """What a check runs on. memory_gib: of the GPU, 0 on a CPU."""

    device: str
    memory_gib: float


class Figures(TypedDict):
    """Figures of a short training and sampling. mfu: model FLOPs utilisation, 0–1. probability_gap: between trainer and engine."""

    steps: int
    seconds_per_step: float
    train_tokens_per_second: float | None
    peak_memory_gib: float | None
    mfu: float | None
    probability_gap_mean: float | None
    probability_gap_max: float | None
    samples: int
    sampling_tokens_per_second: int


class Checked(Host, Figures):
    """Both, and the type of the numbers."""

    dtype: str


class Trained(TypedDict):
    """What the steps of a short training cost, by ours or by verl's own trainer.

    seconds and tokens (prompts and responses): medians over the steps but the first. response_tokens: their mean. mfu_update: model FLOPs
    utilisation of the update, 0–1, by verl's formula; mfu_step: the same FLOPs over the whole step. shares: of a step, by phase, 0–1.
    memory_gib: most in use by phase. gap: between the probabilities of trainer and engine; correlation: of the two, the least of a step.
    """

    steps: int
    start_seconds: float
    seconds_per_step: float
    steps_per_hour: float
    tokens_per_second: float
    response_tokens: float
    mfu_update: float | None
    mfu_step: float | None
    shares: dict[str, float]
    memory_gib: dict[str, float]
    gap_mean: float | None
    gap_max: float | None
    correlation: float | None


class HostFound(Host):
    """The same with its driver, the slowest link between its GPUs, the commit of this workflow and what is installed."""

    driver: NotRequired[str]
    link: NotRequired[str | None]
    commit: str | None
    versions: Mapping[str, str | None]


class Weights(TypedDict):
    """Of a model. parameters: their number."""

    parameters: int


class Ours(Trained):
    """The same of our trainer. reward_seconds: of all samples of a step, one after the other; reward_share: of the step, 0–1.

    table_gib: what the memory table expects, by phase. stage: its sizes.
    """

    reward_seconds: float
    reward_share: float
    table_gib: dict[str, float]
    stage: dict[str, int | str]


class Sampled(TypedDict):
    """Responses that the engine made alone: their number, its speed, its seconds and those with export and start."""

    samples: int
    tokens_per_second: int
    engine_seconds: float
    with_export_and_start: float


class Killed(TypedDict):
    """A training that was killed after a step."""

    killed_after: int


class Resumed(TypedDict):
    """A training that was killed after a step and went on to its last."""

    killed_after: int
    steps: int
    seconds_of_the_second_start: float


Result = HostFound | Weights | Trained | Ours | Sampled | Killed | Resumed


class Part(TypedDict):
    """A part of `make gpu-check` that ended. result: its figures; without one, `failed` says why. seconds: that it took."""

    part: str
    seconds: float
    result: Result | None
    failed: str | None


class Accuracy(TypedDict):
    """A judge against labels: accuracy and rates (0–1), errors, statuses, milliseconds per answer (mean, p50, p99, max)."""

    accuracy: float
    false_accepts: int
    false_accept_rate: float
    false_rejects: int
    false_reject_rate: float
    statuses: dict[str, int]
    milliseconds: dict[str, float]


class BothJudges(TypedDict):
    """Ours and Math-Verify on the same rows."""

    rows: int
    ours: Accuracy
    math_verify: Accuracy


class LabelledError(TypedDict):
    """A row of a labelled set that ours gets wrong."""

    line: int
    gold: str
    extracted: str
    label: bool
    ours: bool
    math_verify: bool
    kept: bool


class AccuracyOnSet(BothJudges):
    """Ours and Math-Verify on one labelled set, and on the rows of it that are kept, where some are not."""

    kept: BothJudges | None
    errors: list[LabelledError]
    false_accepts_of_ours_alone: list[LabelledError]


class Refused(TypedDict):
    """A labelled answer that a rule of the grader changes."""

    set: str
    line: int
    gold: str
    extracted: NotRequired[str]
    label: NotRequired[bool]


class WrongCase(TypedDict):
    """A case on which our verdict is not the right one."""

    kind: str
    response: str
    gold: str
    right: bool
    status: str


class Cases(TypedDict):
    """Our verdicts on a file of cases. kinds: right verdicts and cases, by kind."""

    rows: int
    accuracy: float
    false_accepts: int
    kinds: dict[str, list[int]]
    wrong: list[WrongCase]


class Fault(TypedDict):
    """A response that earned a reward which it should not."""

    response: str
    answer: str
    problem: str


class Attacked(TypedDict):
    """What a strategy against the grader earned: problems tried, earned, standing; rate of those earned, 0–1."""

    why: str
    tried: int
    earned: int
    standing: int
    rate: float
    examples: list[Fault]
