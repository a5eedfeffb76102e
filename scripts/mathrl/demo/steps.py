"""The truth of every reasoning step in the demo's world, and a set of solutions with planted errors: exact labels to measure by."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from mathrl.demo.records import DemoStepRow
from mathrl.demo.sums import read
from mathrl.demo.world import Problem, apply, draw

_EQUATION = re.compile(r"(\d+) ([-+*]) (\d+) = (-?\d+)\.?")
_ANSWER = re.compile(r"The answer is (?:\\boxed\{(-?\d+)\}|(-?\d+))\.?")
KINDS = ("first", "second", "copied", "answer", "guess")
"""Errors that are planted: a wrong first or second result, a wrong number in the second equation, a wrong last answer, a wrong guess."""


def first_error(problem: str, steps: Sequence[str]) -> int | None:
    """Number (from 0) of the first wrong step; None where all are right. Right are: the first equation, the second one after it, and
    the answer.

    Raises:
        ValueError: the problem is not of the demo's world.
    """
    known = read(problem)
    if known is None:
        raise ValueError(f"no problem of the demo: {problem[:80]}")
    right, answer = known.equations, str(known.steps[1])
    done = 0
    for place, step in enumerate(steps):
        equation, said = _EQUATION.fullmatch(step.strip()), _ANSWER.fullmatch(step.strip())
        if equation and done < 2 and step.strip().rstrip(".") == right[done]:
            done += 1
        elif not (said and (said[1] or said[2]) == answer):
            return place
    return None


def write_wrong(rng: random.Random, problem: Problem, kind: str) -> list[str]:
    """The steps of a solution with one planted error of this kind (`KINDS`); what follows it goes on from it without another slip."""
    first, second = problem.equations
    left, op, right, _, middle = first.split()
    _, then, last, _, answer = second.split()

    def off(number: int) -> int:
        return max(0, number + rng.choice((-10, -2, -1, 1, 2, 10)))

    def wrong(number: int) -> int:
        return next(value for value in iter(lambda: off(number), None) if value != number)

    if kind == "first":
        middle = str(wrong(int(middle)))
        answer = str(apply(then, int(middle), int(last)))
    elif kind == "copied":
        last = str(wrong(int(last)))
        answer = str(apply(then, int(middle), int(last)))
    elif kind == "second":
        answer = str(wrong(int(answer)))
    said = str(wrong(int(answer))) if kind in ("answer", "guess") else answer
    closing = f"The answer is \\boxed{{{said}}}." if rng.random() < 0.5 else f"The answer is {said}."
    return [closing] if kind == "guess" else [f"{left} {op} {right} = {middle}.", f"{middle} {then} {last} = {answer}.", closing]


def step_set(seed: int, count: int) -> list[DemoStepRow]:
    """`count` solutions as {id, kind, problem, steps, first_error, answer}, half of them right; a wrong one in which the planted error
    changes nothing is drawn again."""
    rng = random.Random(seed)
    rows: list[DemoStepRow] = []
    while len(rows) < count:
        number = len(rows)
        problem = draw(rng, "words" if number // 10 % 5 else "symbols")  # all kinds of both: the form of a problem tells nothing
        kind = "right" if number % 2 else KINDS[(number // 2) % len(KINDS)]
        if kind == "right":
            box = f"\\boxed{{{problem.answer}}}" if rng.random() < 0.5 else str(problem.answer)
            steps = [*(f"{equation}." for equation in problem.equations), f"The answer is {box}."][2 if number % 10 == 9 else 0 :]
        else:
            steps = write_wrong(rng, problem, kind)
        wrong = first_error(problem.text, steps)
        if (wrong is None) == (kind == "right"):
            row: DemoStepRow = {
                "id": f"demo-{number}",
                "kind": kind,
                "problem": problem.text,
                "steps": steps,
                "first_error": wrong,
                "answer": str(problem.answer),
            }
            rows.append(row)
    return rows
