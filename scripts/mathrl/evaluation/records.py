"""Records of sampling and grading as they travel between functions and lie in files."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from mathrl.core.provenance import Provenance
from mathrl.data.records import Sample
from mathrl.statistics.records import Cell, CleanSubset, Mean, PerProblem


class StoredSample(Sample):
    """A line of a store of samples. problem: 12 hex digits of the SHA-256 of the text that was asked."""

    benchmark: str
    problem: str


class StoreContent(TypedDict):
    """What decides the responses of a store, but for each one's own place. model: SHA-256 of its weights.

    protocol: values of `sampling.SAMPLING`. together: how many requests make a batch, where that counts. router: its precision,
    where that is another one than dtype.
    """

    model: str
    protocol: dict[str, str | float | int]
    prompt: dict[str, object] | str
    dtype: str
    batch_invariant: NotRequired[bool]
    together: NotRequired[int]
    router: NotRequired[str]
    versions: dict[str, str]


class Generation(TypedDict):
    """What one job of sampling did: `generation/{shard}.json`.

    stores: by protocol, the folder of the responses. requests: of the shard. made: those that were not there before.
    tokens: of the responses made. dropped: requests whose prompt left no room. seconds: with the engine, its start left out.
    """

    stores: dict[str, str]
    requests: int
    made: int
    tokens: int
    dropped: NotRequired[int]
    model_sha256: str
    seconds: float


class EngineSettings(TypedDict):
    """vLLM's engine arguments, by its names. max_model_len, max_num_batched_tokens: tokens. gpu_memory_utilization: share, 0–1."""

    model: str
    dtype: str
    max_num_seqs: int
    max_model_len: int
    seed: int
    enable_prefix_caching: bool
    disable_log_stats: bool
    enforce_eager: NotRequired[bool]
    enable_chunked_prefill: NotRequired[bool]
    max_num_batched_tokens: NotRequired[int]
    gpu_memory_utilization: NotRequired[float]
    moe_backend: NotRequired[str]


class BreakdownCell(Cell):
    """pass@1 of the problems of one domain, difficulty, kind of answer or length."""

    cell: str


class LengthSplit(TypedDict):
    """Response length of right or of wrong samples: how many, mean in tokens, counts between the edges."""

    n: int
    mean: float | None
    histogram: list[int]


class Lengths(TypedDict):
    """Response length in tokens over common bins; `edges` are their limits."""

    edges: list[int]
    right: LengthSplit
    wrong: LengthSplit


class FirstWrong(TypedDict):
    """Where the first wrong equality of a benchmark's responses stands."""

    id: str
    sample: int
    equality: str


class Correlation(TypedDict):
    """Pearson's correlation over n samples; None where one side is always the same."""

    value: float | None
    n: int


class Verified(TypedDict):
    """What one verifier says of a benchmark's samples (`evaluation.verified`).

    first_wrong_step: samples by the number of their first wrong step, or `none`. disagreement: of an ensemble's members, 0–1.
    """

    best_of_n: Cell
    weighted_majority: Cell
    best_of_n_minus_majority: Mean
    weighted_majority_minus_majority: Mean
    flawed_but_right: Cell
    steps_right: Cell
    first_wrong_step: dict[str, int]
    correlation: Correlation
    threshold: float
    aggregate: str
    disagreement: NotRequired[float]


class Summary(PerProblem):
    """Metrics, counts and breakdowns of a benchmark's graded problems (`rules/schemas/eval.schema.json`).

    metrics: cells by name. statuses, counts: samples (equalities: how many were written). token_caps: pass@1 by cap in tokens.
    """

    metrics: dict[str, Cell]
    statuses: dict[str, int]
    counts: dict[str, int]
    length: Lengths
    token_caps: dict[str, Cell]
    breakdowns: dict[str, list[BreakdownCell]]


class Evaluation(Summary):
    """An eval JSON, `results/{model}/{protocol}/eval/{benchmark}.json`, but for its name tags and provenance, which scripts add.

    n_problems: with samples, of n_benchmark. n_samples: sampled responses per problem, the least of all.
    grader_protocols: judges that golds name, with their versions. verifiers: by name, those in use.
    """

    schema_version: int
    n_problems: int
    n_benchmark: int
    n_samples: int
    grader: str
    extraction: str
    clean_subset: CleanSubset
    first_wrong_equality: FirstWrong | None
    verifiers: NotRequired[dict[str, Verified]]
    grader_protocols: NotRequired[dict[str, str]]
    model: NotRequired[str]
    protocol: NotRequired[str]
    benchmark: NotRequired[str]
    provenance: NotRequired[Provenance]


class Published(TypedDict):
    """A published result: percent by benchmark, their mean, and where it was published."""

    model: str
    benchmarks: dict[str, float]
    mean: float
    source: str


class BandNote(TypedDict):
    """A score beside the band that was published for it, shares (0–1). source: of the band."""

    benchmark: str
    value: float
    low: float
    high: float
    source: str
    verdict: str


class ScoreRow(TypedDict):
    """A row of the score table.

    kind: of the row (`scores.table`). cells: by benchmark; None where the model has no such metric. source: of a published row,
    and its `number` among them. younger: benchmarks that were published after the model. bands: its scores beside published ones.
    """

    protocol: str
    metric: str
    model: str
    kind: Literal["measured", "checkpoint", "seeds", "published"]
    source: str
    cells: dict[str, Cell | None]
    mean: Cell | None
    younger: list[str]
    bands: list[BandNote]
    number: NotRequired[int]


class Sampled(TypedDict):
    """A model that was sampled in this folder. first: when its first sample was made (UTC; "" if unknown). shown: in the study."""

    model: str
    model_sha256: str
    first: str
    shown: bool


class Place(TypedDict):
    """Where a sample stands. id: of the item."""

    model: str
    protocol: str
    benchmark: str
    id: str
    sample: int


class Asked(TypedDict):
    """A problem, its gold and a response to it."""

    problem: str
    answer: str
    response: str


class StepRow(Place, Asked):
    """A sampled response with its problem, its verdict and the step scores of each verifier."""

    correct: bool
    scores: dict[str, list[float]]


class StepScoreRow(TypedDict):
    """A row of `steps/{verifier}/{benchmark}.jsonl.zst`: one score (0–1) per reasoning step of a sample."""

    id: str
    sample: int
    scores: list[float]


class Said(TypedDict):
    """What our judge extracted from each response to a problem, and its statuses, between semicolons."""

    extracted: str
    status: str


class Difference(Said):
    """A problem that another harness scores otherwise: mean scores (0–1) by both."""

    id: str
    theirs: float
    ours: float
    gold: str


class JudgedAnswer(TypedDict):
    """An answer by its benchmark's item and sample, before judges are compared on it."""

    id: str
    sample: int
    answer: str


class Disagreement(JudgedAnswer):
    """An answer on which judges differ; extracted, statuses: by judge. pattern: `contest=1 ours=0`."""

    pattern: str
    extracted: dict[str, str]
    statuses: dict[str, str]


class AuditedBenchmark(TypedDict):
    """An audit of the grader on a benchmark: samples, those accepted by each judge, patterns of verdicts, and disagreements."""

    samples: int
    accepted: dict[str, int]
    patterns: dict[str, int]
    disagreements: list[Disagreement]
