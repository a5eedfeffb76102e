"""Equalities between numbers that a response writes down."""

import time

import pytest
from mathrl.evaluation.equalities import MAX_EQUALITIES, check_equalities


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
    ],
)
def test_equalities(response, checked, true, why):
    found = check_equalities(response)
    assert (found.checked, found.true) == (checked, true), why


def test_first_wrong_one_is_named():
    assert check_equalities("1 + 1 = 2\n2 + 2 = 5\n3 + 3 = 7").first_wrong == "2 + 2 = 5"


@pytest.mark.parametrize(
    "text", ["1+" * 200_000 + "1=2", "(" * 50_000 + "=1+1", "1+1=2 " * 20_000, "\\frac{1}{" * 20_000, "9" * 100_000 + "+1=2"]
)
def test_hostile_text_is_cheap(text):
    start = time.perf_counter()
    assert check_equalities(text).checked <= MAX_EQUALITIES
    assert time.perf_counter() - start < 1
