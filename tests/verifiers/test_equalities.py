"""Equalities between numbers that a response writes down."""

import time

import pytest
from mathrl.core.files import read_jsonl
from mathrl.verifiers.equalities import MAX_EQUALITIES, check_equalities, check_steps
from support import real_data


@pytest.mark.parametrize(
    ("response", "checked", "true", "why"),
    [
        ("3 * 4 = 12", 1, 1, "plain"),
        ("x = 3 + 4 = 8.", 1, 0, "a wrong sum, full stop after it; x = … is not checkable"),
        ("16 - 3 - 4 = <<16-3-4=9>>9 eggs", 1, 1, "GSM8K's calculator notes are not counted twice"),
        ("9 * $2 = $18 every day", 1, 1, "currency"),
        ("4 x 3 = 12 eggs", 1, 1, "x between digits is a product"),
        ("\\(3 \\cdot (2+1) = 9\\)", 1, 1, "LaTeX product"),
        ("\\frac{1}{3} = 0.33", 1, 1, "written decimals may be rounded"),
        ("\\frac{1}{3} = 0.35", 1, 0, "but not wrong"),
        ("10/3 = 3.333...", 1, 1, "dots at the end"),
        ("2^{10} = 1024 and 1,000 + 1 = 1,001", 2, 2, "power, thousands separator, two in a line"),
        ("50 * 20% = 10", 1, 1, "percent"),
        ("1 + 1 = 2 = 3 - 1 = 4", 3, 2, "a chain counts pair by pair"),
        ("5 = 5", 0, 0, "no calculation"),
        ("2x = 4 and y + 3 = 7", 0, 0, "variables"),
        ("3 + 4 = 7x", 0, 0, "the right side goes on"),
        ("3 + 4 = 3 + y", 0, 0, "the right side is no number"),
        ("f(3) = 9 + 0", 0, 0, "a function value"),
        ("x - 3 = 2 * 4", 0, 0, "minus belongs to x"),
        ("5 <= 2 + 3, 4 != 2 + 1, a >= 1 + 1", 0, 0, "no equalities"),
        ("2\\frac{1}{2} = 5/2", 0, 0, "mixed number or product: not decided"),
        ("1. 3 + 4 = 7 (since both)", 1, 1, "list number before, remark after"),
        ("3 * 6 = \\boxed{18}, 2 + 2 = 4 \\boxed{4}", 2, 2, "a box on the right side, and one after it"),
        ("1/0 = 5 + 1", 0, 0, "no value"),
        ("9^9^9^9 = 3 * 1", 0, 0, "beyond the budget"),
        ("__import__('os').system('x') = 1 + 1", 0, 0, "nothing is run"),
        ("", 0, 0, "nothing there"),
        ("15 - 4 = 11. 11 + 9 = 20.", 2, 2, "two sentences"),
        ("15 - 4 = 11. Then 11 + 9 = 21. It is 21.", 2, 1, "the second sentence is wrong"),
        ("1/3 = 0.4", 1, 0, "0.4 is no rounding of 1/3"),
        ("2/3 = 0.7 and 2/3 = 0.67 and 2/3 = 0.66", 3, 3, "rounded, rounded, cut off after two decimals"),
        ("P(X = 4) = 35 * 2 and (2,6,3) = 4 + 9 and 1 + 2 = (3,4)", 0, 0, "a bracket that began before, or goes on"),
        ("(as 3 + 4 = 7) and (3 + 4)*2 = 14", 2, 2, "brackets around it"),
        ("2/3 = 0.6", 1, 0, "one decimal cut off is a wrong rounding"),
        ("1/3 = 33% and 2/3 = 66.7%", 2, 2, "a percentage is a decimal"),
        ("10/3 = 3", 1, 0, "a whole number is not rounded"),
        ("1+1=2\n1 + 1 = 2\n1+1=2", 1, 1, "repeating earns nothing"),
        ("1+1=3\n1+1=3", 1, 0, "and costs nothing more"),
        ("2 + 3 = 2 + 3 = 5", 1, 1, "the same text on both sides says nothing"),
        ("\\[\na &= 3 \\cdot 4 \\\\\n&= 12 \\\\\nb &= 5 + 1 = 7\n\\]", 2, 1, "rows of a display; one that begins with = goes on"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) > 12 and "\n" not in value else "",
)
def test_equalities(response, checked, true, why):
    found = check_equalities(response)
    assert (found.checked, found.true) == (checked, true), why


def test_step_by_step():
    found = check_equalities("1. 3 + 4 = 7. So 7.\n2. 2 * 7 = 15 and 1 + 1 = 2\n3. 2 * 7 = 15 again")
    assert [(step.checked, step.true) for step in found.steps] == [(1, 1), (0, 0), (2, 1), (0, 0)]
    assert found.wrong_step == 2 and found.steps[2].first_wrong == "2 * 7 = 15"
    assert check_equalities("3 + 4 = 7").wrong_step is None


def first_errors(name, shared):
    """Right, of all: traces whose first wrong step is named and traces without one; false flags, of the steps before."""
    rows = list(read_jsonl(shared / "steps" / name))
    named, clean, flags, steps = [], [], 0, 0
    for row in rows:
        found = check_steps(row["steps"])
        (clean if row["first_error"] is None else named).append(found.wrong_step == row["first_error"])
        for check in found.steps[: row["first_error"]]:
            flags, steps = flags + (check.true < check.checked), steps + (check.checked > 0)
    shares = [sum(kind) / len(kind) for kind in (named, clean)]
    return 2 * shares[0] * shares[1] / sum(shares), flags / steps


@pytest.mark.parametrize(
    ("name", "least", "most", "why"),
    [
        ("bigbench_mistake_arithmetic.jsonl", 0.90, 0.04, "arithmetic is what it sees"),
        ("prmbench_p1.jsonl.gz", 0.04, 0.07, "it is blind on the errors of real mathematics, and rarely wrong"),
    ],
)
def test_first_errors_and_false_flags(name, least, most, why):
    f1, false_flags = first_errors(name, real_data.path("steps").parent)
    assert f1 >= least and false_flags <= most, (why, f1, false_flags)


def test_first_wrong_one_is_named():
    assert check_equalities("1 + 1 = 2\n2 + 2 = 5\n3 + 3 = 7").first_wrong == "2 + 2 = 5"


@pytest.mark.parametrize(
    "text", ["1+" * 200_000 + "1=2", "(" * 50_000 + "=1+1", "1+1=2 " * 20_000, "\\frac{1}{" * 20_000, "9" * 100_000 + "+1=2"]
)
def test_hostile_text_is_cheap(text):
    start = time.perf_counter()
    assert check_equalities(text).checked <= MAX_EQUALITIES
    assert time.perf_counter() - start < 1
