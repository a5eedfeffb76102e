"""The row contract of training problems, and the filters on the way to it.

A downloaded dataset becomes rows of `id, problem, answer, source, domain, solve_rate, difficulty, duplicate_group`. What breaks
the contract goes to quarantine with a reason; what a filter drops is counted. Nothing is lost without a number.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathrl.core.files import UserError
from mathrl.core.parquet import row_count, schema_of
from mathrl.data.records import FunnelStep

if TYPE_CHECKING:
    import polars as pl

# What a column may be called in a dataset; the first name that is there is taken.
ALIASES = {
    "problem": ("problem", "prompt", "question"),
    "answer": ("answer", "solution", "final_answer"),
    "source": ("source",),
    "domain": ("domain", "subject"),
    "solve_rate": ("solve_rate", "llama8b_solve_rate"),
    "left_out": ("left_out",),  # why the layout of the data set found no gold
}
REQUIRED = ("problem", "answer")
EXAMPLES = 3  # rows shown for each reason
MAX_PROBLEM = 20_000  # characters; nothing longer fits a prompt, and a 5 MB text is a broken row


@dataclass
class Funnel:
    """Rows in → rows out, step by step, in the order of the steps; why rows were dropped, where a step knows reasons."""

    steps: list[FunnelStep] = field(default_factory=list)
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, step: str, before: int, after: int) -> None:
        """Count rows of a step; a step that comes again (for the next part of the table) is added to."""
        known = next((entry for entry in self.steps if entry["step"] == step), None)
        if known is None:
            self.steps.append({"step": step, "rows_in": before, "rows_out": after})
        else:
            known["rows_in"] += before
            known["rows_out"] += after

    def explain(self, step: str, reasons: pl.Series, rows: pl.Series) -> None:
        """Count why rows were dropped, and keep three examples of each reason. `rows`: what the user can find them by."""
        counts = self.reasons.setdefault(step, {})
        for reason, row in zip(reasons, rows, strict=True):
            counts[reason] = counts.get(reason, 0) + 1
            if counts[reason] <= EXAMPLES:
                self.examples.setdefault((step, reason), []).append(row)

    def refuse(self, path: str | Path, limit: float) -> None:
        """Stop where a step that knows reasons drops more than the share `limit` of its rows; reasons and examples are in the message."""
        for entry in self.steps:
            lost = entry["rows_in"] - entry["rows_out"]
            if entry["step"] not in self.reasons or lost <= limit * entry["rows_in"]:
                continue
            often = sorted(self.reasons[entry["step"]].items(), key=lambda pair: (-pair[1], pair[0]))[:EXAMPLES]
            told = "; ".join(
                f"{reason}: {count} rows, such as {', '.join(self.examples[entry['step'], reason])}" for reason, count in often
            )
            raise UserError(
                f"{path}: the filter {entry['step']} drops {lost} of {entry['rows_in']} rows, over data.max_dropped = {limit:g} "
                f"({told}); map the data set's columns in the table of downloads, or raise data.max_dropped"
            )


def dataset_columns(path: str | Path) -> list[pl.Expr]:
    """Expressions that read a downloaded dataset under our names and types; further columns are left out.

    Raises `UserError` for a file that is no whole parquet file, a missing column (what it has is listed) or an empty table.
    """
    import polars as pl

    names = schema_of(path)
    chosen = {ours: next((name for name in options if name in names), None) for ours, options in ALIASES.items()}
    for ours in REQUIRED:
        if chosen[ours] is None:
            raise UserError(
                f"{path}: lacks a column '{ours}' (or {', '.join(ALIASES[ours][1:])}); it has: {', '.join(names) or 'no column at all'}"
            )
    if not row_count(path):
        raise UserError(f"{path}: holds no rows; fetch it again or correct its pin")
    columns = [pl.col(name) if name else pl.lit(None) for name in chosen.values()]
    return _typed(columns, names, chosen, path)


def _typed(columns: list[pl.Expr], names: dict[str, pl.DataType], chosen: dict[str, str | None], path: str | Path) -> list[pl.Expr]:
    import polars as pl

    result = []
    for (ours, name), column in zip(chosen.items(), columns, strict=True):
        kind = names[name] if name else pl.Null()
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
        elif kind.is_float():  # NaN is no answer, 27.0 is 27
            whole = (column == column.floor()) & (column.abs() < 1e15)
            number = pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.cast(pl.String))
            expression = pl.when(column.is_nan() | column.is_infinite()).then(None).otherwise(number)
        else:
            expression = column.cast(pl.String)
        result.append(expression.alias(ours))
    return result


def split_violations(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split raw rows into those that keep the contract and those that break it, with a `reason` and their `row` number.

    The cell that breaks the contract is cut after 1,000 characters.
    """
    import polars as pl

    blank = lambda name: pl.col(name).fill_null("").str.strip_chars() == ""  # noqa: E731
    broken = pl.col("problem").str.contains("\ufffd|\x00") | pl.col("answer").str.contains("\ufffd|\x00")
    rate = pl.col("solve_rate")
    reason = (
        pl.when(blank("problem")).then(pl.lit("empty problem"))
        .when(blank("answer")).then(pl.lit("empty answer"))
        .when(pl.col("problem").str.len_chars() > MAX_PROBLEM).then(pl.lit(f"problem longer than {MAX_PROBLEM} characters"))
        .when(broken).then(pl.lit("invalid characters"))
        .when(rate.is_nan() | (rate < 0) | (rate > 1)).then(pl.lit("solve rate outside 0–1"))
    )  # fmt: skip
    marked = (frame if "row" in frame.columns else frame.with_row_index("row")).with_columns(reason=reason)
    good = marked.filter(pl.col("reason").is_null()).drop("row", "reason")
    bad = marked.filter(pl.col("reason").is_not_null()).with_columns(pl.col("problem", "answer").str.slice(0, 1000))
    return good.with_columns(pl.col("answer").str.strip_chars()), bad.with_columns(pl.col("row").cast(pl.Int64))


