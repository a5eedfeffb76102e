"""Which problems are asked about: trainable ones of the wanted bands and sources, chosen by a hash of their ids."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from mathrl.augmentation.records import Source
from mathrl.config.entry import Chosen
from mathrl.core import parquet
from mathrl.core.files import UserError
from mathrl.data.training_files import contaminated
from mathrl.data.verl_rows import dev_groups

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("id", "problem", "answer", "source", "domain", "solve_rate", "difficulty", "duplicate_group")


def held_out(problems: pl.DataFrame, dev_size: int) -> pl.Series:
    """Which problems belong to the dev split: their groups train nothing."""
    return problems["duplicate_group"].is_in(dev_groups(problems["duplicate_group"], dev_size))


def choose(problems: Path, matches: Path, remove: str, dev_size: int, wanted: Chosen) -> list[Source]:
    """Rows of `COLUMNS` of the chosen problems: neither held out nor contaminated; a larger choice contains a smaller one.

    Raises:
        UserError: no problem is left.
    """
    import polars as pl

    rows = parquet.read(problems, columns=list(COLUMNS))
    keep = ~held_out(rows, dev_size) & ~rows["id"].is_in(contaminated(matches, remove))
    if wanted.difficulty:
        keep &= rows["difficulty"].is_in(wanted.difficulty).fill_null(False)
    if wanted.sources:
        keep &= rows["source"].is_in(wanted.sources).fill_null(False)
    if wanted.solve_rate:
        keep &= rows["solve_rate"].is_between(*wanted.solve_rate).fill_null(False)
    chosen = rows.filter(keep)
    if chosen.is_empty():
        raise UserError(f"{problems}: no problem is left to ask about; widen augmentation's `problems` (difficulty, sources, solve_rate)")
    ranks = [hashlib.sha256(f"augment {name}".encode()).digest() for name in chosen["id"]]
    ordered = chosen.with_columns(rank=pl.Series(ranks, dtype=pl.Binary)).sort("rank").drop("rank")
    return ordered.head(wanted.count if wanted.count is not None else len(ordered)).to_dicts()
