"""A simulated world whose truth is known: runs of several seeds on problems, with a gain, and how often it is claimed."""

import numpy as np
import pytest
from mathrl.config.endpoint import Endpoint
from mathrl.core.files import UserError
from mathrl.statistics.calibration import calibrate, jackknife, seeds_needed
from mathrl.statistics.comparisons import compare, compare_all
from scipy.stats import beta

SIZES = {"small": (20, 0.06), "large": (120, 0.2)}
SAMPLES = 8
MANY = 1000  # worlds: a share of 5 % is known to 1.4 points


def evaluation(right):
    ids = [str(place) for place in range(len(right))]
    columns = {
        "id": ids,
        "n": [SAMPLES] * len(ids),
        "correct": right.tolist(),
        "greedy": [None] * len(ids),
        "contaminated": [""] * len(ids),
    }
    return {"metrics": {}, "per_problem": columns, "clean_subset": {"available": False}}


def sampled(chances, generator):
    return {name: evaluation(generator.binomial(SAMPLES, chance)) for name, chance in chances.items()}


def world(generator, seeds, gain, spread):
    """A base model and `seeds` runs of one algorithm: its true gain in the mean, and each seed's own on top, normal with `spread`.

    Every problem has a solve rate of its own, and each seed learns other problems: part of what it gains is its own.
    """
    base = {name: generator.beta(accuracy, 1 - accuracy, size) for name, (size, accuracy) in SIZES.items()}
    runs = []
    for _ in range(seeds):
        lift = gain + generator.normal(0, spread)
        noise = {name: generator.normal(0, 0.03, len(chance)) for name, chance in base.items()}
        moved = {
            name: np.clip(chance + (noise[name] - noise[name].mean()) * 4 * chance * (1 - chance), 0, 1) for name, chance in base.items()
        }
        # shifted until the mean is what it must be: clipping at 0 and 1 takes part of a shift away
        runs.append({name: shifted(moved[name], base[name].mean() + lift) for name in base})
    return base, runs


def shifted(chance, mean):
    for _ in range(4):
        room = 4 * chance * (1 - chance) + 0.02
        chance = np.clip(chance + (mean - chance.mean()) * room / room.mean(), 0, 1)
    return chance


def claims(seeds, gain, spread, repeats=60, seed=1):
    """Share of worlds in which the run is claimed to differ from base, and the mean of the smallest difference that was told."""
    generator, claimed, told = np.random.default_rng([seed, seeds, round(1000 * gain), round(10_000 * spread)]), 0, []
    for _ in range(repeats):
        base, runs = world(generator, seeds, gain, spread)
        found = compare([sampled(run, generator) for run in runs], [sampled(base, generator)], list(SIZES), seeds=True)
        claimed += found["p"] < 0.05
        told.append(found["mean"]["smallest"])
    return claimed / repeats, float(np.mean(told))


def limits(share, repeats):
    """Clopper and Pearson's 95 % interval of a share of so many worlds."""
    right = round(share * repeats)
    low = beta.ppf(0.025, right, repeats - right + 1) if right else 0.0
    return low, beta.ppf(0.975, right + 1, repeats - right) if right < repeats else 1.0


@pytest.mark.parametrize("spread", [0.004, 0.016])
@pytest.mark.parametrize("seeds", [2, 4])
def test_no_gain_is_claimed_in_5_percent_at_most(seeds, spread):
    share, _ = claims(seeds, 0.0, spread)
    assert share <= 0.05 + 2 * 0.028, "two standard errors of a share of 5 % in 60 worlds"


@pytest.mark.full
@pytest.mark.parametrize("spread", [0.004, 0.01, 0.016])
@pytest.mark.parametrize("seeds", [2, 3, 4, 6])
def test_no_gain_is_claimed_in_5_percent_at_most_of_many_worlds(seeds, spread):
    """`pytest -s -m full -k many_worlds` prints the shares."""
    share, _ = claims(seeds, 0.0, spread, repeats=MANY)
    low, high = limits(share, MANY)
    print(f"\n{seeds} seeds, spread {100 * spread:.1f} points, no gain: {100 * share:.1f} % claimed [{100 * low:.1f}, {100 * high:.1f}]")
    assert low <= 0.05 and high <= 0.065


