"""The row contract of training problems, and the filters on the way to it.

A downloaded dataset becomes rows of `id, problem, answer, source, domain, solve_rate, difficulty, duplicate_group`. What breaks
the contract goes to quarantine with a reason; what a filter drops is counted. Nothing is lost without a number.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .io import UserError

if TYPE_CHECKING:
    import polars as pl

# What a column may be called in a dataset; the first name that is there is taken.
ALIASES = {
    "problem": ("problem", "prompt", "question"),
    "answer": ("answer", "solution", "final_answer"),
    "source": ("source",),
    "domain": ("domain", "subject"),
    "solve_rate": ("solve_rate", "llama8b_solve_rate"),
}
REQUIRED = ("problem", "answer")
PLAIN_ANSWER = r"^-?(\d{1,15}(\.\d{1,15})?|\d{1,9}/[1-9]\d{0,8}|\\[dt]?frac\{\d{1,9}\}\{[1-9]\d{0,8}\})$"
MAX_PROBLEM = 20_000  # characters; nothing longer fits a prompt, and a 5 MB text is a broken row


@dataclass
class Funnel:
    """Rows in → rows out, step by step, in the order of the steps."""

    steps: list[dict[str, Any]] = field(default_factory=list)

    def add(self, step: str, before: int, after: int) -> None:
        self.steps.append({"step": step, "rows_in": before, "rows_out": after})


def read_dataset(path: str | Path) -> pl.DataFrame:
    """Read a downloaded dataset and name its columns ours; further columns are dropped.

    Raises `UserError` for a file that is no whole parquet file, a missing column (what it has is listed) or an empty table.
    """
    import polars as pl

    try:
        names = pl.read_parquet_schema(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:
        raise UserError(f"{path}: is no whole parquet file ({_short(error)}); delete it and fetch it again") from None
    chosen = {ours: next((name for name in options if name in names), None) for ours, options in ALIASES.items()}
    for ours in REQUIRED:
        if chosen[ours] is None:
            raise UserError(
                f"{path}: lacks a column '{ours}' (or {', '.join(ALIASES[ours][1:])}); it has: {', '.join(names) or 'no column at all'}"
            )
    try:
        frame = pl.read_parquet(path, columns=[name for name in chosen.values() if name])
    except Exception as error:
        raise UserError(f"{path}: cannot be read ({_short(error)}); delete it and fetch it again") from None
    if frame.is_empty():
        raise UserError(f"{path}: holds no rows; fetch it again or correct its pin")
    columns = [
        pl.col(name).alias(ours) if name else pl.lit(None).alias(ours) for ours, name in chosen.items()
    ]
    return frame.select(_typed(columns, frame, chosen, path))


def _typed(columns: list[pl.Expr], frame: pl.DataFrame, chosen: dict[str, str | None], path: str | Path) -> list[pl.Expr]:
    import polars as pl

    result = []
    for (ours, name), column in zip(chosen.items(), columns, strict=True):
        kind = frame.schema[name] if name else pl.Null()
        if ours == "domain":
            expression = column if isinstance(kind, pl.List) else pl.concat_list(column.cast(pl.String))
            expression = pl.when(column.is_null()).then(None).otherwise(expression).cast(pl.List(pl.String))
        elif ours == "solve_rate":
            if kind == pl.String:
                expression = column.cast(pl.Float64, strict=False)
            elif kind.is_numeric() or kind == pl.Null:
                expression = column.cast(pl.Float64)
            else:
                raise UserError(f"{path}: column '{name}' holds {kind}, numbers from 0 to 1 are needed")
        elif isinstance(kind, pl.List | pl.Struct | pl.Array | pl.Binary):
            raise UserError(f"{path}: column '{name}' holds {kind}, text is needed")
        else:
            expression = column.cast(pl.String)
        result.append(expression.alias(ours))
    return result


def split_violations(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split raw rows into those that keep the contract and those that break it, with a `reason` and their `row` number."""
    import polars as pl

    blank = lambda name: pl.col(name).fill_null("").str.strip_chars() == ""  # noqa: E731
    reason = (
        pl.when(blank("problem")).then(pl.lit("empty problem"))
        .when(blank("answer")).then(pl.lit("empty answer"))
        .when(pl.col("problem").str.len_chars() > MAX_PROBLEM).then(pl.lit(f"problem longer than {MAX_PROBLEM} characters"))
        .when(pl.col("problem").str.contains("\ufffd|\x00") | pl.col("answer").str.contains("\ufffd|\x00")).then(pl.lit("invalid characters"))
        .when(pl.col("solve_rate").is_nan() | (pl.col("solve_rate") < 0) | (pl.col("solve_rate") > 1)).then(pl.lit("solve rate outside 0–1"))
    )  # fmt: skip
    marked = frame.with_row_index("row").with_columns(reason=reason)
    good = marked.filter(pl.col("reason").is_null()).drop("row", "reason")
    return good.with_columns(pl.col("answer").str.strip_chars()), marked.filter(pl.col("reason").is_not_null())


