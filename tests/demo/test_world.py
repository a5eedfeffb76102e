"""The demo's world: right answers, distinct problems, leaks where they are said to be."""

import random
import re

import pytest
from mathrl.core.files import UserError
from mathrl.demo.world import LEAK_KINDS, apply, draw, draw_distinct, make_world


@pytest.fixture(scope="module")
def world():
    return make_world(seed=1, problems=2000, items=50, leaks=10)


def test_answers_follow_from_their_equations():
    rng = random.Random(0)
    for _ in range(2000):
        problem = draw(rng, rng.choice(("symbols", "words")))
        for equation in problem.equations:
            left, op, right, _, value = equation.split()
            assert apply(op, int(left), int(right)) == int(value)
        assert problem.equations[-1].endswith(f"= {problem.answer}")
        assert problem.answer >= 0


def test_symbolic_texts_have_their_answers():
    rng = random.Random(0)
    for _ in range(500):
        problem = draw(rng, "symbols")
        a, first, b, second, c = re.search(r"\$(.*)\$", problem.text).group(1).replace(r"\times", "*").split()
        assert apply(second, apply(first, int(a), int(b)), int(c)) == problem.answer


def test_the_columns_are_big_maths(world):
    assert all(set(row) == {"prompt", "solution", "source", "domain", "llama8b_solve_rate"} for row in world["problems"])
    assert len({row["domain"][0] for row in world["problems"]}) >= 4
    assert all(0 <= row["llama8b_solve_rate"] <= 1 for row in world["problems"])


def test_leaks_are_the_only_benchmark_items_among_the_problems(world):
    texts = {item["problem"] for items in world["benchmarks"].values() for item in items}
    planted = {leak["prompt"] for leak in world["leaks"]}
    found = {row["prompt"] for row in world["problems"]} & texts
    assert found == {leak["prompt"] for leak in world["leaks"] if leak["kind"] == "exact"}
    assert len(world["leaks"]) == 30 and planted <= {row["prompt"] for row in world["problems"]}


@pytest.mark.parametrize("kind", LEAK_KINDS)
def test_leaks_keep_their_numbers(world, kind):
    items = {item["id"]: item["problem"] for items in world["benchmarks"].values() for item in items}
    leaks = [leak for leak in world["leaks"] if leak["kind"] == kind]
    assert len(leaks) == 10
    for leak in leaks:
        original = items[leak["item_id"]]
        assert (leak["prompt"] == original) == (kind == "exact")
        assert re.findall(r"\d+", leak["prompt"]) == re.findall(r"\d+", original)


def test_the_same_seed_gives_the_same_world(world):
    assert make_world(seed=1, problems=2000, items=50, leaks=10) == world
    assert make_world(seed=2, problems=2000, items=50, leaks=10) != world


def test_too_many_problems_are_refused():
    """There are some 1,500 symbolic problems."""
    with pytest.raises(UserError, match="not that many different"):
        draw_distinct(random.Random(1), ("symbols",), 2000, set())
