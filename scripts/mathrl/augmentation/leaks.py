"""The doors of decontamination and of siblings: proposals that are benchmark items or held-out problems, in whatever words.

The search for contamination finds copies and, with an embedding model, rewordings. A proposal is cheap to lose, so one more rule counts
here: the same numbers in the same order (but for a few more) with the same answer are a rewording, whatever the words are. It needs no
model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mathrl.augmentation.records import Proposal
from mathrl.data.records import Item
from mathrl.decontamination import Settings, find_matches
from mathrl.decontamination.texts import Text
from mathrl.grading.grouping import answer_key
from mathrl.text.normalize import is_number, number_value

if TYPE_CHECKING:
    import polars as pl

NUMBERS = 3  # fewer numbers agree by chance
MORE = 4  # numbers that one of the texts may have besides: words such as `three` count as numbers


def ordered_numbers(problem: str) -> tuple[str, ...]:
    """The numbers of a problem in their order, each in one spelling."""
    return tuple(number_value(token) for token in Text.of(problem).sequence if is_number(token))


def same_numbers(proposals: Iterable[Proposal], items: Mapping[str, Iterable[Item]]) -> dict[str, str]:
    """By id of a proposal the item that has its numbers, in this order, and its answer.

    Args:
        proposals: `id`, `problem`, `answer`.
        items: the same by name of a benchmark.
    """
    known: dict[str | None, list[tuple[str, tuple[str, ...]]]] = {}
    for name, rows in items.items():
        for row in rows:
            numbers = ordered_numbers(row["problem"])
            if len(numbers) >= NUMBERS:
                known.setdefault(answer_key(str(row["answer"])), []).append((f"{name} {row['id']}", numbers))
    found = {}
    for made in proposals:
        numbers = ordered_numbers(made["problem"])
        same = (item for item, theirs in known.get(answer_key(made["answer"]), ()) if _agree(numbers, theirs))
        if item := next(same, None):
            found[made["id"]] = f"the numbers and the answer of: {item}"
    return found


def _agree(mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    """Are the numbers of one text those of the other in the same order, but for a few more? (`three lessons`, `the first of 2 days`)"""
    short, long = sorted((mine, theirs), key=len)
    left = iter(long)
    return len(short) >= NUMBERS and len(long) - len(short) <= MORE and all(number in left for number in short)


def matched(matches: pl.DataFrame) -> dict[str, str]:
    """By id of a proposal the method and the benchmark item that removes it."""
    import polars as pl

    removed = matches.filter(pl.col("removed")).sort("problem_id", "method", "benchmark", "item_id")
    rows = removed.unique("problem_id", keep="first", maintain_order=True).iter_rows(named=True)
    return {row["problem_id"]: f"{row['method']}: {row['benchmark']} {row['item_id']}" for row in rows}


def near_held_out(proposals: pl.DataFrame, held: list[Item]) -> dict[str, str]:
    """By id of a proposal (`id`, `problem`, `answer`) the held-out problem that it is."""
    import polars as pl

    if not held or proposals.is_empty():
        return {}
    found = same_numbers(proposals.iter_rows(named=True), {"held-out problem": held})
    same = find_matches(proposals.select("id", "problem"), {"dev": held}, Settings()).filter(pl.col("confirmed"))
    return found | {row["problem_id"]: f"a held-out problem: {row['item_id']}" for row in same.iter_rows(named=True)}
