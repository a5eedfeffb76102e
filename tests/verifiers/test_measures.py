"""Ensembles and how good verifiers are, by hand and on labelled sets."""

import pytest
from mathrl.config.verifiers import Settings
from mathrl.core.files import UserError, read_jsonl
from mathrl.demo.steps import step_set
from mathrl.verifiers import ensemble, measures
from mathrl.verifiers.arithmetic import Arithmetic
from mathrl.verifiers.interface import aggregate, first_wrong
from mathrl.verifiers.measure_all import markdown, measure_all
from support import real_data


@pytest.mark.parametrize(
    ("how", "scores"),
    [
        ("vote", [1.0, 2 / 3, 1 / 3]),
        ("min", [0.6, 0.2, 0.1]),
        ("mean", [0.8, 0.5, 0.3]),
        ("lower_bound", [0.8 - 0.16329931618554522, 0.5 - 0.21602468994692867, 0.3 - 0.21602468994692867]),
    ],
)
def test_combining(how, scores):
    members = [[1.0, 0.6, 0.6], [0.8, 0.7, 0.2], [0.6, 0.2, 0.1]]
    assert ensemble.combine(members, how, [0.5] * 3) == pytest.approx(scores)
    assert ensemble.disagreement(members, [0.5] * 3) == pytest.approx([0, 2 / 3, 2 / 3])


def test_an_ensemble_is_never_above_its_best_member():
    members = [[0.9, 0.1], [0.4, 0.3]]
    for how in ("min", "mean", "lower_bound"):
        assert all(
            own <= max(parts) for own, parts in zip(ensemble.combine(members, how, [0.5] * 2), zip(*members, strict=True), strict=True)
        )


def test_aggregates():
    assert [aggregate([0.5, 0.8], how) for how in ("min", "last", "mean", "product")] == pytest.approx([0.5, 0.8, 0.65, 0.4])
    assert aggregate([], "min") == 0.0 and first_wrong([0.9, 0.4, 0.1], 0.5) == 1 and first_wrong([], 0.5) is None
    with pytest.raises(UserError, match="aggregate 'max'"):
        aggregate([1.0], "max")


def test_figures_by_hand():
    rows = [
        {"steps": ["a", "b", "c"], "first_error": 1, "kind": "slip"},
        {"steps": ["a", "b"], "first_error": 0, "kind": "slip"},
        {"steps": ["a", "b"], "first_error": None},
        {"steps": ["a"], "first_error": None},
    ]
    found = measures.measure(rows, [[0.9, 0.2, 0.0], [0.6, 0.1], [0.8, 0.4], [1.0]], 0.5)
    assert (found["named"]["value"], found["clean"]["value"], found["f1"]["value"]) == (0.5, 0.5, 0.5)
    assert found["f1"]["low"] <= 0.5 <= found["f1"]["high"] and found["f1"]["n"] == 4
    assert found["false_flags"] == {"value": 1 / 4, "n": 4}, "of a, a, b and a; what follows an error is not counted"
    assert found["kinds"] == {"slip": {"value": 0.5, "n": 2}} and found["calibration"]["n"] == 6
    assert found["calibration"]["brier"] == pytest.approx((0.01 + 0.04 + 0.36 + 0.04 + 0.36 + 0) / 6)
    assert measures.harmonic(0, 0) == 0 and measures.first_error_f1([], [True])["f1"]["value"] is None


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    import numpy

    rng = numpy.random.default_rng(0)
    held = 0
    for _ in range(200):
        found = measures.first_error_f1(list(rng.random(80) < 0.8), list(rng.random(70) < 0.9))
        held += found["f1"]["low"] <= measures.harmonic(0.8, 0.9) <= found["f1"]["high"]
    assert 0.88 <= held / 200 <= 0.99


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"problem": "p", "steps": [], "first_error": None}, "one at least"),
        ({"problem": "p", "steps": ["a", 1], "first_error": None}, "list of texts"),
        ({"problem": 1, "steps": ["a"], "first_error": None}, "must be a text"),
        ({"problem": "p", "steps": ["a"], "first_error": -1}, "first_error is -1; it must be null or a step's number, 0 to 0"),
        ({"problem": "p", "steps": ["a"], "first_error": True}, "first_error is True"),
    ],
)
def test_bad_step_sets_are_refused(row, why):
    with pytest.raises(UserError, match=f"sets.jsonl: line 1: .*{why}"):
        measures.usable([row], "sets.jsonl")


def test_a_solution_that_ends_before_its_first_error_is_left_out_and_counted(capsys):
    whole, cut = ({"problem": "p", "steps": ["a", "b"], "first_error": wrong} for wrong in (1, 2))
    assert measures.usable([cut, *[whole] * 199], "sets.jsonl") == [whole] * 199
    assert capsys.readouterr().err == "notice: sets.jsonl: 1 of 200 solutions end before their first error; left out\n"


def test_steps_that_are_counted_from_one_are_refused():
    rows = [{"problem": "p", "steps": ["a", "b", "c"], "first_error": wrong} for wrong in (1, 1, 2, 2, 3, None)]
    with pytest.raises(UserError, match=r"sets.jsonl: 1 of 5 solutions end before their first_error; steps are counted from 0"):
        measures.usable(rows, "sets.jsonl")


def test_a_table_of_verifiers_and_their_ensemble():
    rows = step_set(seed=9, count=200)
    arithmetic = Arithmetic().score([], [row["steps"] for row in rows])
    blind = [[1.0] * len(row["steps"]) for row in rows]
    settings = {
        "steps": Settings("steps", "arithmetic"),
        "blind": Settings("blind", "mine:blind"),
        "both": Settings("both", "ensemble", own={"of": ["steps", "blind"], "combine": "min"}),
    }
    scores = {"steps": {"demo": arithmetic}, "blind": {"demo": blind}}
    found = measure_all(settings, {"demo": rows}, scores)["demo"]
    assert found["verifiers"]["both"]["f1"] == found["verifiers"]["steps"]["f1"] and found["verifiers"]["blind"]["f1"]["value"] == 0
    kinds = found["verifiers"]["steps"]["kinds"]
    assert kinds["first"]["value"] == kinds["second"]["value"] == 1 and kinds["guess"]["value"] == kinds["copied"]["value"] == 0
    assert found["checkable"] == pytest.approx(0.6), "two of five kinds of planted errors write a false equality, one a true one"
    text = markdown({"demo": found})
    assert "60.0 % of the wrong steps" in text and "| both | ensemble |" in text
    with pytest.raises(UserError, match="verifier blind: has scores of 0 of the 200 solutions of demo"):
        measure_all(settings, {"demo": rows}, {"steps": {"demo": arithmetic}})


@pytest.mark.parametrize(("name", "least", "most"), [("bigbench_mistake_arithmetic.jsonl", 0.85, 1.0), ("prmbench_p1.jsonl.gz", 0.0, 0.2)])
def test_arithmetic_on_published_sets(name, least, most):
    rows = measures.usable(list(read_jsonl(real_data.path(f"steps/{name}"))), name)
    scores = Arithmetic().score([row["problem"] for row in rows], [row["steps"] for row in rows])
    found = measures.measure(rows, scores, 0.5)["f1"]
    assert least <= found["value"] <= most and found["low"] < found["value"] < found["high"], found
