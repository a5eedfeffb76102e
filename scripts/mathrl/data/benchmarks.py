"""Benchmarks in one shape: `id, problem, answer` and, where known, `domain` and `difficulty`; one canonical gold each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mathrl.core.files import JsonObject, UserError, read_jsonl
from mathrl.data import published
from mathrl.data.raw_rows import read_rows
from mathrl.data.records import Item

DROPPED = 0.5  # share of a benchmark's items that may be without a gold; with more it is the layout that was not understood


def canonical_rows(rows: Iterable[JsonObject], where: str, mapping: Mapping[str, str] | None = None) -> list[Item]:
    """Bring benchmark rows of any known layout into our shape, and say how; `where` names the file in messages.

    Raises `UserError` where no layout is known, or more than half of the rows have no problem with a gold.
    """
    items, notice, reader = published.read_items(rows, mapping or {}, where)
    lost = {reason: count for reason, count in reader.reasons.items() if reason != "the item comes again"}
    total = len(items) + sum(reader.reasons.values())
    if total == 0 and reader.outside:
        said = ", ".join(f"{why} ({count})" for why, count in reader.outside.items())
        raise UserError(
            f"{where}: holds no items, since of all rows {said}; correct the file, or map its columns in the table of downloads"
        )
    if sum(lost.values()) > DROPPED * total or not items:
        raise UserError(f"{where}: {sum(lost.values())} of {total} items cannot be used: {reader.told()}; {reader.notice}; "
                        "correct the file, or map its columns in the table of downloads")  # fmt: skip
    published.say(where, notice)
    return items


def read_benchmark_file(path: Path, mapping: Mapping[str, str] | None = None) -> list[Item]:
    """Read a benchmark as it was downloaded (see `raw_rows`) and bring it into our shape."""
    return canonical_rows(read_rows(path), str(path), mapping)


def read_benchmark(path: str | Path, may_be_empty: bool = False) -> dict[str, Item]:
    """A canonical benchmark (`resources/benchmarks/*.jsonl`, also .gz and .zst) by id, in file order; ids and answers become text.

    Raises:
        UserError: a row without id, problem or answer, a problem that is no text, an id that occurs twice, or no rows
            (unless it `may_be_empty`).
    """
    rows: dict[str, Item] = {}
    for row in read_jsonl(path, required=("id", "problem", "answer")):
        key = str(row["id"])
        if not isinstance(row["problem"], str):
            raise UserError(f"{path}: the problem of item '{key}' is no text")
        if key in rows:
            raise UserError(f"{path}: the id '{key}' occurs twice; ids must be unique")
        rows[key] = row | {"id": key, "answer": str(row["answer"])}
    if not rows and not may_be_empty:
        raise UserError(f"{path}: holds no problems; fetch the benchmark again")
    return rows
