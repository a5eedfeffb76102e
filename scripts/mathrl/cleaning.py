"""The steps from a downloaded dataset to training problems, in order, each counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import problems as contract
from .duplicates import duplicate_groups
from .io import UserError
from .provenance import provenance

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("id", "problem", "answer", "source", "domain", "solve_rate", "difficulty", "duplicate_group")


@dataclass
class Cleaned:
    """What `clean` made: problems, quarantine, and the numbers of the way."""

    problems: pl.DataFrame
    quarantine: pl.DataFrame
    rows: int
    funnel: contract.Funnel
    cuts: list[float]
    settings: dict[str, Any]

    def refuse(self, path: Path, limit: float) -> None:
        """Raise `UserError` if more than `limit` (a share) of the rows are in quarantine, or no row is left."""
        if len(self.quarantine) > limit * self.rows:
            worst = self.quarantine["reason"].value_counts(sort=True).row(0)
            raise UserError(
                f"{path}: {len(self.quarantine)} of {self.rows} rows break the contract, more than max_quarantine = {limit:g} allows; "
                f"most often: {worst[0]} ({worst[1]} rows, the first is row {self.quarantine.filter(reason=worst[0])['row'][0]})"
            )
        if self.problems.is_empty():
            step = next(s["step"] for s in self.funnel.steps if s["rows_out"] == 0)
            raise UserError(f"{path}: no row is left after the step '{step}'; correct data.filters or the dataset")

    def funnel_json(self, path: Path) -> dict[str, Any]:
        """The summary as JSON: steps, reasons of the quarantine, difficulty bands."""
        import polars as pl

        known = self.problems["difficulty"].drop_nulls()
        return {
            "schema_version": 1,
            "steps": self.funnel.steps,
            "quarantine": dict(sorted(self.quarantine["reason"].value_counts().iter_rows())),
            "difficulty": {
                "cuts": self.cuts,
                "rows": {str(band): count for band, count in sorted(known.value_counts().iter_rows())},
                "outside": self.problems["difficulty"].null_count(),
            },
            "sources": dict(sorted(self.problems["source"].fill_null("unknown").value_counts().iter_rows())),
            "duplicate_groups": self.problems.select(pl.col("duplicate_group").n_unique()).item(),
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


def clean(
    path: Path,
    *,
    max_quarantine: float,
    check_answers: bool,
    duplicates: str,
    english_only: bool,
    sources: list[str] | None,
    cuts: list[float] | None,
    workers: int,
) -> Cleaned:
    """Read, check and filter a dataset. The order of rows is kept; of duplicates the first stays."""
    import polars as pl

    raw = contract.read_dataset(path)
    funnel = contract.Funnel()
    frame, quarantine = contract.split_violations(raw)
    funnel.add("contract", len(raw), len(frame))
    rows = len(raw)
    if sources is not None:
        frame = _keep(funnel, "sources", frame, pl.col("source").is_in(sources).fill_null(False))
    if english_only:
        frame = _keep(funnel, "english_only", frame, contract.english(frame["problem"]))
    if check_answers:
        frame = _keep(funnel, "verifiable", frame, contract.verifiable(frame["answer"], workers))
    frame = contract.add_ids(frame)
    frame = frame.with_columns(duplicate_group=duplicate_groups(frame["problem"], frame["id"], "near", workers))
    if duplicates != "none":
        group = frame["duplicate_group"] if duplicates == "near" else duplicate_groups(frame["problem"], frame["id"], "exact", workers)
        frame = _keep(funnel, f"duplicates_{duplicates}", frame, group.is_first_distinct())
    level, used = contract.bands(frame["solve_rate"], cuts)
    frame = frame.with_columns(difficulty=level).select(COLUMNS)
    settings = {
        "max_quarantine": max_quarantine, "verifiable": check_answers, "duplicates": duplicates,
        "english_only": english_only, "sources": sources, "difficulty_bands": cuts or "quintiles",
    }  # fmt: skip
    return Cleaned(frame, quarantine, rows, funnel, used, settings)


def _keep(funnel: contract.Funnel, step: str, frame: pl.DataFrame, mask: Any) -> pl.DataFrame:
    kept = frame.filter(mask)
    funnel.add(step, len(frame), len(kept))
    return kept
