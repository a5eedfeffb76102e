"""The base model's own solve rates: which problems are asked, and what its responses say of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mathrl.core import parquet
from mathrl.core.files import UserError, write_jsonl
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.records import Sample

if TYPE_CHECKING:
    import polars as pl

NAME = "solve_rates"  # the chosen problems play a benchmark of this name when they are sampled
COLUMNS = ("id", "solve_rate", "n")


def choose_problems(problems: Path, wanted: int | None, out: Path) -> int:
    """Write `wanted` problems (None: all) as a benchmark file: those with the lowest hash of their id, so that the choice does not
    depend on the order of the rows and a larger sample contains the smaller; returns how many."""

    rows = parquet.read(problems, columns=["id", "problem", "answer"]).to_dicts()
    rows.sort(key=lambda row: hashlib.sha256(row["id"].encode()).digest())
    return write_jsonl(out, rows[:wanted])


def measure(rows: Sequence[Sample], asked: Path, workers: int) -> pl.DataFrame:
    """Share of right responses of each chosen problem: columns `id`, `solve_rate` (0–1), `n` (responses).

    `rows`: samples, with `id` and `response`.
    """
    import polars as pl

    from mathrl.grading import grade_many

    asked_problems = read_benchmark(asked)
    questions = [(row["response"], (item := asked_problems[row["id"]])["answer"], item["problem"]) for row in rows]
    grades = grade_many(questions, workers=workers)
    right = pl.DataFrame({"id": [row["id"] for row in rows], "right": [float(grade.correct) for grade in grades]})
    return right.group_by("id").agg(solve_rate=pl.col("right").mean(), n=pl.len().cast(pl.Int32)).sort("id")


def read(path: Path) -> pl.DataFrame:
    """Solve rates as `measure` writes them.

    Raises:
        UserError: a needed column is missing.
    """

    from mathrl.core.parquet import schema_of

    schema_of(path, COLUMNS)
    rates = parquet.read(path, columns=list(COLUMNS))
    if not len(rates):
        raise UserError(f"{path}: holds no measured problem; raise data.own_solve_rates.problems")
    return rates
