"""The tables of cases.py, both ways where the types are equal."""

import pytest
from mathrl.grading import STATUSES, equivalent, extract_boxed, grade, judge

from .cases import BOXES, CASES, UNGRADABLE_GOLDS


@pytest.mark.parametrize(("answer", "gold", "same", "reason"), CASES, ids=[f"{a} ~ {g}: {r}" for a, g, _, r in CASES])
def test_equivalence(answer, gold, same, reason):
    assert equivalent(answer, gold) is same, reason


@pytest.mark.parametrize(("answer", "gold", "same", "reason"), CASES, ids=[f"{a} ~ {g}: {r}" for a, g, _, r in CASES])
def test_a_box_changes_nothing(answer, gold, same, reason):
    result = grade(rf"Hence \boxed{{{answer}}} is it.", gold)
    assert (result.correct, result.format) == (same, True), reason
    assert result.score == pytest.approx(0.1 + 0.9 * same)
    assert result.status in STATUSES


@pytest.mark.parametrize(("response", "content", "reason"), BOXES, ids=[r for *_, r in BOXES])
def test_extraction(response, content, reason):
    assert extract_boxed(response) == content, reason


@pytest.mark.parametrize("gold", UNGRADABLE_GOLDS)
def test_a_gold_that_is_no_answer_is_a_status(gold):
    assert grade(rf"\boxed{{{gold or 'x'}}}", gold).status == "unparsed_gold"


def test_no_box_scores_nothing():
    assert grade("The answer is 42", "42").status == "no_box"
    assert grade("The answer is 42", "42").score == 0.0
    assert grade("The answer is 42", "42", extraction="lenient").correct
    assert grade("First 7, then 42", "42", extraction="lenient").correct


def test_a_change_of_mind_is_not_joined():
    assert grade(r"\boxed{17} no: \boxed{42}", "42").correct
    assert not grade(r"\boxed{42} no: \boxed{17}", "42").correct
    assert not grade(r"\boxed{17} no: \boxed{42}", "17, 42").correct


def test_parts_of_one_answer_are_joined():
    assert grade(r"\boxed{(98, 2)} \quad \text{and} \quad \boxed{(99, 503)}", "(98, 2), (99, 503)").correct
    assert grade(r"$\boxed{3}$ and $\boxed{5}$", r"\{3, 5\}").correct
    assert not grade(r"$\boxed{3}$ and $\boxed{5}$", "3").correct


def test_golds_that_are_whole_solutions():
    assert grade(r"\boxed{14916}", r"Since $1+4=5$ … Therefore, $\boxed{14{,}916}$ is our answer.").correct
    assert grade(r"\boxed{1, 2}", r"\(\boxed{1}\) and \(\boxed{2}\)").correct


@pytest.mark.parametrize("response", [None, 7, b"\\boxed{1}"])
def test_a_response_that_is_no_text(response):
    assert grade(response, "1").status == "no_box"


def test_symbolic_golds_may_ask_the_algebra_system(monkeypatch):
    monkeypatch.setattr(judge.pool_for(judge.ALGEBRA), "cap", 60.0)  # a loaded machine must not decide this test
    answer, gold = r"\dot{x} + y", r"y + \dot{x}"
    assert judge._decide(answer, gold) == ("unparsed_gold", True), "our grammar does not read it"
    assert equivalent(answer, gold)
    assert not equivalent(r"2\dot{x} + y", gold)
    assert not judge._decide(r"x + y", gold)[1], "other commands: nothing to ask"
