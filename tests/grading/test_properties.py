"""Properties on real golds (the six benchmarks and the training answers): reflexive, harmless LaTeX, groups, determinism."""

import itertools
import json
import operator
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.core.files import read_jsonl
from mathrl.grading import equivalent, grade_many, group_answers
from mathrl.grading.judge import verdict as status
from mathrl.grading.numbers import is_finished
from mathrl.grading.readings import readings
from support import real_data

from .cases import CASES

ROOT = Path(__file__).resolve().parents[2]
EXCEPTIONS = {"": "an empty gold is no answer", "A * A": "the text of a hidden gold"}
"""Golds that do not equal themselves, with the reason."""


def golds(limit: int | None) -> list[str]:
    """Distinct golds of all files; a fixed selection of `limit` of them."""
    data = real_data.path("benchmarks").parent
    files = [file for name in ("benchmarks", "benchmarks_2025", "train") for file in sorted((data / name).glob("*.jsonl*"))]
    found = dict.fromkeys(str(row["answer"]) for file in files for row in read_jsonl(file))
    return list(found) if limit is None else random.Random(0).sample(list(found), limit)


def harmless(answer: str) -> list[str]:
    """The same answer, written with other LaTeX that changes nothing."""
    variants = [f" {answer} ", re.sub(r"\\left\s*(?=[(\[])|\\right\s*(?=[)\]])", "", answer)]
    if "$" not in answer and r"\(" not in answer and r"\[" not in answer and "\n" not in answer:
        variants += [f"${answer}$", rf"\({answer}\)", rf"\displaystyle {answer}"]
    if r"\\" not in answer:
        variants.append(answer.replace(r"\frac", r"\dfrac"))
        variants.append(re.sub(r", (?=\S)", r",\\, ", answer))
        if (
            "$" not in answer
            and answer.count("(") == answer.count(")")
            and r"\left" not in answer
            and r"\(" not in answer
            and r"\)" not in answer
        ):
            variants.append(answer.replace("(", r"\left(").replace(")", r"\right)"))
    if re.fullmatch(r"[A-Za-z ]+", answer):
        variants.append(rf"\text{{{answer}}}")
    return variants


def check_golds(limit: int | None) -> None:
    irreflexive, changed = [], []
    for gold in golds(limit):
        if status(gold, gold) != "equal":
            irreflexive.append(gold)
            continue
        if readings(gold):
            changed += [(gold, variant) for variant in harmless(gold) if status(variant, gold) != "equal"]
    assert set(irreflexive) <= set(EXCEPTIONS), irreflexive
    assert not changed, changed[:20]


def test_golds_equal_themselves_and_harmless_latex_changes_nothing():
    check_golds(3_000)


@pytest.mark.full
def test_all_golds_equal_themselves_and_harmless_latex_changes_nothing():
    check_golds(None)


def same_type(answer: str, gold: str) -> bool:
    left, right = readings(answer)[:1], readings(gold)[:1]
    return bool(left and right) and type(left[0]) is type(right[0]) and is_finished(left[0]) == is_finished(right[0])


@pytest.mark.parametrize(
    ("answer", "gold", "same"),
    [
        (answer, gold, same)
        for answer, gold, same, reason in CASES
        if same_type(answer, gold) and not re.search("round|long decimal|digits more|sentence", reason)
    ],
)
def test_symmetric_where_the_types_are_equal(answer, gold, same):
    assert equivalent(gold, answer) is same


def test_rounding_is_the_one_rule_without_symmetry():
    assert equivalent("1.618", "1.62", benchmark="minerva_math")
    assert not equivalent("1.62", "1.618", benchmark="minerva_math")


# -- groups for majority voting -----------------------------------------------------------------------------------------

SAMPLES = [
    "50",
    r"50\%",
    "0.5",
    r"\frac12",
    None,
    "x = 50",
    "50.0",
    "(1,2)",
    r"\{2,1\}",
    "1, 2",
    "cat",
    r"\text{Cat}",
    r"\sqrt{4}",
    "2",
    "?!",
]