def problem_id(problem: str) -> str:
    """Stable id of a problem: the first 16 hexadecimal digits of the SHA-256 of its text."""
    return hashlib.sha256(problem.encode()).hexdigest()[:16]


def add_ids(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `id`; the second row with the same text gets `-2` behind it, and so on, so that ids are unique."""
    import polars as pl

    frame = frame.with_columns(id=pl.Series([problem_id(text) for text in frame["problem"]], dtype=pl.String))
    again = pl.int_range(pl.len()).over("id") + 1
    return frame.with_columns(
        id=pl.when(again > 1).then(pl.col("id") + "-" + again.cast(pl.String)).otherwise(pl.col("id"))
    )


def bands(solve_rate: pl.Series, cuts: list[float] | None) -> tuple[pl.Series, list[float]]:
    """Difficulty 1 (easy) to n (hard) from solve rates, and the cut-offs used, in falling order of the solve rate.

    `cuts` are given (n − 1 rates) or None for the quintiles of these rates. A rate equal to a cut-off belongs to the easier band.
    """
    import polars as pl

    if cuts is None:
        known = solve_rate.drop_nulls()
        cuts = [] if known.is_empty() else [known.quantile(share, "nearest") for share in (0.8, 0.6, 0.4, 0.2)]
    level = pl.lit(1, dtype=pl.Int8)
    for cut in sorted(cuts, reverse=True):
        level = level + (pl.col("rate") < cut).cast(pl.Int8)
    frame = pl.DataFrame({"rate": solve_rate})
    return frame.select(pl.when(pl.col("rate").is_null() | pl.lit(not cuts)).then(None).otherwise(level).alias("difficulty")).to_series(), cuts


def verifiable(answers: pl.Series, workers: int) -> pl.Series:
    """Which answers does the grader accept as answers to themselves?

    Each distinct answer is asked once, plain numbers and fractions (which it always accepts) never; `workers` processes.
    """
    import polars as pl

    distinct = answers.unique(maintain_order=True)
    asked = distinct.filter(~distinct.str.contains(PLAIN_ANSWER)).to_list()
    parts = [asked[place : place + 500] for place in range(0, len(asked), 500)]
    if len(parts) > 1 and workers > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            verdicts = [verdict for part in pool.map(_equal_to_themselves, parts) for verdict in part]
    else:
        verdicts = [verdict for part in parts for verdict in _equal_to_themselves(part)]
    refused = [answer for answer, verdict in zip(asked, verdicts, strict=True) if not verdict]
    return ~answers.is_in(refused)


def _equal_to_themselves(answers: list[str]) -> list[bool]:
    from .grading import equivalent

    return [bool(equivalent(answer, answer)) for answer in answers]


def english(problems: pl.Series) -> pl.Series:
    """Is a problem written in Latin letters? (Formulas have few others; a Chinese or Russian problem has mostly others.)"""
    import polars as pl

    other = problems.str.count_matches(r"[\p{L}--[\p{Latin}\p{Greek}]]")
    latin = problems.str.count_matches(r"\p{Latin}")
    return pl.DataFrame({"other": other, "latin": latin}).select(pl.col("other") * 4 <= pl.col("latin")).to_series()


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
