"""95 % intervals for scores whose samples come in groups: n samples of one problem are not n independent observations.

Two tools cover every number of the score table:

- `mean_interval` for the mean of one value per problem in [0, 1] (pass@1, pass@k, maj@n, boxed rate …) on one benchmark. It is
  asymmetric near 0 and 1;
- `weighted_mean` for whatever adds up several of them, or compares two models on the same problems (the mean over benchmarks, run − base,
  the contamination contrast): an `Estimate` with its standard error, Student's interval and the smallest difference that it can show.

`combine` adds intervals where only their limits are known. docs/reference/evaluation.md says how they were chosen.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mathrl.statistics.records import Effect

LEVEL = 0.95
# Chosen by simulation over 30–1,319 problems × 16 samples, 0.2–90 % accuracy and five kinds of problem sets
# (scripts/simulate_intervals.py repeats it).
PRIOR_CORRELATION = 0.6
PRIOR_WEIGHT = 0.5
NOTHING_SOLVED = 0.4  # the correlation where no problem says anything
EXTRA_FREEDOM = 4.0
LOOSE = 0.2  # below this correlation the problems say more about how alike their samples are: up to
LOOSE_FREEDOM = 2.0  # so many more degrees of freedom for each that says anything
TAIL = 0.8  # of the level that one side may miss where few are right: Wilson's lower limit alone misses up to 16 % there
PSEUDO = 0.4  # square of the deviation of the pseudo-problem of a benchmark in a mean of one model, for samples that are all alike
DOMINATES, DOMINATES_POWER = 2.0, 4  # how much more it is where the benchmark dominates, by its share of the mean's weight to a power
PAIR_WEIGHT = 4.0  # problems that the assumed size of a pseudo-problem counts as: the sizes of two or three seen ones say little
POWER = 0.8  # of the smallest difference that is told
Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A value, and the variances that it has for several reasons at once, each with its degrees of freedom.

    With one reason its interval is Student's. With several (problems, and seeds of training) the half-widths add in squares, each with
    its own quantile (Graybill and Wang 1980): with two or three seeds, Satterthwaite's degrees of freedom would claim too often.
    """

    value: float
    parts: tuple[tuple[float, float], ...]

    @property
    def error(self) -> float:
        """Standard error."""
        return math.sqrt(sum(variance for variance, _ in self.parts))

    def half(self, level: float = LEVEL) -> float:
        """Half the width of the interval."""
        return math.sqrt(sum(variance * t_quantile(freedom, level) ** 2 for variance, freedom in self.parts))

    def interval(self, least: float = -1.0, most: float = 1.0, level: float = LEVEL) -> Interval:
        """The interval, cut at `least` and `most`."""
        half = self.half(level)
        return max(least, self.value - half), min(most, self.value + half)

    @property
    def p(self) -> float:
        """Two-sided p value of no difference: the level at which the interval just holds 0. Never 0."""
        from scipy.optimize import brentq
        from scipy.stats import t

        if not self.error:
            return SMALLEST if self.value else 1.0

        def beyond(log_p: float) -> float:
            quantiles = [float(t.isf(math.exp(log_p) / 2, max(freedom, 1.0))) for _, freedom in self.parts]
            return math.hypot(*(q * math.sqrt(v) for q, (v, _) in zip(quantiles, self.parts, strict=True))) - abs(self.value)

        lowest = math.log(SMALLEST)
        if beyond(lowest) <= 0:
            return SMALLEST
        return math.exp(brentq(beyond, lowest, 0.0)) if beyond(0.0) < 0 else 1.0

    @property
    def smallest(self) -> float:
        """The smallest true difference that such an experiment shows at 5 % with 80 % power."""
        quantiles = [t_quantile(freedom) + t_quantile(freedom, 2 * POWER - 1) for _, freedom in self.parts]
        return math.sqrt(sum(variance * quantile**2 for (variance, _), quantile in zip(self.parts, quantiles, strict=True)))

    def cell(self, n: int, least: float = -1.0, most: float = 1.0) -> Effect:
        """{value, low, high, smallest, n} of a comparison of `n` problems (or runs)."""
        low, high = self.interval(least, most)
        return {"value": self.value, "low": low, "high": high, "smallest": self.smallest, "n": n}


