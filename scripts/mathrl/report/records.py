"""Records of the study report: what pages, charts and tables are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

from mathrl.augmentation.records import AugmentationFunnel, Requested
from mathrl.config.endpoint import Endpoint
from mathrl.config.experiment import Configuration
from mathrl.data.dates import Dates
from mathrl.data.hints import HintCounts, StageSummary
from mathrl.data.records import CleaningSummary
from mathrl.decontamination.records import Contamination, ContaminationRow
from mathrl.evaluation.records import AuditedBenchmark, BreakdownCell, Evaluation, FirstWrong, Sampled, ScoreRow
from mathrl.statistics.records import Calibration, CleanSubset, ComparisonRow, Contrast, Mean
from mathrl.training.records import Manifest

Curve = Sequence[tuple[float, float]]
"""(step, value)."""


class MeanOfSome(TypedDict):
    """Mean of a metric over the benchmarks that have a value of it; `without` are those that have none."""

    mean: Mean | None
    without: list[str]


class VerifierRow(TypedDict):
    """What a verifier chooses among a model's samples, over benchmarks. correlations: of score and correctness, one a benchmark."""

    model: str
    verifier: str
    best_of_n: MeanOfSome
    weighted_majority: MeanOfSome
    best_of_n_minus_majority: Mean | None
    weighted_majority_minus_majority: Mean | None
    flawed_but_right: MeanOfSome
    correlations: list[float | None]


Unit = Literal["tokens", "gpu_hours"]


class Cost(TypedDict):
    """Generated tokens and GPU-hours of training."""

    tokens: float
    gpu_hours: float


class TrainingCost(Cost):
    """The same of several stages, and the runs that they are of."""

    runs: list[str]


class CostRow(TypedDict):
    """A model under the primary protocol: accuracy, tokens and seconds per response (all samples of a problem), accuracy by token cap."""

    model: str
    mean: Mean
    tokens: float
    seconds: float | None
    caps: dict[str, float]
    training: TrainingCost | None


class SweepRow(TypedDict):
    """A group of runs of a sweep: its dev accuracy and its score (0–1), and whether dev chose it."""

    sweep: str
    model: str
    dev: float | None
    score: float | None
    chosen: NotRequired[bool]


class ReferenceCell(Mean):
    """A score with the usual interval beside ours."""

    usual: tuple[float, float]


class ReferenceRow(TypedDict):
    """A model's scores with both intervals."""

    model: str
    cells: list[ReferenceCell]


class SplitRow(TypedDict):
    """Counts of a stage's training files that add up. data: clean, raw or as_given. hints: None where no prompt carries one."""

    name: str
    data: object
    counts: dict[str, int]
    removed: int
    from_dev: int
    outside: int
    hints: HintCounts | None


class ShownCalibration(Calibration):
    """With whether seeds are enough to show the share."""

    shown: bool


class Story(TypedDict):
    """When the endpoint was fixed. late: after the first sample of a trained run, or never."""

    told: str
    sha256: str
    lines: list[str]
    late: bool


class ChangeRow(TypedDict):
    """Problems that a model fixed, broke, solved and missed as base did, on a benchmark of n."""

    model: str
    benchmark: str
    n: int
    counts: dict[str, int]


class Side(TypedDict):
    """A model's response in an example."""

    model: str
    right: bool
    tokens: int
    text: str


class SampleExample(TypedDict):
    """A problem that the last run broke or fixed, with a response of both."""

    benchmark: str
    id: str
    kind: str
    problem: str
    answer: str
    sides: list[Side]


class SampleSet(TypedDict):
    """Samples of a model, protocol and benchmark, packed. path: their file. all: how many; texts: whose text is in the page."""

    model: str
    protocol: str
    benchmark: str
    path: str
    all: int
    texts: int
    index: str
    data: str


class RolloutSet(TypedDict):
    """Kept training rollouts of a run, packed."""

    run: str
    data: str


class PackedSamples(TypedDict):
    """What the sample browser holds (`samples.gather_samples`); texts are packed."""

    problems: dict[str, str]
    sets: list[SampleSet]
    examples: list[SampleExample]
    formulas: str
    pattern: str
    rollouts: NotRequired[list[RolloutSet]]


class Blob(TypedDict):
    """Packed data of the page, and the tags by which its script finds them."""

    kind: str
    tags: dict[str, str]
    data: str


class AugmentationEntry(TypedDict):
    """Funnel and costs of an entry of augmentation."""

    funnel: AugmentationFunnel
    costs: Requested | None


class StageProgress(TypedDict):
    """How far a training is. pace: seconds per step. hours: left. forecast: hours of the whole stage. due: UTC."""

    state: str
    done: int
    steps: int | None
    pace: float | None
    hours: float | None
    due: str | None
    forecast: float | None


class ProgressRow(StageProgress):
    """The same with its run and stage."""

    run: str
    stage: str


StageMark = TypedDict("StageMark", {"stage": str, "from": int, "to": int, "chosen": int | None})
"""A stage among the steps of its run, and its exported step."""


class FlagText(TypedDict):
    """A flag of the monitor in words, at a step of the run."""

    step: int
    text: str


class Curves(TypedDict, total=False):
    """Curves of training by name, of validation by data source and quantity, reward terms and grader's verdicts by tag."""

    train: dict[str, Curve]
    validation: Mapping[str, Mapping[str, Curve]]
    parts: dict[str, Curve]
    statuses: dict[str, Curve]


