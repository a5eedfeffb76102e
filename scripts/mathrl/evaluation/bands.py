"""A score beside the bands that others published for it (`evaluation.bands`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mathrl.config.evaluation import MEAN, Band
from mathrl.evaluation.records import BandNote, ScoreRow
from mathrl.statistics.records import Mean, measured


def beside(row: ScoreRow, names: Collection[str], bands: Sequence[Band], primary: str) -> list[BandNote]:
    """A row of the score table beside its bands: {benchmark, value, low, high, verdict, source} per band with a score.

    `names` are what the row is called in the configuration: its run, and the group that it is a replicate of.
    """
    found = []
    for band in bands:
        if band.run not in names or (band.protocol or primary, band.metric) != (row["protocol"], row["metric"]):
            continue
        part = row["mean"] if band.benchmark == MEAN else row["cells"].get(band.benchmark)
        if measured(part):
            said = verdict(part, band.low, band.high)
            found.append(
                BandNote(benchmark=band.benchmark, value=part["value"], low=band.low, high=band.high, source=band.source, verdict=said)
            )
    return found


def verdict(part: Mean, low: float, high: float) -> str:
    """`within`, `below` or `above`; of a score outside whose 95 % interval reaches the band it says so."""
    value = part["value"]
    if low <= value <= high:
        return "within"
    side, reaches = ("below", part["high"] >= low) if value < low else ("above", part["low"] <= high)
    return f"{side}, but its interval reaches it" if reaches else side


def in_words(entry: BandNote) -> str:
    """`gsm8k 78.92, expected 78.00–80.00: within`, in percent."""
    value, low, high = (f"{100 * entry[key]:.2f}" for key in ("value", "low", "high"))
    return f"{entry['benchmark']} {value}, expected {low if low == high else f'{low}–{high}'}: {entry['verdict']}"