SMALLEST = 1e-12  # of a p value that is told


@functools.lru_cache(maxsize=4096)
def t_quantile(freedom: float, level: float = LEVEL) -> float:
    """Two-sided quantile of Student's distribution with at least one degree of freedom."""
    from scipy.stats import t

    return float(t.ppf(0.5 + level / 2, max(freedom, 1.0)))


def correlation(values: np.ndarray, samples: float) -> float:
    """How alike the samples of one problem are (intraclass correlation, 0–1), from one mean of `samples` samples a problem.

    The estimate is drawn towards PRIOR_CORRELATION as if by PRIOR_WEIGHT further problems that are neither all right nor all
    wrong: with two solved problems of thirty the observed spread says next to nothing, and is more often too small than too large.
    """
    mean = float(values.mean())
    informative = _informative(values)
    if not informative:
        return NOTHING_SOLVED
    share = 0.0
    if samples > 1 and len(values) > 1:
        spread = float(values.var(ddof=1)) / (mean * (1 - mean))
        share = min(max((spread - 1 / samples) / (1 - 1 / samples), 0.0), 1.0)
    return (informative * share + PRIOR_WEIGHT * PRIOR_CORRELATION) / (informative + PRIOR_WEIGHT)


def _informative(values: np.ndarray) -> int:
    """Problems on the rarer side: solved at least once, or failed at least once."""
    return int(min(np.count_nonzero(values > 0), np.count_nonzero(values < 1)))


def wilson(mean: float, size: float, quantile: float) -> Interval:
    """Wilson's score interval for a share `mean` of `size` (may be fractional) observations.

    Where few are right (or wrong) its nearer limit is too near: no limit lies inside Clopper and Pearson's of a one-sided error of
    `TAIL` times the level. So modified it holds in 93 % or more of all data sets for every share and 30 problems or more.
    """
    if size <= 0:
        return 0.0, 1.0
    square = quantile * quantile
    centre = (mean + square / (2 * size)) / (1 + square / size)
    half = quantile / (1 + square / size) * math.sqrt(max(mean * (1 - mean), 0.0) / size + square / (4 * size * size))
    low = 0.0 if mean <= 0 else max(0.0, min(centre - half, mean, _exact(mean * size, size)))
    high = 1.0 if mean >= 1 else min(1.0, max(centre + half, mean, 1 - _exact((1 - mean) * size, size)))
    return low, high


def _exact(right: float, size: float) -> float:
    """Clopper and Pearson's lower limit for `right` of `size`; it lies above Wilson's where many are right, and is not needed there."""
    from scipy.special import betaincinv

    return float(betaincinv(right, size - right + 1, TAIL * (1 - LEVEL)))


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


def part_variances(parts: Sequence[np.ndarray], weights: Sequence[float], samples: Sequence[float], shared: bool = True) -> list[float]:
    """Variance of each weight × mean of `parts`, arrays with a value per problem, each the mean of as many samples as `samples` says.

    To the problems of a part two pseudo-problems are added, one that much above the mean and one below (Bonett and Price 2012 add them to
    paired shares), so that a part where nobody solves anything is not taken for certain. With `shared` all parts have one pair together,
    each in proportion to what a pair of its own would weigh: what dominates has nearly all of it, and many parts are not all cautious at
    once. Otherwise each part has a pair, as tiny groups need it.
    """
    unit = [weight**2 / ((len(part) + 1) * (len(part) + 2)) for part, weight in zip(parts, weights, strict=True)]
    total: float = sum(unit)
    pairs = [one / total for one in unit] if shared and total else [1.0] * len(unit)
    return [
        one * (float(((part - part.mean()) ** 2).sum()) + pair * 2 * typical_square(part, size))
        for one, pair, part, size in zip(unit, pairs, parts, samples, strict=True)
    ]


