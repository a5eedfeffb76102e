"""Rows that a stage trains on besides the problems: those of an external model, or, as their control, as many repeated problems."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mathrl.core import parquet
from mathrl.core.files import UserError
from mathrl.core.parquet import schema_of

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ["id", "problem", "answer", "source", "domain", "solve_rate", "difficulty"]


def of(args: argparse.Namespace, training: pl.Series) -> dict[str, pl.DataFrame]:
    """The rows of `--augmented`, and the source problems of the rows of `--repeated`, in the columns of problems.

    A row comes in only where its source is trained on (`training`: ids). So what was removed, held out or left out by the stage's
    selection has no sibling in training. The control has a row for each row that `--augmented` would add.

    Raises:
        UserError: no row is added, or an added row has the id of another.
    """
    import polars as pl

    found: dict[str, pl.DataFrame] = {}
    if args.augmented:
        rows = _beside(args.augmented, training).select(COLUMNS)
        twice = rows["id"].filter(rows["id"].is_duplicated() | rows["id"].is_in(training.implode()))
        if len(twice):
            raise UserError(f"{args.augmented[0]}: the problem '{twice[0]}' is there twice; entries with the same sources propose it both")
        found["augmented"] = rows
    if args.repeated:
        wanted = _beside(args.repeated, training).select(id="source_id")
        problems = pl.scan_parquet(args.problems).filter(pl.col("id").is_in(wanted["id"].implode())).select(COLUMNS).collect()
        found["repeated"] = wanted.join(problems, on="id", how="left", maintain_order="left")
    for what, frame in found.items():
        if not len(frame):
            file = getattr(args, what)[0]
            raise UserError(f"--{what} {file}: adds no row; none passed the doors, or the stage selects none of their sources")
    return found


def _beside(paths: list[Path], training: pl.Series) -> pl.DataFrame:
    import polars as pl

    for path in paths:
        schema_of(path, (*COLUMNS, "source_id"))
    rows = pl.concat([parquet.read(path, columns=[*COLUMNS, "source_id"]) for path in paths])
    return rows.filter(pl.col("source_id").is_in(training.implode()))


def inputs(args: argparse.Namespace) -> dict[str, Path]:
    """The files by what they are, for the provenance."""
    return {f"{what}_{path.parent.name}": path for what in ("augmented", "repeated") for path in getattr(args, what)}
