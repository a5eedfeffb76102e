"""The steps from a downloaded dataset to training problems, in order, each counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mathrl.core.files import UserError, atomic_path
from mathrl.core.parquet import PartWriter, parts
from mathrl.core.provenance import provenance
from mathrl.data import problems as contract
from mathrl.data.duplicates import Signatures

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
    settings: dict[str, Any]

    def summary(self, path: Path) -> dict[str, Any]:
        """As JSON: steps, reasons of the quarantine, difficulty bands, sources."""
        known = self.difficulty.drop_nulls()
        return {
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
            "settings": self.settings,
            "provenance": provenance({"dataset": path}, self.settings),
        }


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


def clean(path: Path, out: Path, quarantine: Path, settings: dict[str, Any], cuts: list[float] | None, workers: int) -> Cleaned:
    """Read, check and filter a dataset in parts, and write problems and quarantine (each whole or not at all).

    `settings` has the keys of the command line: max_quarantine, verifiable, duplicates, english_only, sources. The order of rows is
    kept; of duplicates the first stays. Raises `UserError` if too many rows break the contract or none is left; the quarantine is
    written all the same, so that the user can see why.
    """
    import polars as pl

    columns = contract.dataset_columns(path)
    funnel, signatures = contract.Funnel(), Signatures()
    bad, ids, rates, sources, all_rates = [], [], [], [], []
    rows = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=".clean_problems.") as folder, contract.AnswerCheck(workers) as check:
        accepted = []
        for number, raw in enumerate(parts(path, columns)):
            frame, broken = contract.split_violations(raw, rows)
            rows += len(raw)
            all_rates.append(raw["solve_rate"])
            bad.append(broken)
            funnel.add("contract", len(raw), len(frame))
            for step, wanted in _filters(settings, check):
                kept = frame.filter(wanted(frame))
                funnel.add(step, len(frame), len(kept))
                frame = kept
            signatures.add(frame["problem"], workers)
            ids.append(contract.problem_ids(frame["problem"]))
            rates.append(frame["solve_rate"])
            sources.append(frame["source"])
            accepted.append(Path(folder) / f"{number}.parquet")
            frame.write_parquet(accepted[-1], compression="lz4")
        broken = pl.concat(bad)
        with atomic_path(quarantine) as temporary:
            broken.write_parquet(temporary)
        _refuse(path, broken, rows, settings["max_quarantine"])
        identifiers = contract.numbered(pl.concat(ids))
        group = signatures.groups(identifiers, "near")
        keep = pl.repeat(True, len(group), dtype=pl.Boolean, eager=True)
        if settings["duplicates"] != "none":
            same = group if settings["duplicates"] == "near" else signatures.groups(identifiers, "exact")
            keep = same.is_first_distinct()
            funnel.add(f"duplicates_{settings['duplicates']}", len(keep), int(keep.sum()))
        if not keep.any():
            step = next(step["step"] for step in funnel.steps if step["rows_out"] == 0)
            raise UserError(f"{path}: no row is left after the step '{step}'; correct data.filters or the dataset")
        used = contract.quintiles(pl.concat(all_rates)) if cuts is None else cuts
        difficulty = contract.bands(pl.concat(rates), used, lowest=cuts is not None)
        table = pl.DataFrame({"id": identifiers, "duplicate_group": group, "difficulty": difficulty, "keep": keep})
        _write(out, accepted, table)
    return Cleaned(
        rows, funnel, broken, used, difficulty.filter(keep), pl.concat(sources).filter(keep), group.filter(keep).n_unique(), settings
    )


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


def _filters(settings: dict[str, Any], check: contract.AnswerCheck) -> list[tuple[str, Callable[[pl.DataFrame], Any]]]:
    """The filters that are switched on, in order."""
    import polars as pl

    filters: list[tuple[str, Callable[[pl.DataFrame], Any]]] = []
    if settings["sources"] is not None:
        filters.append(("sources", lambda frame: pl.col("source").is_in(settings["sources"]).fill_null(False)))
    if settings["english_only"]:
        filters.append(("english_only", lambda frame: contract.english(frame["problem"])))
    if settings["verifiable"]:
        filters.append(("verifiable", lambda frame: check.accepted(frame["answer"])))
    return filters


def _refuse(path: Path, broken: pl.DataFrame, rows: int, limit: float) -> None:
    if len(broken) > limit * rows:
        reason, count = broken["reason"].value_counts(sort=True).row(0)
        raise UserError(
            f"{path}: {len(broken)} of {rows} rows break the contract, more than max_quarantine = {limit:g} allows; "
            f"most often: {reason} ({count} rows, the first is row {broken.filter(reason=reason)['row'][0]})"
        )
