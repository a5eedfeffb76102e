"""95 % intervals for scores whose samples come in groups: n samples of one problem are not n independent observations.

Three tools cover every number of the score table:

- `mean_interval` for the mean of one value per problem in [0, 1] (pass@1, pass@k, maj@n, boxed rate …);
- `combine` for weighted sums and differences of independent scores (the mean over benchmarks, the contamination contrast);
- `difference` for two scores on the same problems (a run and the base model).

All three are asymmetric near 0 and 1 and stay inside their range. docs/evaluation.md says how the first was chosen.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
Interval = tuple[float, float]


@functools.lru_cache(maxsize=4096)
def _t_quantile(freedom: float, level: float = LEVEL) -> float:
    from scipy.stats import t

    return float(t.ppf(0.5 + level / 2, max(freedom, 1.0)))


def effective_size(values: np.ndarray, most: float) -> float:
    """How many independent yes/no observations hold as much information as `values` (one per problem, in [0, 1]).

    p(1 − p) over the squared standard error of the mean; at least the number of problems, at most `most` (the number of
    samples). Where the values do not differ at all the standard error says nothing and each problem counts once.
    """
    problems = len(values)
    if problems < 2:
        return float(problems)
    mean = float(values.mean())
    squared_error = float(values.var(ddof=1)) / problems
    if squared_error <= 0:
        return float(problems)
    return float(np.clip(mean * (1 - mean) / squared_error, min(problems, most), most))


def wilson(mean: float, size: float, quantile: float) -> Interval:
    """Wilson's score interval for a share `mean` of `size` (may be fractional) observations."""
    if size <= 0:
        return 0.0, 1.0
    square = quantile * quantile
    centre = (mean + square / (2 * size)) / (1 + square / size)
    half = quantile / (1 + square / size) * math.sqrt(max(mean * (1 - mean), 0.0) / size + square / (4 * size * size))
    low = 0.0 if mean <= 0 else max(0.0, min(centre - half, mean))
    high = 1.0 if mean >= 1 else min(1.0, max(centre + half, mean))
    return low, high


def mean_interval(values: Sequence[float] | np.ndarray, samples: float = 1.0, level: float = LEVEL) -> Interval:
    """Interval for the mean of one value per problem in [0, 1], each value the mean of `samples` samples."""
    array = np.asarray(values, dtype=float)
    if array.size == 0:
        return 0.0, 1.0
    size = effective_size(array, array.size * max(samples, 1.0))
    return wilson(float(array.mean()), size, _t_quantile(array.size - 1.0, level))


def unbounded_mean_interval(values: Sequence[float] | np.ndarray, level: float = LEVEL) -> Interval | None:
    """Student's t interval for the mean of one unbounded value per problem (tokens); None for fewer than two problems."""
    array = np.asarray(values, dtype=float)
    if array.size < 2:
        return None
    half = _t_quantile(array.size - 1.0, level) * float(array.std(ddof=1)) / math.sqrt(array.size)
    mean = float(array.mean())
    return mean - half, mean + half


def ratio_interval(part: np.ndarray, whole: np.ndarray, level: float = LEVEL) -> Interval:
    """Interval for sum(part) / sum(whole), both counted per problem (right answers among boxed ones), part ≤ whole."""
    total = float(whole.sum())
    if total <= 0:
        return 0.0, 1.0
    ratio = float(part.sum()) / total
    problems = int((whole > 0).sum())
    residuals = (part - ratio * whole) * (len(whole) / total)
    squared_error = float((residuals**2).sum()) / (len(whole) * max(len(whole) - 1, 1))
    size = float(problems) if squared_error <= 0 else ratio * (1 - ratio) / squared_error
    return wilson(ratio, float(np.clip(size, min(problems, total), total)), _t_quantile(problems - 1.0, level))


def combine(estimates: Sequence[tuple[float, float, float]], weights: Sequence[float]) -> tuple[float, float, float]:
    """(value, low, high) of Σ weight × estimate for independent estimates given as (value, low, high).

    The method of variance estimates recovery (Zou and Donner 2008): distances to the limits add in squares, each on the side
    where it matters; a negative weight swaps the sides.
    """
    value = below = above = 0.0
    for (estimate, low, high), weight in zip(estimates, weights, strict=True):
        value += weight * estimate
        down, up = (estimate - low, high - estimate) if weight >= 0 else (high - estimate, estimate - low)
        below += (weight * down) ** 2
        above += (weight * up) ** 2
    return value, value - math.sqrt(below), value + math.sqrt(above)


def difference(
    values: np.ndarray, others: np.ndarray, samples: float = 1.0, level: float = LEVEL
) -> tuple[float, float, float]:
    """(value, low, high) of mean(values) − mean(others), paired: position i of both is the same problem.

    Recovery as in `combine`, with the correlation between the two models' per-problem scores taken into account.
    """
    first, second = float(np.mean(values)), float(np.mean(others))
    low1, high1 = mean_interval(values, samples, level)
    low2, high2 = mean_interval(others, samples, level)
    together = 0.0
    if len(values) > 2 and np.std(values) > 0 and np.std(others) > 0:
        together = float(np.corrcoef(values, others)[0, 1])
    down, up, down2, up2 = first - low1, high1 - first, second - low2, high2 - second
    below = down * down - 2 * together * down * up2 + up2 * up2
    above = up * up - 2 * together * up * down2 + down2 * down2
    value = first - second
    return value, max(-1.0, value - math.sqrt(max(below, 0.0))), min(1.0, value + math.sqrt(max(above, 0.0)))
