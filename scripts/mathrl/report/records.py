"""Records of the study report: what pages, charts and tables are made from."""

from __future__ import annotations

from typing import TypedDict

from mathrl.statistics.records import Mean


class MeanOfSome(TypedDict):
    """Mean of a metric over the benchmarks that have a value of it; `without` are those that have none."""

    mean: Mean | None
    without: list[str]
