"""Records of the search for contamination."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from mathrl.core.provenance import Provenance


class Searched(TypedDict):
    """An item as the search reads it; `data.records.Item` is one."""

    id: str
    problem: str


class Match(TypedDict):
    """A row of matches.parquet. score: 0–1. confirmed: the same problem. raw_equal: byte for byte. removed: the row trains nothing."""

    problem_id: str
    benchmark: str
    item_id: str
    method: str
    score: float
    evidence: str
    confirmed: bool
    raw_equal: bool
    removed: bool


class ContaminationRow(TypedDict):
    """A benchmark and a method: items, training rows and items found, their shares (0–1), rows removed, items left in."""

    benchmark: str
    method: str
    items: int
    rows: int
    items_found: int
    share_of_benchmark: float
    share_of_score: float
    rows_removed: int
    items_left: int


class Contamination(TypedDict):
    """contamination.json; settings and provenance come last. Rows are training rows; share_of_score: 0–1."""

    schema_version: int
    rows: int
    rows_matched: int
    rows_removed: int
    rows_left: int
    removed_alone: dict[str, int]
    share_of_score: float
    table: list[ContaminationRow]
    settings: NotRequired[dict[str, object]]
    provenance: NotRequired[Provenance]
