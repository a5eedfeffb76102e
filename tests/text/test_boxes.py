"""The last box of a solution, and that the grader finds the same boxes."""

import pytest
from mathrl.grading import extract_boxed
from mathrl.text.boxes import boxes, last_boxed

CASES = [
    (r"\boxed{1} and \boxed{2", "1", "an unbalanced box is passed over"),
    (r"so $\boxed{3}$ or rather \boxed{\frac{2 \pi}{d^{2}}} m", r"\frac{2 \pi}{d^{2}}", "nested braces"),
    (r"$\boxed 5$.", "5", "a box without braces"),
    (r"\boxed{1}, no: \fbox {2}", "2", "fbox, and a blank before the brace"),
    (r"\boxed{x = \boxed{5}}", "5", "a box in a box"),
    (r"\boxed{\left\{ 3 \right.}", r"\left\{ 3 \right.", "an escaped brace opens nothing"),
    (r"\boxed 5 or \boxed{6}", "6", "the later one of both kinds"),
    ("no box", None, "none"),
    (r"\boxed{", None, "one that is never closed"),
]


@pytest.mark.parametrize(("text", "content", "reason"), CASES, ids=[reason for *_, reason in CASES])
def test_last_box(text, content, reason):
    assert last_boxed(text) == content, reason


def test_the_grader_finds_the_same_last_box():
    """`\\boxed 5` and boxes in boxes aside, which its own rules are for."""
    for text in (r"\boxed{1} \boxed{2", r"a \boxed{\{1, 2\}} b", r"\fbox{x} then \boxed{ y }", r"\boxed{" * 50 + "}" * 30):
        found = boxes(text)
        assert (found[-1][2].strip() if found else None) == extract_boxed(text)


def test_a_hostile_text_takes_no_time():
    assert last_boxed(r"\boxed{" * 100_000) is None
