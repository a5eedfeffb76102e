"""Training and validation rows in verl's columns, exactly as the finalist's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mathrl.data.records import Item

if TYPE_CHECKING:
    import polars as pl

ABILITY = "math"


def dev_groups(groups: pl.Series, size: int) -> list[str]:
    """Duplicate groups to hold out: as many as have at least `size` rows together (fewer rows if there are no more).

    Groups are chosen by the hash of their name: the order of rows has no say, near-duplicates are on one side, and a row that is
    added changes at most the last group chosen.
    """
    import polars as pl

    counts = groups.value_counts(name="rows")
    ranks = [hashlib.sha256(f"dev {name}".encode()).digest()[:16] for name in counts[groups.name]]
    counts = counts.with_columns(rank=pl.Series(ranks, dtype=pl.Binary)).sort("rank")
    before = counts["rows"].cum_sum() - counts["rows"]
    return counts.filter(before < size)[groups.name].to_list()


def verl_rows(problems: pl.DataFrame, data_source: pl.Expr, prefix: str, index: pl.Series) -> pl.DataFrame:
    """verl's columns from problems. `prefix` is instruction and separator, put before the problem byte for byte; `index` numbers
    the rows of the file."""
    import polars as pl

    content = pl.concat_str(pl.lit(prefix), pl.col("problem"))
    return problems.with_columns(index=index).select(
        data_source.cast(pl.String).alias("data_source"),
        pl.concat_list(pl.struct(pl.lit("user").alias("role"), content.alias("content"))).alias("prompt"),
        pl.lit(ABILITY).alias("ability"),
        pl.struct(pl.lit("rule").alias("style"), pl.col("answer").alias("ground_truth")).alias("reward_model"),
        pl.struct(
            pl.col("index").cast(pl.Int64),
            pl.col("problem").alias("original_problem"),
            pl.col("domain"),
            pl.col("solve_rate").alias("llama8b_solve_rate"),
            pl.col("id"),
            pl.col("source"),
            pl.col("difficulty").cast(pl.Int64),
        ).alias("extra_info"),
    )


def benchmark_frame(items: Sequence[Item]) -> pl.DataFrame:
    """Benchmark items in the columns of problems, so that validation rows have the shape of training rows."""
    import polars as pl

    return pl.DataFrame(
        {
            "id": [item["id"] for item in items],
            "problem": [item["problem"] for item in items],
            "answer": [item["answer"] for item in items],
            "source": None,
            "domain": [_list(item.get("domain")) for item in items],
            "solve_rate": None,
            "difficulty": None,
        },
        schema={
            "id": pl.String, "problem": pl.String, "answer": pl.String, "source": pl.String, "domain": pl.List(pl.String),
            "solve_rate": pl.Float64, "difficulty": pl.Int64,
        },
    )  # fmt: skip


def _list(value: Any) -> list[str] | None:
    return None if value is None else [str(v) for v in value] if isinstance(value, list) else [str(value)]
