"""The steps from a downloaded dataset to training problems, in order, each counted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mathrl.core.files import UserError, atomic_path
from mathrl.core.parquet import PartWriter, parts, row_count
from mathrl.core.provenance import provenance
from mathrl.data import problems as contract
from mathrl.data.answers import AnswerCheck
from mathrl.data.duplicates import CONFLICTS, SameProblem, Signatures, sort_out
from mathrl.data.records import CleaningSettings, CleaningSummary
from mathrl.data.sources import check_sources

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("id", "problem", "answer", "source", "domain", "solve_rate", "difficulty", "duplicate_group")


@dataclass
class Cleaned:
    """The numbers of the way from a dataset to problems."""

    rows: int
    funnel: contract.Funnel
    quarantine: pl.DataFrame
    cuts: list[float]
    difficulty: pl.Series
    sources: pl.Series
    groups: int
    settings: CleaningSettings
    near_kept: int

    def summary(self, path: Path) -> CleaningSummary:
        """As JSON: steps, reasons of the quarantine, difficulty bands, sources."""
        known = self.difficulty.drop_nulls()
        dropped = {step: dict(sorted(counts.items())) for step, counts in self.funnel.reasons.items() if counts}
        found: CleaningSummary = {
            "schema_version": 1,
            "steps": self.funnel.steps,
            "quarantine": dict(sorted(self.quarantine["reason"].value_counts().iter_rows())),
            "difficulty": {
                "cuts": self.cuts,
                "rows": {str(band): count for band, count in sorted(known.value_counts().iter_rows())},
                "outside": self.difficulty.null_count(),
            },
            "sources": dict(sorted(self.sources.fill_null("unknown").value_counts().iter_rows())),
            "duplicate_groups": self.groups,
            "near_with_other_golds": self.near_kept,
            "settings": self.settings,
            "provenance": provenance({"dataset": path}, self.settings),
        }
        if dropped:
            found["dropped"] = dropped
        return found


def parse_bands(words: list[str]) -> list[float] | None:
    """Cut-offs from the command line: None for `quintiles`, else rates between 0 and 1."""
    if words == ["quintiles"]:
        return None
    try:
        cuts = [float(word) for word in words]
    except ValueError:
        raise UserError(f"--difficulty-bands {' '.join(words)}: must be `quintiles` or solve rates between 0 and 1") from None
    if not all(0 <= cut <= 1 for cut in cuts) or len(set(cuts)) != len(cuts):
        raise UserError(f"--difficulty-bands {' '.join(words)}: must be different solve rates between 0 and 1")
    return sorted(cuts, reverse=True)


def clean(
    path: Path, out: Path, quarantine: Path, settings: CleaningSettings, cuts: list[float] | None, workers: int, same_problem: SameProblem
) -> Cleaned:
    """Read, check and filter a dataset in parts, and write problems and quarantine (each whole or not at all).

    `settings` has the keys of the command line: max_quarantine, max_dropped, verifiable, duplicates, english_only, sources. The order
    of rows is kept; of duplicates the first stays; `same_problem` says whether nearly equal ones with different golds are one. Raises
    `UserError` if too many rows break the contract, a filter drops too many, or none is left; the quarantine is written all the same, so
    that the user can see why.
    """
    import polars as pl

    columns = contract.dataset_columns(path)
    funnel, signatures = contract.Funnel(), Signatures()
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=".clean_problems.") as folder:
        read = _read(path, columns, Path(folder), settings, workers, funnel, signatures)
        check_sources(settings["sources"] or (), read.seen, "data.filters.sources")
        broken = pl.concat(read.broken)
        with atomic_path(quarantine) as temporary:
            broken.write_parquet(temporary)
        _refuse(path, broken, read.rows, settings["max_quarantine"])
        funnel.refuse(path, settings["max_dropped"])
        identifiers = contract.numbered(pl.concat(read.ids))
        group = signatures.groups(identifiers, "near", settings["near_similarity"])
        keep, near_kept = pl.repeat(True, len(group), dtype=pl.Boolean, eager=True), 0
        if settings["duplicates"] != "none":
            same = group if settings["duplicates"] == "near" else signatures.groups(identifiers, "exact")
            keep, near_kept = _first_of_each(read.accepted, same, f"duplicates_{settings['duplicates']}", funnel, same_problem)
        if not keep.any():
            step = next(step["step"] for step in funnel.steps if step["rows_out"] == 0)
            raise UserError(f"{path}: no row is left after the step '{step}'; correct data.filters or the dataset")
        used, lowest = _cuts(path, pl.concat(read.all_rates), cuts)
        difficulty = contract.bands(pl.concat(read.rates), used, lowest=lowest)
        table = pl.DataFrame({"id": identifiers, "duplicate_group": group, "difficulty": difficulty, "keep": keep})
        _write(out, read.accepted, table)
    sources, groups = pl.concat(read.sources).filter(keep), group.filter(keep).n_unique()
    return Cleaned(read.rows, funnel, broken, used, difficulty.filter(keep), sources, groups, settings, near_kept)


@dataclass
class _Read:
    """What reading a dataset leaves: accepted rows in pieces on disk, and of each row what the steps on all rows together need."""

    rows: int = 0
    seen: set[str] = field(default_factory=set)
    accepted: list[Path] = field(default_factory=list)
    broken: list[pl.DataFrame] = field(default_factory=list)
    all_rates: list[pl.Series] = field(default_factory=list)
    ids: list[pl.Series] = field(default_factory=list)
    rates: list[pl.Series] = field(default_factory=list)
    sources: list[pl.Series] = field(default_factory=list)


def _read(
    path: Path,
    columns: list[pl.Expr],
    folder: Path,
    settings: CleaningSettings,
    workers: int,
    funnel: contract.Funnel,
    signatures: Signatures,
) -> _Read:
    """Check and filter a dataset part by part, so that it need not fit into memory."""
    done = _Read()
    with AnswerCheck(workers) as check:
        for number, raw in enumerate(parts(path, columns)):
            given = _with_gold(raw.with_row_index("row", offset=done.rows), funnel)
            frame, broken = contract.split_violations(given)
            done.rows += len(raw)
            done.seen |= set(frame["source"].drop_nulls().unique().to_list()) if settings["sources"] else set()
            done.all_rates.append(raw["solve_rate"])
            done.broken.append(broken)
            funnel.add("contract", len(given), len(frame))
            frame = _filtered(frame, settings, check, funnel)
            signatures.add(frame["problem"], workers)
            done.ids.append(contract.problem_ids(frame["problem"]))
            done.rates.append(frame["solve_rate"])
            done.sources.append(frame["source"])
            done.accepted.append(folder / f"{number}.parquet")
            frame.write_parquet(done.accepted[-1], compression="lz4")
    return done


def _with_gold(raw: pl.DataFrame, funnel: contract.Funnel) -> pl.DataFrame:
    """The rows in which the layout of the data set found a problem and its gold; the others are counted by reason."""
    import polars as pl

    if raw["left_out"].null_count() == len(raw):
        return raw.drop("left_out")
    kept, lost = raw.filter(pl.col("left_out").is_null()), raw.filter(pl.col("left_out").is_not_null())
    funnel.add("layout", len(raw), len(kept))
    funnel.explain("layout", lost["left_out"], "row " + lost["row"].cast(pl.String))
    return kept.drop("left_out")


def _filtered(frame: pl.DataFrame, settings: CleaningSettings, check: AnswerCheck, funnel: contract.Funnel) -> pl.DataFrame:
    """The rows that pass the filters that are switched on, in order; each is counted."""
    import polars as pl

    for step, wanted in _filters(settings):
        kept = frame.filter(wanted(frame))
        funnel.add(step, len(frame), len(kept))
        frame = kept
    if settings["verifiable"]:
        reasons = check.reasons(frame["answer"])
        kept, lost = frame.filter(reasons.is_null()), frame.filter(reasons.is_not_null())
        funnel.add("verifiable", len(frame), len(kept))
        funnel.explain(
            "verifiable", reasons.drop_nulls(), lost["answer"].str.slice(0, 60).str.replace_all(r"\s+", " ").map_elements(repr, pl.String)
        )
        frame = kept
    return frame


def _first_of_each(
    accepted: list[Path], same: pl.Series, step: str, funnel: contract.Funnel, same_problem: SameProblem
) -> tuple[pl.Series, int]:
    """Which rows stay: of equal problems the first, of a problem with contradicting golds none; both are counted.

    And how many stay though a nearly equal row has another gold: they are different problems.
    """
    import polars as pl

    several = same.is_duplicated()
    rows = pl.concat([pl.read_parquet(piece, columns=["problem", "answer"]).filter(several[first : first + count])
                      for piece, first, count in _places(accepted)])  # fmt: skip
    fate = sort_out(rows["problem"].to_list(), rows["answer"].to_list(), same.filter(several).to_list(), same_problem)
    fates = (
        pl.repeat(None, len(same), dtype=pl.String, eager=True).scatter(several.arg_true(), fate)
        if fate
        else pl.repeat(None, len(same), dtype=pl.String, eager=True)
    )
    contradicted = fates.is_in(CONFLICTS).fill_null(False)
    conflicts = int(contradicted.sum())
    if conflicts:
        funnel.add("conflicting_golds", len(same), len(same) - conflicts)
        funnel.reasons["conflicting_golds"] = dict(fates.filter(contradicted).value_counts().iter_rows())
    funnel.add(step, len(same) - conflicts, int(fates.is_null().sum()))
    return fates.is_null(), int(same.filter(fates.is_null()).is_duplicated().sum())


def _places(accepted: list[Path]) -> Iterator[tuple[Path, int, int]]:
    """Each piece with the number of its first row and of its rows."""
    first = 0
    for piece in accepted:
        count = row_count(piece)
        yield piece, first, count
        first += count


def _cuts(path: Path, rates: pl.Series, cuts: list[float] | None) -> tuple[list[float], bool]:
    """Cut-offs of the difficulty bands, and does the hardest band go down to 0?"""
    if cuts is not None:
        return cuts, True
    used = contract.quintiles(rates)
    if len(set(used)) == len(used):
        return used, False
    found = contract.discrete_cuts(rates)
    print(
        f"notice: {path}: solve rates take few values, so that upstream's quintiles {used} coincide; bands are cut between the values, at "
        f"{found}: {contract.bands(rates, found).drop_nulls().n_unique()} bands that hold rows, no row with a rate outside",
        file=sys.stderr,
    )
    return found, True


def _write(out: Path, accepted: list[Path], table: pl.DataFrame) -> None:
    """Write the accepted rows (parquet, in parts) with what was found out about each (`table`), without those it does not `keep`."""
    import polars as pl

    first = 0
    with atomic_path(out) as temporary, PartWriter(temporary) as writer:
        for piece in accepted:
            frame = pl.read_parquet(piece)
            frame = frame.hstack(table[first : first + len(frame)])
            first += len(frame)
            problems = frame.filter("keep").select(COLUMNS)
            contract.validate(problems)
            writer.write(problems)


def _filters(settings: CleaningSettings) -> list[tuple[str, Callable[[pl.DataFrame], Any]]]:
    """The filters by source and language that are switched on, in order."""
    import polars as pl

    filters: list[tuple[str, Callable[[pl.DataFrame], Any]]] = []
    if settings["sources"] is not None:
        filters.append(("sources", lambda frame: pl.col("source").is_in(settings["sources"]).fill_null(False)))
    if settings["english_only"]:
        filters.append(("english_only", lambda frame: contract.english(frame["problem"])))
    return filters


def _refuse(path: Path, broken: pl.DataFrame, rows: int, limit: float) -> None:
    if len(broken) > limit * rows:
        reason, count = broken["reason"].value_counts(sort=True).row(0)
        raise UserError(
            f"{path}: {len(broken)} of {rows} rows break the contract, more than max_quarantine = {limit:g} allows; "
            f"most often: {reason} ({count} rows, the first is row {broken.filter(reason=reason)['row'][0]})"
        )
