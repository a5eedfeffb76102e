"""The third door: is a proposal new, or nearly its source, another problem of the data, or a proposal before it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mathrl.data.duplicates import Signatures, strict_text
from mathrl.decontamination import Settings, find_matches
from mathrl.decontamination.records import Searched

if TYPE_CHECKING:
    import polars as pl


def problems(ids: Sequence[str], texts: Sequence[str], sources: Mapping[str, str], known: pl.DataFrame) -> dict[str, str]:
    """Why a proposed problem is not new, by id; others are new. A proposal is compared with those before it that are.

    Args:
        ids, texts: the proposals, in order.
        sources: texts of their source problems, by id.
        known: all problems of the data, columns `id` and `problem`.
    """
    import polars as pl

    if not ids:
        return {}
    found: dict[str, str] = {}
    both = pl.concat([known["problem"], pl.Series("problem", texts, dtype=pl.String)])
    signatures = Signatures()
    signatures.add(both)
    groups = signatures.groups(pl.Series([f"{place:012d}" for place in range(len(both))]), "near").to_list()
    of_known = dict(zip(groups[: len(known)], known["id"].to_list(), strict=True))
    copies = _copies(ids, texts, sources)
    taken: dict[str, str] = {}
    for name, group in zip(ids, groups[len(known) :], strict=True):
        if group in of_known:
            found[name] = f"nearly a problem of the data: {of_known[group]}"
        elif group in taken:
            found[name] = f"nearly another proposal: {taken[group]}"
        elif of_source := next((other for other in copies.get(name, ()) if other in sources), None):
            found[name] = f"nearly a source problem: {of_source}"
        elif before := next((other for other in copies.get(name, ()) if other in taken.values()), None):
            found[name] = f"nearly another proposal: {before}"
        else:
            taken[group] = name
    return found


def _copies(ids: Sequence[str], texts: Sequence[str], sources: Mapping[str, str]) -> dict[str, list[str]]:
    """By proposal the sources and other proposals that are the same problem by the search for contamination."""
    import polars as pl

    rows = pl.DataFrame({"id": ids, "problem": texts}, schema={"id": pl.String, "problem": pl.String})
    items: dict[str, list[Searched]] = {
        "source": [{"id": name, "problem": text} for name, text in sources.items()],
        "proposal": [{"id": name, "problem": text} for name, text in zip(ids, texts, strict=True)],
    }
    copies: dict[str, list[str]] = {}
    for row in find_matches(rows, items, Settings()).filter(pl.col("confirmed")).iter_rows(named=True):
        if row["problem_id"] != row["item_id"]:
            copies.setdefault(row["problem_id"], []).append(row["item_id"])
    return copies


def solutions(ids: Sequence[str], texts: Sequence[str], of: Sequence[str]) -> dict[str, str]:
    """The same for worked solutions `texts` of the problems `of`: two that are nearly alike teach nothing more than one."""
    import polars as pl

    if not ids:
        return {}
    signatures = Signatures()
    signatures.add(pl.Series("problem", texts, dtype=pl.String))
    groups = signatures.groups(pl.Series([f"{place:012d}" for place in range(len(ids))]), "near").to_list()
    found: dict[str, str] = {}
    taken: dict[tuple[str, str], str] = {}
    for name, text, source, group in zip(ids, texts, of, groups, strict=True):
        before = taken.get((source, group)) or taken.get((source, strict_text(text)))
        if before:
            found[name] = f"nearly another solution: {before}"
        else:
            taken[source, group] = taken[source, strict_text(text)] = name
    return found