class RunCurves(TypedDict):
    """A run's stages joined, steps added up (`figures.run_curves`)."""

    curves: Curves
    stages: list[StageMark]
    missing: list[dict[str, str]]
    manifests: list[Manifest]
    flags: list[FlagText]
    monitored: bool


class EvaluatedCheckpoint(TypedDict):
    """A checkpoint along a run's training, evaluated; step: of the run."""

    model: str
    run: str
    step: int


class CleanRow(TypedDict):
    """A model's contaminated and clean items by benchmark."""

    model: str
    parts: dict[str, CleanSubset]
    any: bool


class ToldContrast(Contrast):
    """A model's contrast against base, and what it says."""

    model: str
    told: str


class CleanPart(TypedDict):
    """What contamination bought; any: whether any item is contaminated."""

    rows: list[CleanRow]
    contrasts: list[ToldContrast]
    any: bool


class StudyData(TypedDict):
    """Funnel, contamination and data.json of each stage; None where missing."""

    funnel: CleaningSummary | None
    contamination: Contamination | None
    splits: dict[str, StageSummary]


class Audit(TypedDict):
    """audit.json: by benchmark."""

    benchmarks: dict[str, AuditedBenchmark]


class AuditRow(TypedDict):
    """A benchmark of the audit as the page shows it."""

    benchmark: str
    samples: int
    accepted: dict[str, int]
    patterns: str
    listed: list[dict[str, str]]
    columns: list[str]


class StatusRow(TypedDict):
    """Grader statuses and counts of a model and protocol, summed over benchmarks."""

    model: str
    protocol: str
    statuses: dict[str, int]
    counts: dict[str, int]


class ManifestRow(TypedDict):
    """What the provenance tells of a stage; None where its manifest does not say."""

    run: str | None
    stage: str | None
    steps: int | None
    chosen_step: int | None
    chosen_why: str | None
    fingerprint: str | None
    gpu_hours: float | None
    tokens: int | None
    generated_tokens: int | None
    seconds: float | None


class StudyProvenance(TypedDict):
    """Commits, images, versions by package, hashes of inputs by name, and stages."""

    commits: list[str]
    images: list[str]
    versions: dict[str, str]
    inputs: list[tuple[str, str]]
    manifests: list[ManifestRow]


class MatchedPair(TypedDict):
    """A benchmark item and a training problem; left, right: texts in pieces, and which pieces they share."""

    benchmark: str
    item_id: str
    problem_id: str
    method: list[str]
    score: float
    removed: bool
    left: list[tuple[str, bool]]
    right: list[tuple[str, bool]]
    preview: NotRequired[str]


class Pairs(TypedDict):
    """Matched pairs that are shown, and how many there are by kind."""

    shown: list[MatchedPair]
    total: dict[str, int]


class MethodScore(TypedDict):
    """A method that matched a pair, and its score (0–1)."""

    method: str
    score: float


class PairOfMethods(TypedDict):
    """A pair of the page of matches, with all methods that found it."""

    benchmark: str
    item_id: str
    problem_id: str
    method: list[MethodScore]
    removed: bool


class ShownComparison(ComparisonRow):
    """A comparison with the mean training cost of its runs, in words."""

    tokens: str
    gpu_hours: str


class LeakRow(TypedDict):
    """A benchmark of the contamination table. total: items. found: by method."""

    benchmark: str
    total: int
    found: dict[str, ContaminationRow]


Counted = Literal["items", "items_found", "rows", "rows_removed", "items_left"]
"""Columns of the contamination table that count."""


class Leaks(TypedDict):
    """The contamination table with a row per benchmark."""

    methods: list[str]
    rows: list[LeakRow]


class HeatCell(BreakdownCell):
    """A cell of a breakdown with its shade, 0–9."""

    shade: int


class HeatRow(TypedDict):
    """A cell of a breakdown for every model; n: problems."""

    cell: str
    n: int
    values: list[HeatCell | None]


class Heat(TypedDict):
    """A breakdown of a benchmark."""

    benchmark: str
    label: str
    models: list[str]
    rows: list[HeatRow]


class BehaviourRow(TypedDict):
    """How a model answers under a protocol: means of shares, of equalities, and tokens per response."""

    model: str
    protocol: str
    shares: list[MeanOfSome]
    equalities: list[MeanOfSome]
    tokens: str


class ShownFirstWrong(FirstWrong):
    """The first wrong equality, and whose it is."""

    model: str
    benchmark: str


class Study(TypedDict):
    """All numbers and texts of the report as plain values (`content.gather`); nothing is escaped yet."""

    config: Configuration
    dates: Dates
    models: list[str]
    groups: dict[str, list[str]]
    checkpoints: list[EvaluatedCheckpoint]
    benchmarks: list[str]
    protocols: list[str]
    primary: str
    evals: dict[tuple[str, str, str], Evaluation]
    rows: list[ScoreRow]
    runs: dict[str, RunCurves]
    endpoint: Endpoint
    clean: CleanPart
    data: StudyData
    audit: Audit | None
    augmentation: list[AugmentationEntry]
    counts: list[StatusRow]
    provenance: StudyProvenance
    missing: list[dict[str, str]]
    progress: list[ProgressRow]
    evaluated: list[Sampled]
    comparisons: list[ComparisonRow]
    claim: str
    notes: list[str]
    story: Story
    training: dict[str, list[Manifest]]
    costs: list[CostRow]
    calibration: ShownCalibration | None
    pairs: NotRequired[Pairs | None]
    samples: NotRequired[PackedSamples]
