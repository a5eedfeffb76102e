"""Intervals: coverage by simulation, behaviour at the edges, sums and differences."""

import numpy as np
import pytest
from mathrl.statistics.comparisons import contamination_contrast, holm, paired_values, replicates, seed_interval, sign_flip_p
from mathrl.statistics.interval_coverage import coverage, draw
from mathrl.statistics.intervals import combine, difference, mean_difference, mean_interval, ratio_interval, unbounded_mean_interval

SLACK = 0.008  # two standard errors of a coverage of 0.95 over 3,000 repeats


@pytest.mark.parametrize("problems", [30, 40, 500])
@pytest.mark.parametrize("accuracy", [0.005, 0.03, 0.2, 0.6])
def test_coverage(problems, accuracy):
    share, _ = coverage(problems, 16, accuracy, "0.3", 3000, 1, methods=("this workflow",))["this workflow"]
    assert 0.93 - SLACK <= share <= 0.98 + SLACK


@pytest.mark.full
@pytest.mark.parametrize("problems", [30, 40, 500])
@pytest.mark.parametrize("accuracy", [0.005, 0.03, 0.2, 0.6])
@pytest.mark.parametrize("kind", ["0.1", "0.6", "mixed"])
def test_coverage_on_other_problem_sets(problems, accuracy, kind):
    share, _ = coverage(problems, 16, accuracy, kind, 3000, 1, methods=("this workflow",))["this workflow"]
    assert 0.93 - SLACK <= share <= 0.98 + SLACK


def test_why_coverage_cannot_be_95_where_often_nothing_is_right():
    """30 problems × 16 at 0.5 %: a quarter of all data sets hold no right sample, and their interval must hold 0.5 % all the same.

    Such an interval cannot err on the upper side, which 2.5 % are meant for: coverage is 97.5 % at least.
    """
    generator = np.random.default_rng(2)
    sets = [draw(30, 16, 0.005, "0.1", generator) for _ in range(2000)]
    empty = np.mean([values.max() == 0 for values in sets])
    assert empty > 0.2 and mean_interval([0.0] * 30, 16)[1] > 0.005
    assert not [values for values in sets if values.max() > 0 and mean_interval(values, 16)[1] < 0.005], "no interval lies below"


def test_the_usual_bootstrap_would_not_do():
    share, _ = coverage(30, 16, 0.005, "0.3", 200, 1, methods=("percentile bootstrap",))["percentile bootstrap"]
    assert share < 0.78


def test_difference_covers_zero_when_nothing_differs():
    generator = np.random.default_rng(5)
    held = 0
    for _ in range(600):
        chance = generator.beta(0.3, 2.7, size=40)
        first, second = (generator.binomial(16, chance) / 16 for _ in range(2))
        _, low, high = difference(first, second, 16)
        held += low <= 0 <= high
    assert held / 600 >= 0.93


@pytest.mark.parametrize("lift", [1.0, 1.7])
@pytest.mark.parametrize("alike", [0.1, 0.6])
def test_mean_difference_covers_the_truth(lift, alike):
    """Six benchmarks as large and as hard as the contest's, two unrelated models, with and without a difference."""
    generator, held, repeats = np.random.default_rng(4), 0, 500
    strength = 1 / alike - 1
    sets = [(30, 0.002), (40, 0.05), (1319, 0.21), (500, 0.13), (272, 0.034), (675, 0.032)]
    truth = np.mean([accuracy * (lift - 1) for _, accuracy in sets])
    for _ in range(repeats):
        parts = []
        for size, accuracy in sets:
            first, second = (generator.beta(a * strength, (1 - a) * strength, size) for a in (accuracy * lift, accuracy))
            parts.append((generator.binomial(16, first) - generator.binomial(16, second)) / 16)
        _, low, high = mean_difference(parts, [16] * 6)
        held += low <= truth <= high
    assert 0.93 - 0.02 <= held / repeats <= 0.98 + 0.01


def test_mean_difference_is_never_certain():
    _, low, high = mean_difference([np.zeros(30), np.zeros(1)], [16, 16])
    assert low < 0 < high


@pytest.mark.parametrize(
    ("values", "samples", "why"),
    [
        ([0.0] * 30, 16, "nothing right"),
        ([1.0] * 30, 16, "everything right"),
        ([0.0] * 29 + [1 / 16], 16, "one sample right"),
        ([0.5], 16, "one problem"),
        ([], 16, "no problem"),
        ([0.0] * 30, 1, "one sample a problem"),
    ],
)
def test_edges_stay_inside_and_are_never_points(values, samples, why):
    low, high = mean_interval(values, samples)
    mean = float(np.mean(values)) if values else 0.5
    assert 0 <= low <= mean <= high <= 1 and high > low, why


def test_zero_of_thirty_is_not_zero():
    assert mean_interval([0.0] * 30, 1)[1] == pytest.approx(0.1135, abs=1e-3)  # Wilson's 0/30


def test_samples_of_one_problem_belong_together():
    alike = [1.0] * 15 + [0.0] * 15
    apart = [0.5] * 30
    width = [np.subtract(*mean_interval(values, 16)[::-1]) for values in (alike, apart)]
    assert width[0] > 2 * width[1]


