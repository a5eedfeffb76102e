"""Simulation of the intervals: problem sets with a known accuracy, and how often each method's interval holds it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mathrl.statistics.intervals import Interval, clustered_interval, difference, mean_interval, wilson

KINDS = ("0.1", "0.3", "0.6", "mixed")


def draw(problems: int, samples: int, accuracy: float, kind: str, generator: np.random.Generator) -> np.ndarray:
    """Share of right samples a problem: difficulties from a Beta distribution with intraclass correlation `kind`, or `mixed`.

    `mixed`: a problem is within reach with probability 2 × accuracy (at most 1), and then solved half of the time on average.
    """
    return generator.binomial(samples, chances(problems, accuracy, kind, generator)) / samples


def chances(problems: int, accuracy: float, kind: str, generator: np.random.Generator) -> np.ndarray:
    """The solve rates of `draw`."""
    if kind == "mixed":
        reach = min(1.0, 2 * accuracy)
        chance = generator.beta(2 * accuracy / reach, 2 * (1 - accuracy / reach), size=problems)
        return np.where(generator.random(problems) < reach, chance, 0.0)
    strength = 1 / float(kind) - 1
    return generator.beta(accuracy * strength, (1 - accuracy) * strength, size=problems)


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


RELATIONS = ("apart", "kept")


def draw_pair(
    problems: int, samples: int, accuracies: tuple[float, float], kind: str, relation: str, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of right samples of two models on the same problems, with those mean accuracies; difficulties as of `draw`.

    Solve rates of both are drawn apart, or half of the problems kept that of the first (`kept`) and the rest makes up the difference.
    """
    first, second = accuracies
    before = chances(problems, first, kind, generator)
    if relation == "kept":
        fresh = chances(problems, 2 * second - first, kind, generator)
        after = np.where(generator.random(problems) < 0.5, before, fresh)
    else:
        after = chances(problems, second, kind, generator)
    return generator.binomial(samples, before) / samples, generator.binomial(samples, after) / samples


def difference_coverage(
    problems: int, samples: int, accuracies: tuple[float, float], kind: str, relation: str, repeats: int, seed: int
) -> tuple[float, float, float]:
    """How often the interval of the difference of two models holds the true one, its mean width, and the width of an oracle's.

    The oracle knows the true standard error and takes 1.96 of it to both sides. It cannot be had: see `least_half_width`.
    """
    generator = np.random.default_rng([seed, problems, samples, *(round(a * 1e6) for a in accuracies)])
    truth, held, widths, values = accuracies[1] - accuracies[0], 0, [], []
    for _ in range(repeats):
        before, after = draw_pair(problems, samples, accuracies, kind, relation, generator)
        estimate = difference(after, before, samples)
        low, high = estimate.interval()
        held += low <= truth <= high
        widths.append(high - low)
        values.append(estimate.value)
    return held / repeats, float(np.mean(widths)), 2 * 1.96 * float(np.std(values))


def least_half_width(problems: int, samples: int, kind: str, level: float = 0.935) -> float:
    """The accuracy (0–0.5) at which a share 1 − `level` of all data sets of `problems` × `samples` holds no right sample.

    Difficulties are those of `draw`. Where no sample of either model is right, the interval of a difference has to reach as far both ways:
    it would else miss a run that is so good, beside a base model that solves nothing, more often. The data look the same in both worlds.
    """
    from scipy.optimize import brentq
    from scipy.special import betaln

    def none_right(accuracy: float) -> float:
        reach = min(1.0, 2 * accuracy) if kind == "mixed" else 1.0
        strength = 2.0 if kind == "mixed" else 1 / float(kind) - 1
        right, wrong = accuracy / reach * strength, (1 - accuracy / reach) * strength
        return 1 - reach + reach * float(np.exp(betaln(right, wrong + samples) - betaln(right, wrong)))

    return float(brentq(lambda accuracy: none_right(accuracy) ** problems - (1 - level), 1e-7, 0.499))


def difference_lines(problems: Sequence[int], pairs: Sequence[tuple[float, float]], samples: int, repeats: int, seed: int) -> Iterator[str]:
    """The simulation of differences as a table, line by line: coverage, widths and their ratio in every setting."""
    names = ("base", "run", "alike", "rates", "held %", "width", "oracle", "ratio")
    yield f"{'problems':>8}{''.join(f'{name:>7}' for name in names)}   (widths in points)"
    for count, pair, kind, relation in itertools.product(problems, pairs, KINDS, RELATIONS):
        held, width, oracle = difference_coverage(count, samples, pair, kind, relation, repeats, seed)
        ratio = f"{width / oracle:.2f}" if oracle else "–"  # too few data sets, which are all alike
        cells = (*pair, kind, relation, f"{100 * held:.1f}", f"{100 * width:.1f}", f"{100 * oracle:.1f}", ratio)
        yield f"{count:>8}{''.join(f'{cell:>7}' for cell in cells)}"
