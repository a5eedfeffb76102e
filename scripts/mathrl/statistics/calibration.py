"""A/A: how often runs that differ in their seed alone are claimed to differ, by the very comparison of the score table."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence

from mathrl.core.files import UserError
from mathrl.statistics.comparisons import Results, compare
from mathrl.statistics.intervals import t_quantile, wilson
from mathrl.statistics.records import Calibration, Column

LEAST = 4  # seeds: two groups of two
MOST = 400  # comparisons; more are drawn by lot, with a fixed seed
HIGH_SHARE = 0.10  # upper limit of the share of false claims above which it is "not shown"


class Calibrated(Calibration):
    """With the interval from leaving out one seed at a time alone, and how many comparisons share no run.

    Here, not in `records`, which training imports: a field there would make a training another.
    """

    jackknife: tuple[float, float]
    disjoint: int


def calibrate(runs: Sequence[Results], benchmarks: Sequence[str], key: Column = "correct", group: int | None = None) -> Calibrated:
    """Compare groups of `runs`, replicates of one another, with as many others, and count p < 0.05.

    `group` is how many seeds a side has (default: as many as leave one seed for the jackknife, two to five). The interval is a jackknife
    over seeds (`jackknife`), because comparisons share runs; it is no narrower than that of as many independent comparisons as there are
    `disjoint` ones, so that few seeds show nothing, whatever comes.
    `one_seed` is the share of pairs of single runs whose interval over problems excludes 0: why one seed has no p value.

    Raises:
        UserError: fewer than four seeds, or they were not evaluated alike: a comparison that cannot be made is none without a claim.
    """
    if len(runs) < LEAST:
        raise UserError(f"calibration: {len(runs)} seeds of one run are evaluated, {LEAST} are needed; give the run seeds: [1, 2, 3, 4, …]")
    if group and 2 * group > len(runs):
        raise UserError(f"calibration: two groups of {group} seeds need {2 * group}, and {len(runs)} are evaluated; lower GROUP (--group)")
    _check_evaluated(runs, benchmarks, key)
    size = group or max(2, min(5, (len(runs) - 1) // 2))
    splits = _splits(len(runs), size)
    claims = {split: _claims(runs, split, benchmarks, key) for split in splits}
    share = sum(claims.values()) / len(claims)
    low, high = jackknife(len(runs), lambda left: _share(claims, left), share)
    disjoint = len(runs) // (2 * size)
    bound = wilson(share, disjoint, t_quantile(math.inf))
    pairs = list(itertools.combinations(range(len(runs)), 2))
    apart = 0
    for first, second in pairs:
        found = compare([runs[first]], [runs[second]], benchmarks, key)
        apart += bool(found and not found["mean"]["low"] <= 0 <= found["mean"]["high"])
    return {
        "seeds": len(runs),
        "group": size,
        "pairs": len(claims),
        "share": share,
        "low": min(low, bound[0]),
        "high": max(high, bound[1]),
        "jackknife": (low, high),
        "disjoint": disjoint,
        "one_seed": apart / len(pairs),
        "one_seed_pairs": len(pairs),
    }


def _check_evaluated(runs: Sequence[Results], benchmarks: Sequence[str], key: Column) -> None:
    if not benchmarks:
        raise UserError("calibration: no benchmark is evaluated with every seed; evaluate them alike")
    for name in benchmarks:
        tables = [run[name]["per_problem"] for run in runs]
        if any(all(value is None for value in table.get(key) or ()) for table in tables):
            raise UserError(f"calibration: {name} is not evaluated with every seed for this metric ({key}); choose another (--metric)")
        if not set.intersection(*(set(table["id"]) for table in tables)):
            raise UserError(f"calibration: the seeds have no problem of {name} in common; evaluate them alike")


def seeds_needed(size: int) -> int:
    """The fewest seeds with which the upper limit can be `HIGH_SHARE`, `size` a side, if no comparison claims anything."""
    disjoint = 1
    while wilson(0.0, disjoint, t_quantile(math.inf))[1] > HIGH_SHARE:
        disjoint += 1
    return 2 * size * disjoint


Split = tuple[tuple[int, ...], tuple[int, ...]]


def _splits(seeds: int, size: int) -> list[Split]:
    """Pairs of disjoint groups of `size` seeds, all or MOST of them."""
    every = (
        [
            (first, second)
            for first in itertools.combinations(range(seeds), size)
            for second in itertools.combinations([s for s in range(seeds) if s not in first], size)
            if first < second
        ]
        if math.comb(seeds, size) * math.comb(seeds - size, size) <= 20_000
        else []
    )
    lot = random.Random(0)
    if every:
        return every if len(every) <= MOST else lot.sample(every, MOST)
    drawn = (lot.sample(range(seeds), 2 * size) for _ in range(MOST))
    return list({(tuple(sorted(d[:size])), tuple(sorted(d[size:]))) for d in drawn})


def _claims(runs: Sequence[Results], split: Split, benchmarks: Sequence[str], key: Column) -> bool:
    found = compare([runs[i] for i in split[0]], [runs[i] for i in split[1]], benchmarks, key, seeds=True)
    return found is not None and found["p"] is not None and found["p"] < 0.05


def _share(claims: dict[Split, bool], left: int) -> float | None:
    """Share of claims among comparisons without seed `left`."""
    kept = [claimed for split, claimed in claims.items() if left not in split[0] + split[1]]
    return sum(kept) / len(kept) if kept else None


def jackknife(seeds: int, without: Callable[[int], float | None], whole: float) -> tuple[float, float]:
    """95 % interval in [0, 1] of a share over `seeds`, from what it is `without` each of them; [0, 1] where that cannot be had."""
    shares = [without(seed) for seed in range(seeds)]
    found = [share for share in shares if share is not None]
    if len(found) < seeds:
        return 0.0, 1.0
    mean = sum(found) / seeds
    error = math.sqrt((seeds - 1) / seeds * sum((share - mean) ** 2 for share in found))
    half = t_quantile(seeds - 1.0) * error
    return max(0.0, whole - half), min(1.0, whole + half)