def test_combine_is_the_root_of_squares_on_each_side():
    assert combine([(0.2, 0.1, 0.4), (0.5, 0.3, 0.6)], [0.5, 0.5]) == pytest.approx(
        (0.35, 0.35 - 0.5 * np.hypot(0.1, 0.2), 0.35 + 0.5 * np.hypot(0.2, 0.1))
    )
    assert combine([(0.2, 0.1, 0.4), (0.5, 0.3, 0.6)], [1, -1]) == pytest.approx(
        (-0.3, -0.3 - np.hypot(0.1, 0.1), -0.3 + np.hypot(0.2, 0.2))
    )


def test_paired_difference_is_narrower_than_unpaired():
    generator = np.random.default_rng(3)
    chance = generator.beta(0.5, 1.5, size=200)
    first, second = (generator.binomial(16, chance) / 16 for _ in range(2))
    _, low, high = difference(first, second, 16)
    (_, a, b), (_, c, d) = [(values.mean(), *mean_interval(values, 16)) for values in (first, second)]
    assert high - low < 0.6 * np.hypot(b - a, d - c)


def test_ratio_counts_boxed_answers_only():
    low, high = ratio_interval(np.array([2, 0, 1.0]), np.array([4, 0, 2.0]))
    assert low < 0.5 < high
    assert ratio_interval(np.zeros(3), np.zeros(3)) == (0.0, 1.0)


def test_unbounded_needs_two_problems():
    assert unbounded_mean_interval([5.0]) is None
    low, high = unbounded_mean_interval([4.0, 6.0])
    assert low < 4 and high > 6  # t with one degree of freedom is wide


@pytest.mark.parametrize(
    ("differences", "p", "why"),
    [
        ([], 1.0, "nothing differs"),
        ([0.0, 0.0], 1.0, "zeros say nothing"),
        ([1.0], 1.0, "one problem: both signs are as extreme"),
        ([1.0, 1.0, 1.0], 0.25, "2 of 8 sign patterns"),
        ([1.0, -1.0], 1.0, "sum zero"),
        ([1.0] * 5, 2 / 32, "2 of 32"),
    ],
)
def test_sign_flips_exactly(differences, p, why):
    assert sign_flip_p(np.array(differences)) == pytest.approx(p), why


def test_sign_flips_by_lot_agree_with_the_exact_test():
    differences = np.array([0.3, -0.1, 0.2, 0.25, 0.1, -0.05, 0.3, 0.2, 0.1, 0.15, -0.2, 0.1, 0.05, 0.2])
    exact = sign_flip_p(differences)
    doubled = sign_flip_p(np.concatenate([differences, [1e-12]]))
    assert doubled == pytest.approx(exact, abs=0.01)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def result(correct, contaminated, n=4):
    ids = [str(place) for place in range(len(correct))]
    per_problem = {"id": ids, "n": [n] * len(ids), "correct": correct, "greedy": [None] * len(ids), "contaminated": contaminated}
    return {"per_problem": per_problem, "clean_subset": {"available": True, "removing": ["exact"]}}


def test_contrast_is_the_difference_of_differences():
    contaminated = ["exact"] * 10 + [""] * 30
    base = {"a": result([2] * 10 + [1] * 30, contaminated)}
    run = {"a": result([4] * 10 + [2] * 30, contaminated)}
    found = contamination_contrast(run, base, ["a"])
    assert found["contaminated"]["value"] == pytest.approx(0.5) and found["clean"]["value"] == pytest.approx(0.25)
    assert found["contrast"]["value"] == pytest.approx(0.25)
    assert found["contrast"]["low"] < 0.25 < found["contrast"]["high"]


def test_contrast_ignores_methods_that_only_report_and_benchmarks_of_one_kind():
    assert contamination_contrast({"a": result([1, 2], ["semantic", ""])}, {"a": result([1, 1], ["", ""])}, ["a"]) is None
    assert contamination_contrast({"a": result([1, 2], ["exact"] * 2)}, {"a": result([1, 1], ["", ""])}, ["a"]) is None


def test_pairs_are_matched_by_id_not_by_place():
    first, second = result([4, 0], ["", ""]), result([0, 4], ["", ""])
    second["per_problem"]["id"].reverse()
    values, others, _ = paired_values([first], [second])
    assert values.tolist() == others.tolist() == [1.0, 0.0]


def test_replicates_differ_in_their_seed_alone():
    runs = {"a": {"lr": 1, "seed": 1}, "b": {"lr": 1, "seed": 2}, "c": {"lr": 2, "seed": 1}}
    assert replicates(runs) == {"a": ["a", "b"], "c": ["c"]}
    assert seed_interval([0.1]) is None
    assert seed_interval([0.1, 0.12])["low"] < 0.1


def test_draw_has_the_accuracy_it_says():
    generator = np.random.default_rng(0)
    for kind in ("0.3", "mixed"):
        assert draw(20000, 16, 0.2, kind, generator).mean() == pytest.approx(0.2, abs=0.01)