def typical_square(part: np.ndarray, samples: float) -> float:
    """Squared distance of the problems that say anything from what the others are: 0 or 1 for shares, −1, 0 or 1 for differences.

    Drawn as if by `PAIR_WEIGHT` further problems to what it is where the samples of a problem are as alike as `NOTHING_SOLVED` says.
    """
    off = part - np.rint(part.mean())
    prior = NOTHING_SOLVED + (1 - NOTHING_SOLVED) / max(samples, 1.0)
    return (float((off**2).sum()) + PAIR_WEIGHT * prior) / (int(np.count_nonzero(off)) + PAIR_WEIGHT)


def weighted_mean(parts: Sequence[np.ndarray], weights: Sequence[float], samples: Sequence[float], shared: bool = True) -> Estimate:
    """Σ weight × mean of independent parts, each an array with a value per problem of so many samples; `shared` as of `part_variances`."""
    value = sum(float(part.mean()) * weight for part, weight in zip(parts, weights, strict=True))
    return _welch(value, part_variances(parts, weights, samples, shared), [len(part) + 1.0 for part in parts])


def _welch(value: float, variances: Sequence[float], freedoms: Sequence[float]) -> Estimate:
    """`value` with the sum of independent variances, and Welch and Satterthwaite's degrees of freedom."""
    total = sum(variances)
    shares = sum(variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True))
    return Estimate(value, ((total, round(total**2 / shares, 1) if total else 1.0),))


def mean_estimate(parts: Sequence[np.ndarray], samples: Sequence[float]) -> Estimate:
    """The unweighted mean over benchmarks of the mean on each; `parts` holds one value in [0, 1] per problem.

    Each benchmark is given a pseudo-problem of square `PSEUDO`, less the more its samples differ, and up to three times that if it
    dominates the mean: then nothing makes up for how skewed it is (one of 30 problems beside one of 1,319 held in 87 %).
    """
    unit = [1 / (len(part) * max(len(part) - 1, 1)) / len(parts) ** 2 for part in parts]
    variances = []
    for part, size, one in zip(parts, samples, unit, strict=True):
        alike = correlation(part, size) if size > 1 else 1.0
        square = PSEUDO * (alike + (1 - alike) / max(size, 1.0)) * (1 + DOMINATES * (one / sum(unit)) ** DOMINATES_POWER)
        variances.append(one * (float(((part - part.mean()) ** 2).sum()) + square))
    return _welch(sum(float(part.mean()) for part in parts) / len(parts), variances, [max(len(part) - 1.0, 1.0) for part in parts])


def difference(values: np.ndarray, others: np.ndarray, samples: float = 1.0) -> Estimate:
    """mean(values) − mean(others) on one benchmark, paired: position i of both is the same problem."""
    return weighted_mean([values - others], [1.0], [samples])


def mean_difference(differences: Sequence[np.ndarray], samples: Sequence[float], weights: Sequence[float] | None = None) -> Estimate:
    """The mean over benchmarks (unweighted unless `weights`) of the mean paired difference on each.

    `differences` holds one array per benchmark, a difference of shares per problem, each of `samples` samples. Of one benchmark it is
    `difference`.
    """
    return weighted_mean(differences, weights or [1 / len(differences)] * len(differences), samples)


def clustered_interval(values: Sequence[float] | np.ndarray, level: float = LEVEL) -> Interval:
    """The usual interval by clustered standard errors (Miller 2024, arXiv 2411.00640): mean ± 1.96 errors over problems, as a reference.

    With equally many samples per problem its clustered error is that of the problems' means.
    """
    array = np.asarray(values, dtype=float)
    half = t_quantile(math.inf, level) * float(np.sqrt(((array - array.mean()) ** 2).sum())) / len(array)
    return float(array.mean()) - half, float(array.mean()) + half
