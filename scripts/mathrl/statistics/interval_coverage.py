"""Simulation of the intervals: problem sets with a known accuracy, and how often each method's interval holds it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mathrl.statistics.intervals import Interval, clustered_interval, mean_interval, wilson

KINDS = ("0.1", "0.3", "0.6", "mixed")


def draw(problems: int, samples: int, accuracy: float, kind: str, generator: np.random.Generator) -> np.ndarray:
    """Share of right samples a problem: difficulties from a Beta distribution with intraclass correlation `kind`, or `mixed`.

    `mixed`: a problem is within reach with probability 2 × accuracy (at most 1), and then solved half of the time on average.
    """
    if kind == "mixed":
        reach = min(1.0, 2 * accuracy)
        chance = generator.beta(2 * accuracy / reach, 2 * (1 - accuracy / reach), size=problems)
        chance = np.where(generator.random(problems) < reach, chance, 0.0)
    else:
        strength = 1 / float(kind) - 1
        chance = generator.beta(accuracy * strength, (1 - accuracy) * strength, size=problems)
    return generator.binomial(samples, chance) / samples


def bootstrap(values: np.ndarray, generator: np.random.Generator, resamples: int = 300) -> Interval:
    """Percentile bootstrap over problems, the usual choice."""
    means = values[generator.integers(0, len(values), (resamples, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


METHODS: dict[str, Callable[[np.ndarray, int, np.random.Generator], Interval]] = {
    "this workflow": lambda values, samples, _: mean_interval(values, samples),
    "clustered errors": lambda values, *_: clustered_interval(values),
    "percentile bootstrap": lambda values, _, generator: bootstrap(values, generator),
    "Wilson, all samples": lambda values, samples, _: wilson(float(values.mean()), values.size * samples, 1.96),
}


def coverage(
    problems: int, samples: int, accuracy: float, kind: str, repeats: int, seed: int, methods: Sequence[str] = tuple(METHODS)
) -> dict[str, tuple[float, float]]:
    """(share of intervals that hold `accuracy`, mean width) by method, over `repeats` simulated data sets."""
    generator = np.random.default_rng([seed, problems, samples, round(accuracy * 1e6)])
    found: dict[str, list[tuple[bool, float]]] = {name: [] for name in methods}
    for _ in range(repeats):
        values = draw(problems, samples, accuracy, kind, generator)
        for name in methods:
            low, high = METHODS[name](values, samples, generator)
            found[name].append((low <= accuracy <= high, high - low))
    return {name: (float(np.mean([f[0] for f in rows])), float(np.mean([f[1] for f in rows]))) for name, rows in found.items()}


def lines(
    problems: Sequence[int], accuracies: Sequence[float], samples: int, repeats: int, seed: int, methods: Sequence[str]
) -> Iterator[str]:
    """The simulation as a table, line by line: coverage and mean width in percent of these methods in every setting."""
    yield f"{'problems':>8} {'accuracy':>8} {'alike':>6}{''.join(f'{name:>22}' for name in methods)}   (coverage %, width in points)"
    for count, accuracy, kind in itertools.product(problems, accuracies, KINDS):
        found = coverage(count, samples, accuracy, kind, repeats, seed, methods)
        cells = "".join(f"{100 * share:>14.1f} /{100 * width:>6.1f}" for share, width in found.values())
        yield f"{count:>8} {accuracy:>8} {kind:>6}{cells}"
