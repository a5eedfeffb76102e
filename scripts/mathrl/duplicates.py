"""Groups of equal and nearly equal problems inside the training set.

Nearly equal means: the same numbers and operators, and words that differ little. Two problems of one template with other
numbers are two problems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .textnorm import exact_key, is_number, number_value, OPERATORS, tokens

if TYPE_CHECKING:
    import polars as pl


def duplicate_groups(problems: pl.Series, ids: pl.Series, kind: str) -> pl.Series:
    """The group of each row, named by its smallest id. `kind`: `exact` (letters and digits) or `near` (besides: small rewording)."""
    import polars as pl

    keys = [exact_key(text) or text for text in problems] if kind == "exact" else [near_key(text) for text in problems]
    return pl.DataFrame({"key": keys, "id": ids}).select(pl.col("id").min().over("key")).to_series()


def near_key(text: str) -> str:
    """Numbers and operators in order, words sorted."""
    found = tokens(text)
    sequence = [number_value(t) if is_number(t) else t for t in found if is_number(t) or t in OPERATORS]
    return " ".join(sequence) + "\n" + " ".join(sorted(t for t in found if not is_number(t) and t not in OPERATORS))
