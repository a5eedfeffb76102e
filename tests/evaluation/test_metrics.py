"""pass@k, majority votes, kinds of answers: hand-computed and brute-forced."""

from itertools import combinations

import pytest
from mathrl.evaluation.metrics import (
    GradedProblem,
    GradedSample,
    answer_type,
    length_band,
    majority_value,
    pass_at_k,
    subset_metric,
    summarize,
)


@pytest.mark.parametrize(
    ("correct", "n", "k", "expected", "why"),
    [
        (0, 4, 1, 0.0, "nothing right"),
        (4, 4, 1, 1.0, "all right"),
        (1, 4, 1, 0.25, "pass@1 is the share of right samples"),
        (1, 4, 2, 0.5, "1 − C(3,2)/C(4,2) = 1 − 3/6"),
        (2, 4, 2, 5 / 6, "1 − C(2,2)/C(4,2) = 1 − 1/6"),
        (1, 4, 4, 1.0, "all four drawn, one of them right"),
        (3, 16, 8, 0.9, "1 − C(13,8)/C(16,8) = 1 − 1287/12870"),
        (2, 3, 2, 1.0, "only one wrong sample: two draws must hold a right one"),
    ],
)
def test_pass_at_k_by_hand(correct, n, k, expected, why):
    assert pass_at_k(correct, n, k) == pytest.approx(expected, abs=1e-12), why


def test_pass_at_k_is_the_average_over_all_subsets():
    for n in range(1, 9):
        for correct in range(n + 1):
            samples = [True] * correct + [False] * (n - correct)
            for k in range(1, n + 1):
                subsets = list(combinations(samples, k))
                assert pass_at_k(correct, n, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-12)


@pytest.mark.parametrize(("correct", "n", "k"), [(0, 3, 4), (1, 1, 2), (0, 0, 1), (3, 2, 1), (-1, 2, 1), (1, 2, 0)])
def test_too_few_samples_are_refused(correct, n, k):
    with pytest.raises(ValueError):
        pass_at_k(correct, n, k)


def graded(letters, answers=None, identity="p"):
    """A problem whose samples are right ('1') or wrong ('0'), with the given answers."""
    problem = GradedProblem(identity, "How many?", "7")
    for number, letter in enumerate(letters):
        answer = (answers or letters)[number]
        right = letter == "1"
        status = "equal" if right else "different"
        problem.samples.append(GradedSample(number, 10, False, True, right, right, right, status, answer))
    return problem


def same_text(answers):
    order = list(dict.fromkeys(answers))
    return [order.index(answer) for answer in answers]


def test_doubling_the_samples_does_not_halve_pass_at_1():
    """lighteval issue 771: pass@1 fell to a half when n was doubled."""
    for letters in ("1000", "1100", "0001", "1111", "10"):
        once = summarize([graded(letters), graded("0" * len(letters), identity="q")], same_text)["metrics"]
        twice = summarize([graded(letters * 2), graded("0" * len(letters) * 2, identity="q")], same_text)["metrics"]
        assert once["pass@1"]["value"] == twice["pass@1"]["value"] == pytest.approx(letters.count("1") / len(letters) / 2)
        assert twice[f"avg@{2 * len(letters)}"]["value"] == once[f"avg@{len(letters)}"]["value"]


def test_pass_at_k_above_n_is_left_out():
    metrics = summarize([graded("10")], same_text)["metrics"]
    assert "pass@2" in metrics and "pass@4" not in metrics


@pytest.mark.parametrize(
    ("answers", "right", "expected", "why"),
    [
        (["7", "7", "3"], ["7"], 1.0, "clear majority"),
        (["3", "3", "7"], ["7"], 0.0, "the majority is wrong"),
        (["7", "3"], ["7"], 0.5, "a tie of two shares the point"),
        (["3", "7"], ["7"], 0.5, "the order of the samples does not matter"),
        (["7", "3", "4"], ["7"], 1 / 3, "a tie of three"),
        ([None, None, "7"], ["7"], 1.0, "samples without an answer do not vote"),
        ([None, None], ["7"], 0.0, "nobody votes"),
        (["7", "7.0", "3", "3"], ["7", "7.0"], 0.5, "equal answers in other words are one group: a tie of two pairs"),
    ],
)
def test_majority(answers, right, expected, why):
    def by_value(texts):
        return [int(float(text)) for text in texts]

    assert majority_value(answers, [answer in right for answer in answers], by_value) == pytest.approx(expected), why


