"""What contamination bought: gains on contaminated and on clean items, and what such a contrast can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mathrl.statistics.comparisons import problem_scores
from mathrl.statistics.intervals import Estimate, typical_square, weighted_mean
from mathrl.statistics.records import Contrast, Scored

LEAST = 3  # items that the base model solves sometimes


def contamination_contrast(run: Mapping[str, Scored], base: Mapping[str, Scored], benchmarks: Sequence[str]) -> Contrast | None:
    """(run − base on contaminated items) − (run − base on clean items): what contamination bought.

    Taken within each benchmark that has both kinds of items, so that one benchmark being easier than another does not enter; combined
    with weights contaminated × clean / (contaminated + clean). Items that were flagged alone (a method matched them that removes nothing)
    are neither. Returns {"contaminated", "clean", "contrast", "adjusted"}, each {value, low, high, smallest, n}, and "benchmarks", the
    names used; None where no benchmark has both kinds. `adjusted` is the contrast at equal solve rates of the base model (`_adjusted`),
    None where it cannot be had.
    """
    parts: dict[bool, list[np.ndarray]] = {True: [], False: []}
    samples_of: list[float] = []
    used, kept = [], []
    for name in benchmarks:
        if name not in run or name not in base or not run[name]["clean_subset"].get("available"):
            continue
        values, before, samples, flags = _values(run[name], base[name])
        if not flags.any() or flags.all():
            continue
        used.append(name)
        kept.append((values, before, samples, flags))
        samples_of.append(samples)
        for flag in (True, False):
            parts[flag].append(values[flags == flag] - before[flags == flag])
    if not used:
        return None
    sizes = {flag: [len(part) for part in parts[flag]] for flag in (True, False)}
    weights = [t * c / (t + c) for t, c in zip(sizes[True], sizes[False], strict=True)]
    weights = [weight / sum(weights) for weight in weights]
    count = {flag: sum(sizes[flag]) for flag in (True, False)}
    both = weighted_mean([*parts[True], *parts[False]], [*weights, *(-w for w in weights)], samples_of * 2, shared=False)
    adjusted = _adjusted(kept, weights)
    total = sum(count.values())
    return {
        "contaminated": weighted_mean(parts[True], weights, samples_of, shared=False).cell(count[True]),
        "clean": weighted_mean(parts[False], weights, samples_of, shared=False).cell(count[False]),
        "contrast": both.cell(total, -2.0, 2.0),
        "adjusted": adjusted.cell(total, -2.0, 2.0) if adjusted else None,
        "benchmarks": used,
    }


def _values(run: Scored, base: Scored) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Scores of both models on the items that are contaminated or clean, samples per item, and which are contaminated."""
    removing = set(run["clean_subset"]["removing"])
    ours, before = problem_scores([run]), problem_scores([base])
    columns = run["per_problem"]
    kinds = {i: set(methods.split()) for i, methods in zip(columns["id"], columns["contaminated"], strict=True)}
    ids = [i for i in ours if i in before and (removing & kinds[i] or not kinds[i])]
    sizes = [max(min(ours[i][1], before[i][1]), 1) for i in ids]
    flags = np.array([bool(removing & kinds[i]) for i in ids], dtype=bool)
    return np.array([ours[i][0] for i in ids]), np.array([before[i][0] for i in ids]), float(np.mean(sizes or [1])), flags


def _adjusted(kept: Sequence[tuple[np.ndarray, np.ndarray, float, np.ndarray]], weights: Sequence[float]) -> Estimate | None:
    """The contrast at equal solve rates of the base model, over benchmarks with those weights.

    Within each benchmark the run's score is regressed on the base model's solve rate and on being contaminated, with errors that do not
    ask for equal variances (HC3). A solve rate of few samples is drawn towards its group's mean as far as chance moved it (regression
    calibration), or else harder items would be taken for easier ones. None unless the base model solves `LEAST` items of each kind
    sometimes, on every benchmark: with fewer the regression is sure of what it cannot know (it held in 40 to 90 % of simulated sets).
    """
    found = []
    for values, before, samples, flags in kept:
        if samples < 2 or min(int((before[group] > 0).sum()) for group in (flags, ~flags)) < LEAST:
            return None
        rates = np.empty_like(before)
        for flag in (True, False):
            group = before[flags == flag]
            noise = float(np.mean(group * (1 - group))) / (samples - 1)
            spread = float(group.var(ddof=1))
            kept_share = max(0.0, 1 - noise / spread) if spread > 0 else 0.0
            rates[flags == flag] = group.mean() + kept_share * (group - group.mean())
        design = np.column_stack([np.ones(len(values)), rates, flags.astype(float)])
        if np.linalg.matrix_rank(design) < 3:
            return None
        inverse = np.linalg.inv(design.T @ design)
        slope = inverse @ design.T @ values
        leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
        residuals = (values - design @ slope) / np.clip(1 - leverage, 1e-6, None)
        variance = float((inverse @ (design.T * residuals**2) @ design @ inverse)[2, 2])
        for group in (flags, ~flags):
            gains, items = values[group] - before[group], int(group.sum())
            variance += 2 * typical_square(gains, samples) / ((items + 1) * (items + 2))
        found.append((float(slope[2]), variance, len(values) - 3.0))
    value = sum(weight * slope for weight, (slope, *_) in zip(weights, found, strict=True))
    squares = [weight**2 * variance for weight, (_, variance, _) in zip(weights, found, strict=True)]
    total = sum(squares)
    freedom = total**2 / sum(s**2 / f for s, (*_, f) in zip(squares, found, strict=True)) if total else 1.0
    # contaminated items are few: they, not all, say how sure their mean is
    few = min(int(min(flags.sum(), (~flags).sum())) for *_, flags in kept)
    return Estimate(value, ((total, min(round(freedom, 1), max(2.0 * few, 2.0)) if total else 1.0),))


def told(contrast: Contrast) -> str:
    """What a contrast says, or that it cannot say anything: the smallest difference that it could have shown beside its limits."""
    part = contrast["adjusted"] or contrast["contrast"]
    low, high, half = 100 * part["low"], 100 * part["high"], 50 * (part["high"] - part["low"])
    if low <= 0 <= high:
        return f"± {half:.0f} points here: it would take a difference of {100 * part['smallest']:.0f} to be seen, so this says nothing"
    return f"{low:+.0f} to {high:+.0f} points: contaminated items {'gained more' if part['value'] > 0 else 'gained less'}"
