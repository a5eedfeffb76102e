"""The table of contamination: per benchmark and method, training rows, benchmark items, shares, before and after removal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mathrl.decontamination.records import Contamination, ContaminationRow

if TYPE_CHECKING:
    import polars as pl

CSV_COLUMNS = (
    "benchmark", "method", "items", "rows", "items_found", "share_of_benchmark", "share_of_score", "rows_removed", "items_left",
)  # fmt: skip


def contamination_rows(matches: pl.DataFrame, items: Mapping[str, int], methods: tuple[str, ...]) -> list[ContaminationRow]:
    """One entry per benchmark and method, and per benchmark `raw` (byte-equal text, what a plain string comparison finds) and `any`.

    `items` is the number of items of each benchmark. Each benchmark has the same weight in the final score, so the share of the
    score is the share of the benchmark over the number of benchmarks. `items_left` counts items that a match not removed leaves.
    """
    import polars as pl

    removed_rows = matches.filter(pl.col("removed"))["problem_id"].unique()
    table: list[ContaminationRow] = []
    for benchmark, count in items.items():
        of_benchmark = matches.filter(pl.col("benchmark") == benchmark)
        for method in ("raw", *methods, "any"):
            if method == "raw":
                part = of_benchmark.filter(pl.col("raw_equal"))
            elif method == "any":
                part = of_benchmark.filter(pl.col("confirmed"))
            else:
                part = of_benchmark.filter(pl.col("method") == method)
            gone = part.filter(pl.col("problem_id").is_in(removed_rows.implode()))
            left = part.filter(~pl.col("problem_id").is_in(removed_rows.implode()))
            found = part["item_id"].n_unique()
            share = found / count if count else 0.0
            table.append({
                "benchmark": benchmark, "method": method, "items": count, "rows": part["problem_id"].n_unique(), "items_found": found,
                "share_of_benchmark": round(share, 6), "share_of_score": round(share / len(items), 6),
                "rows_removed": gone["problem_id"].n_unique(), "items_left": left["item_id"].n_unique(),
            })  # fmt: skip
    return table


def summarise(matches: pl.DataFrame, items: Mapping[str, int], rows: int, methods: tuple[str, ...]) -> Contamination:
    """The content of contamination.json without its provenance."""
    import polars as pl

    table = contamination_rows(matches, items, methods)
    removed = matches.filter(pl.col("removed"))["problem_id"].n_unique()
    return {
        "schema_version": 1,
        "rows": rows,
        "rows_matched": matches["problem_id"].n_unique(),
        "rows_removed": removed,
        "rows_left": rows - removed,
        "removed_alone": {  # rows that each method would remove if it were the only one
            method: matches.filter((pl.col("method") == method) & pl.col("confirmed"))["problem_id"].n_unique() for method in methods
        },
        "share_of_score": round(sum(entry["share_of_score"] for entry in table if entry["method"] == "any"), 6),
        "table": table,
    }
