"""How good a verifier is, on solutions whose first wrong step is known: first-error F1, false flags, calibration; each with its n.

First-error F1 is ProcessBench's (arXiv 2412.06559): the harmonic mean of two accuracies, over solutions with an error (is the first
flagged step the first wrong one?) and over solutions without one (is none flagged?).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from mathrl.core.files import UserError
from mathrl.statistics.intervals import mean_interval
from mathrl.statistics.records import Cell
from mathrl.verifiers.interface import first_wrong
from mathrl.verifiers.records import Bin, Calibration, FirstErrorF1, Measured, StepSetRow

RESAMPLES = 2000
CUT = 0.01  # share of the solutions with an error that may be cut off before it; with more, steps are counted otherwise
BINS = 10  # of the calibration
# First-error F1 that others report on ProcessBench, quoted from memory of their papers: other solutions than ours, so not comparable.
PUBLISHED = (
    ("Math-Shepherd-PRM-7B", 0.315),
    ("Skywork-PRM-1.5B", 0.364),
    ("Qwen2.5-Math-7B-PRM800K", 0.565),
    ("Qwen2.5-Math-PRM-7B", 0.735),
)


def usable(rows: Sequence[StepSetRow], path: str) -> list[StepSetRow]:
    """The solutions that verifiers are measured on: without those that were cut off before their first error, which stderr counts.

    Raises:
        UserError: a row without a solution of at least one step, or with a first error that is no number of a step; no row is left.
    """
    if not rows:
        raise UserError(f"{path}: holds no solutions")
    for number, row in enumerate(rows, 1):
        steps, wrong = row["steps"], row["first_error"]
        if not isinstance(row["problem"], str) or not isinstance(steps, list) or not steps or not all(isinstance(s, str) for s in steps):
            raise UserError(f"{path}: line {number}: 'problem' must be a text and 'steps' a list of texts, one at least")
        if wrong is not None and not (type(wrong) is int and wrong >= 0):
            raise UserError(f"{path}: line {number}: first_error is {wrong!r}; it must be null or a step's number, 0 to {len(steps) - 1}")
    whole = [row for row in rows if row["first_error"] is None or row["first_error"] < len(row["steps"])]
    wrong = sum(row["first_error"] is not None for row in rows)
    if len(rows) - len(whole) > CUT * wrong:
        raise UserError(
            f"{path}: {len(rows) - len(whole)} of {wrong} solutions end before their first_error; steps are counted from 0, so the last "
            "one's number is one less than their count"
        )
    if len(whole) < len(rows):
        print(f"notice: {path}: {len(rows) - len(whole)} of {len(rows)} solutions end before their first error; left out", file=sys.stderr)
    return whole


def harmonic(first: float, second: float) -> float:
    """Harmonic mean of two shares."""
    return 2 * first * second / (first + second) if first + second else 0.0


def first_error_f1(named: Sequence[bool], clean: Sequence[bool], seed: int = 0) -> FirstErrorF1:
    """{value, low, high, n} of the F1 and of both accuracies.

    Args:
        named: per solution with an error, whether its first wrong step was named.
        clean: per solution without one, whether no step was flagged.
        seed: of the percentile bootstrap over solutions, each kind by itself.
    """

    def share(values: Sequence[bool]) -> Cell:
        if not values:
            return {"value": None, "low": None, "high": None, "n": 0}
        low, high = mean_interval([float(value) for value in values])
        return {"value": float(np.mean(values)), "low": low, "high": high, "n": len(values)}

    count = len(named) + len(clean)
    if not named or not clean:
        return {"named": share(named), "clean": share(clean), "f1": {"value": None, "low": None, "high": None, "n": count}}
    rng = np.random.default_rng(seed)
    # The share of a resample of n solutions is binomial.
    drawn = [rng.binomial(len(values), np.mean(values), RESAMPLES) / len(values) for values in (named, clean)]
    together = drawn[0] + drawn[1]
    spread = np.divide(2 * drawn[0] * drawn[1], together, out=np.zeros_like(together), where=together > 0)
    low, high = np.quantile(spread, [0.025, 0.975])
    value = harmonic(float(np.mean(named)), float(np.mean(clean)))
    f1: Cell = {"value": value, "low": min(value, float(low)), "high": max(value, float(high)), "n": count}
    return {"named": share(named), "clean": share(clean), "f1": f1}


def calibration(scores: Sequence[float], right: Sequence[bool]) -> Calibration:
    """Of step scores read as probabilities: Brier score, expected calibration error over ten bins, and the bins.

    Each bin is {low, high, n, score, right}: the mean score and the share of right steps in it.
    """
    table = np.asarray(scores, dtype=float)
    truth = np.asarray(right, dtype=float)
    place = np.minimum((table * BINS).astype(int), BINS - 1)
    bins: list[Bin] = [
        {
            "low": number / BINS,
            "high": (number + 1) / BINS,
            "n": int(inside.sum()),
            "score": float(table[inside].mean()),
            "right": float(truth[inside].mean()),
        }
        for number in range(BINS)
        if (inside := place == number).any()
    ]
    error = sum(part["n"] * abs(part["score"] - part["right"]) for part in bins) / max(1, len(table))
    return {"brier": float(np.mean((table - truth) ** 2)), "error": float(error), "n": len(table), "bins": bins}


def measure(rows: Sequence[StepSetRow], scores: Sequence[Sequence[float]], threshold: float) -> Measured:
    """All figures of one verifier on one step set: first-error F1 with its parts, false flags, calibration, and F1 by kind of error.

    Steps after the first wrong one are not counted: nobody says what they are.
    """
    named: list[bool] = []
    clean: list[bool] = []
    kinds: dict[str, list[bool]] = {}
    flagged = before = 0
    step_scores: list[float] = []
    step_right: list[bool] = []
    for row, own in zip(rows, scores, strict=True):
        wrong = row["first_error"]
        hit = first_wrong(own, threshold) == wrong
        (clean if wrong is None else named).append(hit)
        if wrong is not None and row.get("kind"):
            kinds.setdefault(str(row["kind"]), []).append(hit)
        right = own[:wrong]  # all of them where wrong is None
        flagged += sum(score < threshold for score in right)
        before += len(right)
        step_scores += own[: len(own) if wrong is None else wrong + 1]
        step_right += [True] * len(right) + ([] if wrong is None else [False])
    return {
        **first_error_f1(named, clean),
        "threshold": threshold,
        "false_flags": {"value": flagged / before if before else None, "n": before},
        "calibration": calibration(step_scores, step_right),
        "kinds": {kind: {"value": float(np.mean(hits)), "n": len(hits)} for kind, hits in sorted(kinds.items())},
    }
