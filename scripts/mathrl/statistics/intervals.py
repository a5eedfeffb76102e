"""95 % intervals for scores whose samples come in groups: n samples of one problem are not n independent observations.

Three tools cover every number of the score table:

- `mean_interval` for the mean of one value per problem in [0, 1] (pass@1, pass@k, maj@n, boxed rate …);
- `combine` for weighted sums and differences of independent scores (the mean over benchmarks, the contamination contrast);
- `difference` for two scores on the same problems (a run and the base model).

All three are asymmetric near 0 and 1 and stay inside their range. docs/reference/evaluation.md says how the first was chosen.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
# Chosen by simulation over 30–500 problems × 16 samples, 0.5–60 % accuracy and five kinds of problem sets
# (scripts/simulate_intervals.py repeats it).
PRIOR_CORRELATION = 0.4
PRIOR_WEIGHT = 0.5
EXTRA_FREEDOM = 4.0
LOOSE = 0.2  # below this correlation the problems say more about how alike their samples are: up to
LOOSE_FREEDOM = 2.0  # so many more degrees of freedom for each that says anything
Interval = tuple[float, float]


@functools.lru_cache(maxsize=4096)
def t_quantile(freedom: float, level: float = LEVEL) -> float:
    """Two-sided quantile of Student's distribution with at least one degree of freedom."""
    from scipy.stats import t

    return float(t.ppf(0.5 + level / 2, max(freedom, 1.0)))


def correlation(values: np.ndarray, samples: float) -> float:
    """How alike the samples of one problem are (intraclass correlation, 0–1), from one mean of `samples` samples a problem.

    The estimate is drawn towards PRIOR_CORRELATION as if by PRIOR_WEIGHT further problems that are neither all right nor all
    wrong: with two solved problems of thirty the observed spread says next to nothing.
    """
    mean = float(values.mean())
    informative = _informative(values)
    share = 0.0
    if informative and samples > 1:
        spread = float(values.var(ddof=1)) / (mean * (1 - mean))
        share = min(max((spread - 1 / samples) / (1 - 1 / samples), 0.0), 1.0)
    return (informative * share + PRIOR_WEIGHT * PRIOR_CORRELATION) / (informative + PRIOR_WEIGHT)


def _informative(values: np.ndarray) -> int:
    """Problems on the rarer side: solved at least once, or failed at least once."""
    return int(min(np.count_nonzero(values > 0), np.count_nonzero(values < 1)))


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
    """Interval for the mean of one value per problem in [0, 1], each value the mean of `samples` samples.

    Wilson's interval for the number of independent observations that the samples amount to. Its quantile is Student's, with
    few degrees of freedom where few problems say how alike their samples are, and normal where there is one sample a problem.
    """
    array = np.asarray(values, dtype=float)
    problems = array.size
    if problems == 0:
        return 0.0, 1.0
    if problems == 1 or samples <= 1:
        return wilson(float(array.mean()), problems, t_quantile(math.inf, level))
    alike = correlation(array, samples)
    size = problems / (alike + (1 - alike) / samples)
    loose = max(0.0, 1 - alike / LOOSE)
    freedom = min(problems - 1.0, _informative(array) * (1 + LOOSE_FREEDOM * loose) + EXTRA_FREEDOM)
    return wilson(float(array.mean()), size, t_quantile(round(freedom, 1), level))


def unbounded_mean_interval(values: Sequence[float] | np.ndarray, level: float = LEVEL) -> Interval | None:
    """Student's t interval for the mean of one unbounded value per problem (tokens); None for fewer than two problems."""
    array = np.asarray(values, dtype=float)
    if array.size < 2:
        return None
    half = t_quantile(array.size - 1.0, level) * float(array.std(ddof=1)) / math.sqrt(array.size)
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
    return wilson(ratio, float(np.clip(size, min(problems, total), total)), t_quantile(problems - 1.0, level))


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


def difference(values: np.ndarray, others: np.ndarray, samples: float = 1.0, level: float = LEVEL) -> tuple[float, float, float]:
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


def mean_difference(differences: Sequence[np.ndarray], samples: Sequence[float], level: float = LEVEL) -> tuple[float, float, float]:
    """(value, low, high) of the unweighted mean over benchmarks of the mean paired difference on each.

    `differences` holds one array a benchmark, a difference of shares per problem, each of `samples` samples. Student's interval
    over problems within benchmarks, with Welch and Satterthwaite's degrees of freedom; two differences of one sample, one up and
    one down, are added to each benchmark's spread, so that a benchmark where nobody solves anything is not taken for certain.
    (`combine` of paired differences holds too, but is twice as wide: the caution of its smallest parts adds up.)
    """
    parts = len(differences)
    value = sum(float(part.mean()) for part in differences) / parts
    squares, weights = [], []
    for part, size in zip(differences, samples, strict=True):
        freedom = max(len(part) - 1, 1)
        spread = (float(((part - part.mean()) ** 2).sum()) + 2 / max(size, 1.0) ** 2) / freedom
        squares.append(spread / len(part) / parts**2)
        weights.append(squares[-1] ** 2 / freedom)
    half = t_quantile(sum(squares) ** 2 / sum(weights), level) * math.sqrt(sum(squares))
    return value, max(-1.0, value - half), min(1.0, value + half)