@cache
def schema() -> Any:
    """The contract of problems.parquet as a pandera schema (imported here: it takes a second)."""
    import pandera.polars as pa
    import polars as pl

    text, share = pa.Check.str_contains(r"\S"), pa.Check.in_range(0, 1)
    return pa.DataFrameSchema(
        {
            "id": pa.Column(pl.String, pa.Check.str_matches(r"^[0-9a-f]{16}(-[0-9]+)?$"), unique=True),
            "problem": pa.Column(pl.String, text),
            "answer": pa.Column(pl.String, text),
            "source": pa.Column(pl.String, nullable=True),
            "domain": pa.Column(pl.List(pl.String), nullable=True),
            "solve_rate": pa.Column(pl.Float64, share, nullable=True),
            "difficulty": pa.Column(pl.Int8, pa.Check.in_range(1, 20), nullable=True),
            "duplicate_group": pa.Column(pl.String),
        },
        strict=True,
    )


def validate(problems: pl.DataFrame) -> None:
    """Hold problems against the contract at a door; `UserError` names the column and the check."""
    try:
        schema().validate(problems)
    except Exception as error:
        raise UserError(f"problems break the contract: {' '.join(str(error).split())[:300]}; make problems.parquet again") from None


def problem_id(problem: str) -> str:
    """Stable id of a problem: the first 16 hexadecimal digits of the SHA-256 of its text."""
    return hashlib.sha256(problem.encode()).hexdigest()[:16]


def problem_ids(problems: pl.Series) -> pl.Series:
    """The id of each problem (rows with the same text have the same id)."""
    import polars as pl

    return pl.Series("id", [problem_id(text) for text in problems], dtype=pl.String)


def numbered(ids: pl.Series) -> pl.Series:
    """Make ids unique: the second row with the same text gets `-2` behind its id, and so on."""
    import polars as pl

    again = pl.int_range(pl.len()).over("id") + 1
    name = pl.when(again > 1).then(pl.col("id") + "-" + again.cast(pl.String)).otherwise(pl.col("id"))
    return pl.DataFrame({"id": ids}).select(name.alias("id")).to_series()


