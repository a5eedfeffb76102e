"""The truth of steps in the demo's world, and the planted errors."""

import random
from collections import Counter

import pytest
from mathrl.demo.steps import KINDS, first_error, step_set
from mathrl.demo.sums import read
from mathrl.demo.world import draw


def test_equations_are_read_from_the_text():
    rng = random.Random(2)
    for _ in range(1000):
        problem = draw(rng, rng.choice(("symbols", "words")))
        assert read(problem.text).equations == problem.equations
    assert read("In real life, 3 + 4 - 2 apples?") is None


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        (["15 - 4 = 11.", "11 + 9 = 20.", "The answer is \\boxed{20}."], None),
        (["The answer is 20."], None),
        (["15 - 4 = 12.", "12 + 9 = 21.", "The answer is 21."], 0),
        (["15 - 4 = 11.", "11 + 8 = 19.", "The answer is 19."], 1),
        (["15 - 4 = 11.", "11 + 9 = 20.", "The answer is 21."], 2),
        (["11 + 9 = 20."], 0),
        (["15 - 4 = 11.", "15 - 4 = 11."], 1),
        (["hello"], 0),
    ],
)
def test_first_wrong_step(steps, wrong):
    assert first_error("What is $15 - 4 + 9$?", steps) == wrong


def test_planted_errors_are_where_they_are_said_to_be():
    rows = step_set(seed=1, count=1000)
    assert rows == step_set(seed=1, count=1000) and len({row["id"] for row in rows}) == 1000
    assert Counter(row["kind"] for row in rows) == {"right": 500} | dict.fromkeys(KINDS, 100)
    place = {"right": None, "first": 0, "second": 1, "copied": 1, "answer": 2, "guess": 0}
    symbols = Counter(row["kind"] for row in rows if "$" in row["problem"])
    assert symbols == {"right": 100} | dict.fromkeys(KINDS, 20), "the form of a problem tells nothing about its error"
    assert all(row["first_error"] == place[row["kind"]] == first_error(row["problem"], row["steps"]) for row in rows)
