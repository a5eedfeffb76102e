"""Records of problems and benchmarks as they travel between functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from mathrl.core.provenance import Provenance

if TYPE_CHECKING:
    from typing_extensions import ReadOnly


class Read(TypedDict):
    """Problem and gold of a published row; without a gold, `left_out` says why."""

    problem: str | None
    answer: str | None
    left_out: str | None


class Paths(TypedDict, total=False):
    """Where a layout reads its values (`layouts.FIELDS`), by what a pin maps."""

    problem: str
    answer: str
    source: str
    domain: str
    difficulty: str
    solve_rate: str
    id: str
    body: str
    choices: str


class Item(TypedDict):
    """A row of `resources/benchmarks/*.jsonl`: a problem with one canonical gold.

    id: unique in its benchmark. answer: the gold. domain: one or several. difficulty: 1 easy – 5 hard.
    prefix: what its responses begin with already.
    """

    id: str
    problem: str
    answer: str
    domain: NotRequired[list[str] | str | None]
    difficulty: NotRequired[int | None]
    prefix: NotRequired[ReadOnly[str]]


class Sample(TypedDict):
    """A row of `samples/{benchmark}.jsonl.zst`: one response to an item.

    id: of the item. sample: −1 is the greedy response. finish_reason: `stop` or `length`. tokens: of the response.
    """

    id: str
    sample: int
    response: str
    finish_reason: NotRequired[str]
    tokens: NotRequired[int]


class Problem(TypedDict):
    """A row of `results/data/problems.parquet`. solve_rate: 0–1. difficulty: 1 easy – 5 hard. duplicate_group: of near copies."""

    id: str
    problem: str
    answer: str
    source: NotRequired[str | None]
    domain: NotRequired[list[str] | None]
    solve_rate: NotRequired[float | None]
    difficulty: NotRequired[int | None]
    duplicate_group: NotRequired[str]


class DataSummary(TypedDict):
    """`data.json` of a stage. counts: rows by what became of them. settings: of the command line. sha256: of both files.

    own_bands: cut-offs of the bands of own solve rates, and problems in each.
    """

    schema_version: int
    counts: dict[str, int]
    settings: dict[str, object]
    sha256: dict[str, str]
    provenance: Provenance
    own_bands: NotRequired[OwnBands]


class OwnBands(TypedDict):
    """Cut-offs of the bands of own solve rates (0–1), and how many problems are in each."""

    cutoffs: list[float]
    problems: dict[str, int]


class FunnelStep(TypedDict):
    """Rows before and after a step of cleaning."""

    step: str
    rows_in: int
    rows_out: int


class CleaningSettings(TypedDict):
    """The keys of `clean_problems.py`. max_quarantine, max_dropped: shares, 0–1. sources: those that are kept, None for all."""

    max_quarantine: float
    max_dropped: float
    verifiable: bool
    duplicates: str
    near_similarity: float
    english_only: bool
    sources: list[str] | None
    difficulty_bands: list[float] | str


class Bands(TypedDict):
    """Difficulty bands: cut-offs of the solve rate (0–1), rows in each, and rows outside."""

    cuts: list[float]
    rows: dict[str, int]
    outside: int


class CleaningSummary(TypedDict):
    """`results/data/funnel.json`. dropped: rows by step and reason. quarantine, sources: rows by reason and by source.

    near_with_other_golds: rows that stay though a nearly equal one has another gold, because they are different problems.
    """

    schema_version: int
    steps: list[FunnelStep]
    dropped: NotRequired[dict[str, dict[str, int]]]
    quarantine: dict[str, int]
    difficulty: Bands
    sources: dict[str, int]
    duplicate_groups: int
    near_with_other_golds: int
    settings: CleaningSettings
    provenance: Provenance


class GeneratedItem(Item):
    """A problem that a generator made."""

    generator: str
    source: str


class Lock(TypedDict, total=False):
    """`pins.lock/*.json`: what a first download brought. pin: what was asked for. sha256: by file. Older ones lack keys."""

    schema_version: int
    name: str
    pin: object
    origin: str
    rows: int | None
    sha256: dict[str, str]


class ExtraInfo(TypedDict, total=False):
    """`extra_info` of a row in verl's columns, as `verl_rows` writes it; given rows may lack any key. Rates: 0–1."""

    index: int
    original_problem: str
    prompt: Any  # a given row's own: text, or messages
    domain: list[str] | None
    llama8b_solve_rate: float | None
    id: str
    source: str
    difficulty: int | None
