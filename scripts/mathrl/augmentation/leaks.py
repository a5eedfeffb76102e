"""The doors of decontamination and of siblings: proposals that are benchmark items or held-out problems, in whatever words.

The search for contamination finds copies and, with an embedding model, rewordings. A proposal is cheap to lose, so one more rule counts
here: the same numbers in the same order with the same answer are a rewording, whatever the words are. It needs no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mathrl.decontamination import Settings, find_matches
from mathrl.decontamination.texts import Text
from mathrl.grading import equivalent
from mathrl.text.normalize import is_number, number_value

if TYPE_CHECKING:
    import polars as pl

NUMBERS = 3  # fewer numbers agree by chance


def ordered_numbers(problem: str) -> tuple[str, ...]:
    """The numbers of a problem in their order, each in one spelling."""
    return tuple(number_value(token) for token in Text.of(problem).sequence if is_number(token))


def same_numbers(proposals: Iterable[Mapping[str, Any]], items: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, str]:
    """By id of a proposal the item that has its numbers, in this order, and its answer.

    Args:
        proposals: `id`, `problem`, `answer`.
        items: the same by name of a benchmark.
    """
    known: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for name, rows in items.items():
        for row in rows:
            numbers = ordered_numbers(row["problem"])
            if len(numbers) >= NUMBERS:
                known.setdefault(numbers, []).append((f"{name} {row['id']}", str(row["answer"])))
    found = {}
    for row in proposals:
        for item, answer in known.get(ordered_numbers(row["problem"]), ()):
            if equivalent(row["answer"], answer):
                found[row["id"]] = f"the numbers and the answer of: {item}"
                break
    return found


def matched(matches: pl.DataFrame) -> dict[str, str]:
    """By id of a proposal the method and the benchmark item that removes it."""
    import polars as pl

    removed = matches.filter(pl.col("removed")).sort("problem_id", "method", "benchmark", "item_id")
    rows = removed.unique("problem_id", keep="first", maintain_order=True).iter_rows(named=True)
    return {row["problem_id"]: f"{row['method']}: {row['benchmark']} {row['item_id']}" for row in rows}


def near_held_out(proposals: pl.DataFrame, held: list[dict[str, Any]]) -> dict[str, str]:
    """By id of a proposal (`id`, `problem`, `answer`) the held-out problem that it is."""
    import polars as pl

    if not held or proposals.is_empty():
        return {}
    found = same_numbers(proposals.iter_rows(named=True), {"held-out problem": held})
    same = find_matches(proposals.select("id", "problem"), {"dev": held}, Settings()).filter(pl.col("confirmed"))
    return found | {row["problem_id"]: f"a held-out problem: {row['item_id']}" for row in same.iter_rows(named=True)}
