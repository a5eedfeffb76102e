"""Wrong steps made from right ones: one number of a step is changed, because a policy hardly makes the slips that a verifier must see.

The truth is not asked. Whether the changed step is wrong, the policy's completions from it say, as of every other step.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from mathrl.text.reasoning_steps import reasoning_steps
from mathrl.verifiers.equalities import evaluate
from mathrl.verifiers.labels import SampledSolution, prefixes

FARTHEST = 10  # a changed number lies at most so far from what stood there
TRIES = 8  # of a copy that comes out as another one did
_NUMBER = re.compile(r"(?<![\d.,])\d{1,9}(?![\d,]|\.\d)")
# Sums and products of whole numbers, ten at most, and what they come to.
_EQUALITY = re.compile(r"(?<![\w.,)}])(\d{1,9}(?:\s*(?:[-+*×]|\\times|\\cdot)\s*\d{1,9}){1,9})(\s*=\s*)(\d{1,9})(?![\d,]|\.\d)")
_TIMES = re.compile(r"×|\\times|\\cdot")


def plant(solutions: Sequence[SampledSolution], copies: int) -> list[SampledSolution]:
    """Up to so many copies of each right solution, all different, each cut off after a step of which one number is changed.

    They depend on the solution alone: another order of the solutions gives the same.
    """
    found: list[SampledSolution] = []
    for solution in solutions if copies else ():
        rng = random.Random(f"{solution.problem}\n{solution.response}")
        made: dict[tuple[str, ...], SampledSolution] = {}
        for _ in range(TRIES * copies if solution.correct else 0):
            if len(made) == copies:
                break
            if copy := _copy(rng, solution, len(made)):
                made.setdefault(copy.steps, copy)
        found += made.values()
    return found


def _copy(rng: random.Random, solution: SampledSolution, number: int) -> SampledSolution | None:
    """The solution up to a step that is changed; None where no step has a number."""
    begins = ["", *prefixes(solution), solution.response]
    own = [end[len(start) :] for start, end in pairwise(begins)]  # each step as it was written, with the space before it
    place = rng.randrange(len(own))
    step = (rng.random() < 0.5 and _with_another_operand(rng, own[place])) or _with_another_number(rng, own[place])
    if step is None:
        return None
    response = begins[place] + step
    steps = tuple(reasoning_steps(response))
    if len(steps) != place + 1:
        return None
    return replace(solution, id=f"{solution.id}-planted-{number}", response=response, steps=steps, correct=False, planted=True)


def _another(rng: random.Random, number: str) -> str:
    near = [value for value in range(int(number) - FARTHEST, int(number) + FARTHEST + 1) if value >= 0 and value != int(number)]
    return str(rng.choice(near))


def _with_another_number(rng: random.Random, step: str) -> str | None:
    """The step with one of its numbers changed, whatever it stands for."""
    numbers = list(_NUMBER.finditer(step))
    if not numbers:
        return None
    chosen = rng.choice(numbers)
    return step[: chosen.start()] + _another(rng, chosen[0]) + step[chosen.end() :]


def _with_another_operand(rng: random.Random, step: str) -> str | None:
    """The step with a number on the left of its equality changed and the result worked out from it: true, and not of this problem."""
    found = _EQUALITY.search(step)
    changed = _with_another_number(rng, found[1]) if found else None
    if not found or not changed:
        return None
    value = evaluate(_TIMES.sub("*", changed))
    if value < 0 or value == int(found[3]):
        return None
    return step[: found.start()] + changed + found[2] + str(value) + step[found.end() :]