@pytest.mark.full
@pytest.mark.parametrize(("gain", "spread"), [(0.01, 0.004), (0.01, 0.016), (0.03, 0.004), (0.03, 0.016)])
def test_power_is_that_of_the_smallest_difference_in_many_worlds(gain, spread):
    """Claimed more often than in 80 % where the gain is above what is told to be seen so, and less often below it."""
    share, told = claims(4, gain, spread, repeats=MANY // 2)
    low, high = limits(share, MANY // 2)
    print(f"\ngain {100 * gain:.0f}, spread {100 * spread:.1f}: {100 * share:.1f} % claimed [{100 * low:.1f}, {100 * high:.1f}], ", end="")
    print(f"80 % told at {100 * told:.1f} points")
    assert (high >= 0.8) if gain > told else (low <= 0.8)


def test_power_is_what_is_printed():
    """A gain as large as the one that is told to be seen with 80 % power."""
    _, told = claims(4, 0.05, 0.01, repeats=20, seed=2)
    share, _ = claims(4, told, 0.01)
    assert 0.68 <= share <= 0.97, "the half-widths of problems and seeds add in squares, which is a little cautious"


@pytest.mark.full
def test_three_points_are_seen_and_one_is_not_promised():
    three, told = claims(4, 0.03, 0.004, repeats=30)
    one, _ = claims(4, 0.01, 0.004, repeats=30)
    assert three > one and told > 0.01


def test_twins_of_one_seed_differ_by_their_problems_alone_and_no_p_says_so():
    """Two runs of one algorithm: intervals over problems exclude 0 far too often; `compare_all` gives them no p value."""
    generator, apart, repeats = np.random.default_rng(5), 0, 30
    for _ in range(repeats):
        _, runs = world(generator, 2, 0.02, 0.016)
        first, second = (sampled(run, generator) for run in runs)
        found = compare([first], [second], list(SIZES))
        apart += not found["mean"]["low"] <= 0 <= found["mean"]["high"]
        assert found["p"] is None
    evals = {(model, "p", name): result for model, table in (("a", first), ("b", second)) for name, result in table.items()}
    (row,) = compare_all(evals, {"a": ["a"], "b": ["b"]}, Endpoint("p", tuple(SIZES), against=("a",)))
    assert apart / repeats > 0.1 and row["p"] is None and row["p_adjusted"] is None


def test_calibration_counts_claims_between_seeds_and_is_never_certain():
    generator = np.random.default_rng(8)
    _, runs = world(generator, 6, 0.02, 0.01)
    found = calibrate([sampled(run, generator) for run in runs], list(SIZES), group=2)
    assert found["share"] <= 0.1 and found["low"] == 0 and found["high"] > 0.1, "no 10 % can be shown with six seeds"
    assert found["disjoint"] == 1 and found["jackknife"][1] <= found["high"], "one comparison alone bounds nothing below 83 %"
    assert found["pairs"] == 45 and found["one_seed_pairs"] == 15 and found["one_seed"] >= found["share"]
    with pytest.raises(UserError, match="4 are needed"):
        calibrate([sampled(run, generator) for run in runs[:3]], list(SIZES))


@pytest.mark.parametrize(("seeds", "group"), [(5, 2), (6, 2), (8, 3), (10, 4)])
def test_calibration_leaves_a_seed_for_its_interval(seeds, group):
    """Groups of all seeds leave no comparison without one of them: the interval was 0 to 100 % whatever came."""
    generator = np.random.default_rng(9)
    _, runs = world(generator, seeds, 0.02, 0.004)
    found = calibrate([sampled(run, generator) for run in runs], list(SIZES))
    assert found["group"] == group and found["high"] < 1
    with pytest.raises(UserError, match=f"two groups of {seeds} seeds need {2 * seeds}, and {seeds} are evaluated; lower GROUP"):
        calibrate([sampled(run, generator) for run in runs], list(SIZES), group=seeds)


@pytest.mark.parametrize(
    ("benchmarks", "key", "first", "message"),
    [
        ([], "correct", 0, "no benchmark is evaluated with every seed"),
        (["small"], "greedy", 0, r"small is not evaluated with every seed for this metric \(greedy\)"),
        (["small"], "lenient", 0, r"for this metric \(lenient\)"),
        (["small"], "correct", 1000, "no problem of small in common"),
    ],
    ids=["no benchmark", "no response of that kind", "no such column", "other problems"],
)
def test_comparisons_that_cannot_be_made_do_not_count_as_made_without_a_claim(benchmarks, key, first, message):
    """It said 0 % of all claim a difference."""
    _, runs = world(np.random.default_rng(8), 4, 0.02, 0.01)
    tables = [sampled(run, np.random.default_rng(1)) for run in runs]
    columns = tables[0]["small"]["per_problem"]
    columns["id"] = [str(int(name) + first) for name in columns["id"]]
    with pytest.raises(UserError, match=message):
        calibrate(tables, benchmarks, key)


@pytest.mark.parametrize("size", [2, 4])
def test_fewer_seeds_than_are_told_can_never_show_10_percent(size):
    """If nothing at all is claimed; Wilson's limit for 0 of n is q²/(n + q²) or, where that is lower, Clopper and Pearson's at 4 %."""
    upper = {n: max(1.96**2 / (n + 1.96**2), 1 - 0.04 ** (1 / n)) for n in (seeds_needed(size) // (2 * size) - d for d in (0, 1))}
    assert sorted(high <= 0.1 for high in upper.values()) == [False, True] and seeds_needed(size) % (2 * size) == 0


def test_jackknife_of_a_mean_is_students_interval():
    values = [0.1, 0.4, 0.2, 0.6, 0.3]
    low, high = jackknife(5, lambda left: float(np.mean(np.delete(values, left))), float(np.mean(values)))
    half = 2.776445 * np.std(values, ddof=1) / 5**0.5
    assert (low, high) == (pytest.approx(np.mean(values) - half), pytest.approx(np.mean(values) + half))


def test_a_control_arm_that_gains_as_much_leaves_nothing():
    generator = np.random.default_rng(3)
    base, runs = world(generator, 6, 0.05, 0.004)
    tables = {"base": sampled(base, generator)} | {f"r{i}": sampled(run, generator) for i, run in enumerate(runs)}
    evals = {(model, "p", name): result for model, table in tables.items() for name, result in table.items()}
    groups = {"grpo": ["r0", "r1", "r2"], "random": ["r3", "r4", "r5"]}
    controls = dict.fromkeys(groups["random"], "random")
    rows = compare_all(evals, groups, Endpoint("p", tuple(SIZES), against=("base",)), controls)
    assert rows[0]["mean"]["value"] > 0.01 and rows[0]["net"]["low"] < 0 < rows[0]["net"]["high"]
