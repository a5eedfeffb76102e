"""The tables: cases.py line by line, kinds.py by kind, the rules' own examples, and the page that shows the rules."""

from pathlib import Path

import pytest
from mathrl.checks.grading_rules import RULES, written
from mathrl.grading import STATUSES, can_be_read, equivalent, extract_boxed, grade, grade_many

from .cases import ASKED, BOXES, CASES, ROUNDED, UNGRADABLE_GOLDS
from .kinds import KINDS

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/grading.md"


def response(answer: str) -> str:
    return answer if "boxed" in answer or "fbox" in answer else rf"Hence \boxed{{{answer}}}"


@pytest.mark.parametrize(("answer", "gold", "same", "reason"), CASES, ids=[f"{a} ~ {g}: {r}" for a, g, _, r in CASES])
def test_equivalence(answer, gold, same, reason):
    assert equivalent(answer, gold) is same, reason


@pytest.mark.parametrize(("answer", "gold", "same", "reason"), CASES, ids=[f"{a} ~ {g}: {r}" for a, g, _, r in CASES])
def test_a_box_changes_nothing(answer, gold, same, reason):
    result = grade(rf"Hence \boxed{{{answer}}} is it.", gold)
    assert (result.correct, result.format) == (same, True), reason
    assert result.score == pytest.approx(0.1 + 0.9 * same)
    assert result.status in STATUSES


@pytest.mark.parametrize(("right", "wrong"), [kind[2:] for kind in KINDS], ids=[kind[0] for kind in KINDS])
def test_kinds(right, wrong):
    assert [pair for pair in right if not grade(response(pair[0]), pair[1]).correct] == []
    assert [pair for pair in wrong if grade(response(pair[0]), pair[1]).correct] == []


@pytest.mark.parametrize("rule", RULES, ids=[rule["name"] for rule in RULES])
def test_each_rule_holds_for_its_examples(rule):
    assert [pair for pair in rule["right"] if not grade(response(pair[0]), pair[1]).correct] == []
    assert [pair for pair in rule["wrong"] if grade(response(pair[0]), pair[1]).correct] == []
    assert (PAGE.parents[2] / f"scripts/mathrl/grading/{rule['module']}.py").is_file()


def test_the_page_shows_the_rules():
    page = PAGE.read_text(encoding="utf-8")
    assert written(page) == page, "run: python scripts/write_grading_rules.py"


@pytest.mark.parametrize(("answer", "gold", "same", "reason"), ROUNDED, ids=[f"{a} ~ {g}: {r}" for a, g, _, r in ROUNDED])
def test_rounded_golds_are_a_property_of_the_benchmark(answer, gold, same, reason):
    assert equivalent(answer, gold, benchmark="minerva_math") is same, reason
    assert not equivalent(answer, gold) and not equivalent(answer, gold, benchmark="math500")


@pytest.mark.parametrize(("answer", "gold", "problem", "status", "reason"), ASKED, ids=[f"{a} ~ {g}: {r}" for a, g, *_, r in ASKED])
def test_the_problem_is_part_of_the_judgement(answer, gold, problem, status, reason):
    assert grade(rf"\boxed{{{answer}}}", gold, problem).status == status, reason
    assert grade_many([(rf"\boxed{{{answer}}}", gold, problem)])[0].status == status


@pytest.mark.parametrize(("text", "content", "reason"), BOXES, ids=[r for *_, r in BOXES])
def test_extraction(text, content, reason):
    assert extract_boxed(text) == content, reason


@pytest.mark.parametrize("gold", UNGRADABLE_GOLDS)
def test_a_gold_that_is_no_answer_is_a_status(gold):
    assert grade(rf"\boxed{{{gold or 'x'}}}", gold).status == "unparsed_gold"


def test_no_box_scores_nothing():
    assert grade("The answer is 42", "42").status == "no_box"
    assert grade("The answer is 42", "42").score == 0.0
    assert grade("The answer is 42", "42", extraction="lenient").correct
    assert grade("First 7, then 42", "42", extraction="lenient").correct


def test_parts_of_one_answer_are_joined():
    assert grade(r"\boxed{(98, 2)} \quad \text{and} \quad \boxed{(99, 503)}", "(98, 2), (99, 503)").correct
    assert grade(r"$\boxed{3}$ and $\boxed{5}$", r"\{3, 5\}").correct
    assert not grade(r"$\boxed{3}$ and $\boxed{5}$", "3").correct


def test_golds_that_are_whole_solutions():
    assert grade(r"\boxed{14916}", r"Since $1+4=5$ … Therefore, $\boxed{14{,}916}$ is our answer.").correct
    assert grade(r"\boxed{1, 2}", r"\(\boxed{1}\) and \(\boxed{2}\)").correct


@pytest.mark.parametrize("text", [None, 7, b"\\boxed{1}"])
def test_a_response_that_is_no_text(text):
    assert grade(text, "1").status == "no_box"


@pytest.mark.parametrize(
    ("answer", "read", "reason"),
    [
        ("42", True, "a number"),
        ("yes", True, "a word"),
        ("I do not know", False, "a sentence"),
        ("", False, "empty"),
        ("@", False, "a sign"),
    ],
)
def test_whether_a_box_holds_an_answer(answer, read, reason):
    assert can_be_read(answer) is read, reason
