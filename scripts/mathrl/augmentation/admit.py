"""The last doors, the rows that may train, and the funnel with examples of what each door stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mathrl.augmentation import diversity, leaks, sources
from mathrl.augmentation.check import DOORS
from mathrl.augmentation.records import AugmentationFunnel, Door, Example, Proposal
from mathrl.config.entry import Entry
from mathrl.core import parquet
from mathrl.core.spread import spread
from mathrl.data.records import Item

if TYPE_CHECKING:
    import polars as pl

EXAMPLES = 3  # of what a door stopped
SAMPLES = 24  # of what passed, for the study report
CHARACTERS = 1500  # of a text in the funnel


def stop(
    table: pl.DataFrame,
    entry: Entry,
    rates: Mapping[str, float] | None,
    matches: pl.DataFrame,
    benchmarks: Mapping[str, Sequence[Item]],
    problems: pl.DataFrame,
    dev_size: int,
) -> pl.DataFrame:
    """The table of proposals with the verdicts of all doors, each proposal stopped by the first that it does not pass.

    Args:
        table: of `check.proposals`.
        entry: the entry's settings.
        rates: the base model's solve rate of each proposal that was sampled; None: nothing was.
        matches: of the search for contamination among what passed the first doors, with the columns of matches.parquet.
        benchmarks: their items by name.
        problems: all problems of the data (`sources.COLUMNS`).
        dev_size: problems that are held out.
    """
    open_rows = table.filter(table["door"].is_null())
    verdicts: dict[str, dict[str, str]] = {door: {} for door in DOORS}
    ids = open_rows["id"].to_list()
    if rates is not None:
        verdicts["answer holds"] = {
            name: f"the base model reaches it in {rates.get(name, 0):.2f} of its samples"
            for name in ids
            if entry.holds.by == "base" and rates.get(name, 0.0) < entry.holds.m / entry.holds.k
        }
        if entry.useful:
            verdicts["useful"] = {name: _useless(rates.get(name)) for name in ids if rates.get(name) is None or rates[name] in (0.0, 1.0)}
    found = leaks.matched(matches)
    if entry.kind != "solutions":
        found = leaks.same_numbers(open_rows.iter_rows(named=True), benchmarks) | found
    verdicts["decontamination"] = found
    verdicts["siblings"] = _siblings(open_rows, entry, problems, dev_size)
    return _marked(table, verdicts)


def _useless(rate: float | None) -> str:
    return "not sampled" if rate is None else "the base model never solves it" if rate == 0 else "the base model always solves it"


def _siblings(rows: pl.DataFrame, entry: Entry, problems: pl.DataFrame, dev_size: int) -> dict[str, str]:
    """Proposals whose source is held out, or that are a held-out problem themselves."""
    held = problems.filter(sources.held_out(problems, dev_size))
    of = set(held["id"])
    found = {name: f"its source is held out: {source}" for name, source in rows.select("id", "source_id").iter_rows() if source in of}
    if entry.kind == "solutions":
        return found
    return leaks.near_held_out(rows.select("id", "problem", "answer"), held.select("id", "problem", "answer").to_dicts()) | found


def _marked(table: pl.DataFrame, verdicts: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    import polars as pl

    doors, whys = [], []
    for name, door, why in table.select("id", "door", "why").iter_rows():
        stopped = door or next((at for at in DOORS if name in verdicts[at]), None)
        doors.append(stopped)
        whys.append(why if door else verdicts[stopped][name] if stopped else None)
    return table.with_columns(door=pl.Series(doors, dtype=pl.String), why=pl.Series(whys, dtype=pl.String))


def rows(table: pl.DataFrame, problems: pl.DataFrame, rates: Mapping[str, float] | None) -> pl.DataFrame:
    """What passed every door: the columns of problems with those of its source, and where each row comes from."""
    import polars as pl

    passed = table.filter(pl.col("door").is_null())
    of = problems.select("id", "domain", "difficulty", "duplicate_group")
    known = rates or {}
    return (
        passed.join(of, left_on="source_id", right_on="id", how="left", maintain_order="left")
        .with_columns(
            source=pl.lit("augmented/") + pl.col("entry"),
            solve_rate=pl.Series([known.get(name) for name in passed["id"]], dtype=pl.Float64),
        )
        .select(
            "id", "problem", "answer", "source", "domain", "solve_rate", "difficulty", "duplicate_group", "solution", "source_id", "entry",
            "kind", "model", "served_by", "prompt_sha256", "request_sha256", "votes", "solutions",
        )
    )  # fmt: skip


def funnel(
    name: str, entry: Entry, table: pl.DataFrame, problems: pl.DataFrame, rates: Mapping[str, float] | None, embedding: Path | None
) -> AugmentationFunnel:
    """Counts and examples by door, samples beside their sources, diversity, and difficulty before and after."""
    import polars as pl

    texts = dict(problems.select("id", "problem").iter_rows())
    before = len(table)
    doors: list[Door] = []
    for door in DOORS:
        stopped = table.filter(pl.col("door") == door)
        reasons = Counter(why.split(":")[0] for why in stopped["why"])
        doors.append(
            {
                "door": door, "rows_in": before, "rows_out": before - len(stopped), "reasons": dict(sorted(reasons.items())),
                "examples": [_shown(row, texts) for row in _spread(stopped, EXAMPLES)],
            }
        )  # fmt: skip
        before -= len(stopped)
    passed = table.filter(pl.col("door").is_null())
    text = "solution" if entry.kind == "solutions" else "problem"
    said = [texts[source] for source in passed["source_id"]]
    return {
        "schema_version": 1,
        "entry": name,
        "kind": entry.kind,
        "model": entry.model,
        "doors": doors,
        "rows": len(passed),
        "sources": passed["source_id"].n_unique(),
        "samples": [{**_shown(row, texts), "solve_rate": (rates or {}).get(row["id"])} for row in _spread(passed, SAMPLES)],
        "diversity": diversity.measured(passed[text].to_list(), said, embedding if text == "problem" else None),
        "difficulty": diversity.difficulty(rates, passed) if rates else None,
        "not_searched": [] if embedding else ["reworded"],
    }


def _spread(table: pl.DataFrame, most: int) -> list[Proposal]:
    return table[spread(len(table), most)].to_dicts() if len(table) else []


def _shown(row: Proposal, texts_of: Mapping[str, str]) -> Example:
    return {
        "problem": row["problem"][:CHARACTERS] if row["problem"] else None,
        "answer": row["answer"][:CHARACTERS] if row["answer"] else None,
        "solution": row["solution"][:CHARACTERS] if row["solution"] else None,
        "source_id": row["source_id"],
        "why": row["why"],
        "votes": row["votes"],
        "solutions": row["solutions"],
        "request_sha256": row["request_sha256"],
        "source": texts_of.get(row["source_id"], "")[:CHARACTERS],
    }


def read_rates(path: Path | None) -> dict[str, float] | None:
    """Solve rates by id; None without a file."""
    return dict(parquet.read(path, columns=["id", "solve_rate"]).iter_rows()) if path else None