def test_majority_groups_by_equivalence():
    from mathrl.grading import group_answers

    answers = ["\\frac{1}{2}", "0.5", "3", "3", "1/2"]
    assert majority_value(answers, [True, True, False, False, True], group_answers) == 1.0


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("7", "integer"),
        ("-1,234", "integer"),
        ("$45^\\circ$", "integer"),
        ("0.75", "decimal"),
        ("1.2\\times10^{-3}", "decimal"),
        ("\\frac{3}{4}", "fraction"),
        ("3/4", "fraction"),
        ("(0, \\infty)", "list or interval"),
        ("1, 2, 3", "list or interval"),
        ("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "list or interval"),
        ("x^2+1", "expression"),
        ("\\sqrt{2}", "expression"),
        ("\\text{Evelyn}", "text"),
        ("even", "text"),
    ],
)
def test_answer_type(answer, kind):
    assert answer_type(answer) == kind


def test_length_bands_meet_at_their_limits():
    assert [length_band("w " * n) for n in (25, 26, 50, 51, 100, 101)] == [
        "≤ 25 words",
        "≤ 50 words",
        "≤ 50 words",
        "≤ 100 words",
        "≤ 100 words",
        "> 100 words",
    ]


def test_a_problem_counts_once_however_many_samples_it_has():
    assert subset_metric([graded("1"), graded("0000", identity="q")])["value"] == 0.5


def test_breakdowns_count_each_problem_in_each_of_its_domains():
    first, second = graded("11"), graded("00", identity="q")
    first.domain, second.domain = ("Algebra", "Geometry"), ("Algebra",)
    cells = {c["cell"]: c for c in summarize([first, second], same_text)["breakdowns"]["domain"]}
    assert (cells["Algebra"]["n"], cells["Algebra"]["value"]) == (2, 0.5)
    assert (cells["Geometry"]["n"], cells["Geometry"]["value"]) == (1, 1.0)


def test_a_problem_without_any_response_is_named():
    with pytest.raises(ValueError, match="q: has no response"):
        subset_metric([GradedProblem("q", "How many?", "7")])


def test_accuracy_at_a_token_cap_takes_a_longer_response_for_wrong():
    """Right within 256, 512 and 1,024 tokens, one exactly at a cap, one longer than every cap; and a wrong short one."""

    def answered(identity, *samples):
        problem = GradedProblem(identity, "How many?", "7")
        for number, (tokens, right) in enumerate(samples):
            problem.samples.append(GradedSample(number, tokens, False, True, right, right, right, "equal" if right else "different", "7"))
        return problem

    first = answered("a", (100, True), (256, True), (257, True), (5000, True))
    second = answered("b", (200, False), (1024, True), (1025, True), (3000, False))
    caps = summarize([first, second], same_text)["token_caps"]
    assert {cap: found["value"] for cap, found in caps.items()} == {
        "256": (2 / 4 + 0 / 4) / 2,
        "512": (3 / 4 + 0 / 4) / 2,
        "1024": (3 / 4 + 1 / 4) / 2,
        "2048": (3 / 4 + 2 / 4) / 2,
        "4096": (3 / 4 + 2 / 4) / 2,
    }
    assert all(found["low"] < found["value"] < found["high"] and found["n"] == 2 for found in caps.values())
    short = summarize([answered("a", (100, True), (300, True))], same_text)["token_caps"]
    assert list(short) == ["256"], "a cap that cuts nothing is left out"


def test_accuracy_at_a_token_cap_of_greedy_responses():
    problem = GradedProblem("a", "How many?", "7")
    problem.greedy = GradedSample(-1, 600, False, True, True, True, True, "equal", "7")
    caps = summarize([problem], same_text)["token_caps"]
    assert {cap: found["value"] for cap, found in caps.items()} == {"256": 0.0, "512": 0.0}