def quintiles(solve_rate: pl.Series) -> list[float]:
    """Upstream's cut-offs: the least rate and the quintiles of all rates, interpolated, in falling order.

    So does create_dataset.py in open-r1/Big-Math-RL-Verified-Processed (pandas.qcut); of its bands each holds its upper cut-off
    and not its lower one, so that rows at the least rate are in none.
    """
    known = solve_rate.drop_nulls().filter(solve_rate.drop_nulls().is_between(0, 1))
    return [] if known.is_empty() else [float(known.quantile(share, "linear")) for share in (0.8, 0.6, 0.4, 0.2, 0.0)]


def discrete_cuts(solve_rate: pl.Series, levels: int = 5) -> list[float]:
    """Cut-offs for rates that take few values, where quintiles coincide: each level holds at least one value, sizes as even as they can be.

    Falling; a rate equal to a cut-off is below it, and the hardest level goes down to 0, so that no row is lost.
    """
    known = solve_rate.drop_nulls().filter(solve_rate.drop_nulls().is_between(0, 1))
    values = sorted(known.value_counts().iter_rows(), reverse=True)
    if len(values) == 1:  # one band: the easiest, or the hardest where nothing was ever solved
        return [0.0]
    levels = min(levels, len(values))
    cuts: list[float] = []
    held = 0
    for place, (rate, count) in enumerate(values):
        left = levels - 1 - len(cuts)  # levels after the one that is being filled
        full = held >= (len(cuts) + 1) * len(known) / levels or held + count / 2 > (len(cuts) + 1) * len(known) / levels
        if (place > len(cuts) and left and (full or len(values) - place == left)) or (place and left and len(values) - place == left):
            cuts.append(float(rate))
        held += count
    return cuts


def own_quintiles(solve_rate: pl.Series) -> list[float]:
    """Cut-offs for rates measured with few responses a problem: the quintiles, falling, of those between 0 and 1.

    A weak model never solves most problems; among all rates every quintile would be 0. So `bands` puts what is always solved in the
    easiest band and what is never solved in the hardest. Where rates take few values, cut-offs coincide and a band between is empty.
    """
    between = solve_rate.drop_nulls().filter((solve_rate.drop_nulls() > 0) & (solve_rate.drop_nulls() < 1))
    return [] if between.is_empty() else [float(between.quantile(share, "linear")) for share in (0.8, 0.6, 0.4, 0.2)]


def bands(solve_rate: pl.Series, cuts: list[float], lowest: bool = True) -> pl.Series:
    """Difficulty 1 (easy) and up from solve rates; `cuts` in falling order, a rate equal to one belongs to the harder band.

    A row without a rate has no difficulty; nor has one at or below the last cut-off if not `lowest`.
    """
    import polars as pl

    level = pl.lit(1, dtype=pl.Int8)
    for cut in sorted(cuts, reverse=True):
        level = level + (pl.col("rate") <= cut).cast(pl.Int8)
    unknown = pl.col("rate").is_null() | pl.lit(not cuts)
    if not lowest and cuts:
        unknown = unknown | (pl.col("rate") <= min(cuts))
    frame = pl.DataFrame({"rate": solve_rate}, schema={"rate": pl.Float64})
    return frame.select(difficulty=pl.when(unknown).then(None).otherwise(level).cast(pl.Int8)).to_series()


def english(problems: pl.Series) -> pl.Series:
    """Is a problem written in Latin letters? (Formulas have few others; a Chinese or Russian problem has mostly others.)"""
    import polars as pl

    other = problems.str.count_matches(r"[\p{L}--[\p{Latin}\p{Greek}]]")
    latin = problems.str.count_matches(r"\p{Latin}")
    return pl.DataFrame({"other": other, "latin": latin}).select(pl.col("other") * 4 <= pl.col("latin")).to_series()