def test_groups_by_their_rule():
    numbers = dict(zip(SAMPLES, group_answers(SAMPLES), strict=True))
    assert numbers["50"] == numbers[r"50\%"] == numbers["x = 50"] == numbers["50.0"], "per cent goes with the number beside it"
    assert numbers["0.5"] == numbers[r"\frac12"] != numbers["50"], "and not with its value"
    assert numbers[r"\{2,1\}"] == numbers["1, 2"] != numbers["(1,2)"]
    assert numbers["cat"] == numbers[r"\text{Cat}"]
    assert numbers[None] == -1 and list(numbers.values()).count(-1) == 1
    assert numbers[r"\sqrt{4}"] == numbers["2"]


@pytest.mark.parametrize("seed", range(20))
def test_groups_do_not_depend_on_order(seed):
    def partition(samples):
        groups = {}
        for sample, number in zip(samples, group_answers(samples), strict=True):
            groups.setdefault(number, set()).add(sample)
        return {frozenset(group) for group in groups.values()}

    shuffled = random.Random(seed).sample(SAMPLES, len(SAMPLES))
    assert partition(shuffled) == partition(SAMPLES)


def test_groups_are_numbered_in_order_of_appearance():
    assert group_answers(["7", None, "8", "7.0", "8"]) == [0, -1, 1, 0, 1]


def test_members_of_a_group_of_numbers_are_equal_answers():
    chosen = [gold for gold in golds(4_000) if readings(gold) and is_finished(readings(gold)[0])][:600]
    numbers = group_answers(chosen)
    for first, second, same in zip(chosen, chosen[1:], itertools.starmap(operator.eq, itertools.pairwise(numbers)), strict=False):
        assert same == equivalent(first, second) or "%" in first + second or "circ" in first + second, (first, second)


# -- determinism --------------------------------------------------------------------------------------------------------


def responses() -> list[tuple[str, str]]:
    folder = real_data.path("generations")
    rows = [row for file in sorted(folder.glob("*.jsonl.gz")) for row in list(read_jsonl(file))[:150]]
    return [(row["response"], str(row["gold"])) for row in rows]


def test_verdicts_do_not_depend_on_workers_order_or_hash_seed():
    pairs = responses()
    expected = [result.status for result in grade_many(pairs, workers=1)]
    assert [result.status for result in grade_many(pairs, workers=3)] == expected
    order = random.Random(0).sample(range(len(pairs)), len(pairs))
    shuffled = grade_many([pairs[index] for index in order], workers=2)
    assert [result.status for result in shuffled] == [expected[index] for index in order]
    program = "import json, sys; from mathrl.grading import grade; print(json.dumps([grade(*p).status for p in json.load(sys.stdin)]))"
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "scripts")}
        done = subprocess.run(
            [sys.executable, "-c", program], input=json.dumps(pairs), env=environment, capture_output=True, text=True, timeout=120
        )
        assert json.loads(done.stdout) == expected
    assert expected.count("timeout") == expected.count("error") == 0


# -- false accepts --------------------------------------------------------------------------------------------------------


def test_a_changed_digit_is_another_answer():
    """Golds with one digit changed: none may pass. Chains and prose, of which only the last part counts, are left out, and (-1)^{n+1}:
    n+5 there changes nothing.
    """
    generator = random.Random(3)
    passed = []
    for gold in golds(4_000):
        places = [index for index, char in enumerate(gold) if char.isascii() and char.isdigit()]
        if not places or len(gold) > 60 or len(re.findall(r"=|\\approx", gold)) > 1 or re.search(r"[A-Za-z]{3,} [a-z]{2,}|\(-1\)\^", gold):
            continue
        index = generator.choice(places)
        changed = gold[:index] + generator.choice([digit for digit in "0123456789" if digit != gold[index]]) + gold[index + 1 :]
        if status(changed, gold) == "equal":
            passed.append((changed, gold))
    assert not passed, passed
