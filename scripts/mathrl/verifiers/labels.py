"""Labels of reasoning steps from completions: how often does the policy still reach the right answer after each step?

Monte Carlo labels (Math-Shepherd, arXiv 2312.08935) are noisy, and denoising them is what makes them useful (SCAN, arXiv 2509.16548).
So an item is kept only where its rates say one thing: a solution with a right answer none of whose prefixes is lost, or one with a
wrong answer whose rate falls from clearly solvable to lost at one step and stays lost. Steps after that one get no label.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mathrl.data.records import Item, Sample
from mathrl.text.beginnings import beginnings
from mathrl.text.reasoning_steps import reasoning_steps
from mathrl.verifiers.dialogue import RIGHT, WRONG, messages
from mathrl.verifiers.records import Dialogue, Labelled

PLANTED = "planted: "
MAX_STEPS = 40  # longer solutions are left out: each step costs completions


@dataclass(frozen=True)
class Denoising:
    """Between which rates a label is unambiguous: `solvable` and more before a step, `lost` and less after it (shares, 0–1)."""

    solvable: float
    lost: float


@dataclass(frozen=True)
class SampledSolution:
    """One solution of a training problem: where it comes from, its steps, and whether its answer is right."""

    id: str  # of the problem and the sample
    problem: str
    answer: str
    response: str
    steps: tuple[str, ...]
    correct: bool
    planted: bool = False  # cut off after its last step, which was changed (`mathrl.verifiers.planted`)


def cut(rows: Iterable[Sample], problems: Mapping[str, Item], correct: Sequence[bool]) -> tuple[list, Counter]:
    """Sampled solutions cut into steps, equal ones once, and the funnel so far.

    Args:
        rows: samples with `id`, `sample` and `response`.
        problems: {id: {problem, answer}}.
        correct: the grader's verdict on each row.
    """
    funnel: Counter = Counter()
    seen: set[tuple[str, tuple[str, ...]]] = set()
    kept = []
    for row, right in zip(rows, correct, strict=True):
        funnel["sampled"] += 1
        steps = tuple(reasoning_steps(row["response"]))
        problem = problems[row["id"]]
        if not steps or len(steps) > MAX_STEPS or row.get("finish_reason") == "length":
            funnel["cut off, without steps or too long"] += 1
        elif (row["id"], steps) in seen:
            funnel["duplicate"] += 1
        else:
            seen.add((row["id"], steps))
            kept.append(
                SampledSolution(f"{row['id']}/{row['sample']}", problem["problem"], problem["answer"], row["response"], steps, right)
            )
    funnel["different"] = len(kept)
    return kept, funnel


def prefixes(solution: SampledSolution) -> list[str]:
    """What the policy goes on from: the solution up to the end of each step but the last.

    The space after a step is left for the policy to write: tokens begin with it. After the last step there is nothing left to
    write: its rate is the verdict on the solution itself. Only a planted step has no verdict: the policy goes on from it too.
    """
    return beginnings(solution.response, solution.steps) + ([solution.response] if solution.planted else [])


def decide(rates: Sequence[float], correct: bool, limits: Denoising) -> tuple[list[str] | None, str]:
    """Marks of the labelled steps (they may be fewer than all), or None and why the item is dropped.

    Args:
        rates: share of right completions before the first step, and after each step; the last one is the solution's own verdict.
        correct: that verdict.
        limits: see `Denoising`.
    """
    before, after = rates[:-1], rates[1:]
    if correct:
        lost = any(rate <= limits.lost for rate in after)
        return (None, "right, but a prefix is lost") if lost else ([RIGHT] * len(after), "right")
    first = next((place for place, rate in enumerate(after) if rate <= limits.lost), None)
    if first is None or any(rate > limits.lost for rate in after[first:]):
        return None, "wrong, but solvable again later"
    if before[first] < limits.solvable:
        return None, "wrong, and no clear drop"
    return [RIGHT] * first + [WRONG], "wrong"


def label(
    solutions: Sequence[SampledSolution], completed: Mapping[str, Sequence[float]], solve_rates: Mapping[str, float], limits: Denoising
) -> tuple[list[Labelled], Counter]:
    """Rows {id, problem, response, steps, rates, marks, correct, why}; `marks` is None for what is dropped; and how many were decided how.

    Args:
        completed: rates after each step but the last (of planted ones, after each), by the solution's id.
        solve_rates: the problem's own, by the part of that id before the slash.
    """
    rows: list[Labelled] = []
    funnel: Counter[str] = Counter()
    for solution in solutions:
        own = solve_rates[solution.id.rpartition("/")[0]]
        rates = [own, *completed[solution.id], *([] if solution.planted else [float(solution.correct)])]
        marks, why = decide(rates, solution.correct, limits)
        if solution.planted:  # all its other steps are a right solution's
            marks, why = marks if marks and len(marks) == len(solution.steps) else None, f"{PLANTED}{why}"
        funnel[why] += 1
        rows.append(
            {
                "id": solution.id,
                "problem": solution.problem,
                "response": solution.response,
                "steps": list(solution.steps),
                "rates": rates,
                "marks": marks,
                "correct": solution.correct,
                "why": why,
            }
        )
    return rows, funnel


def balanced(rows: Sequence[Labelled]) -> list[Labelled]:
    """As many items with a wrong step as without one, in the order of the rows; each kind in turn from its places of the first error and
    numbers of steps, sampled or planted, so that what is frequent (a bare guess) does not crowd out what is rare (a late slip).

    A verifier that sees mostly right steps learns to say `+`, and one that sees mostly guesses learns to tell guesses.
    """
    strata: dict[bool, dict[tuple[int, int, bool], list[int]]] = {True: {}, False: {}}
    for place, row in enumerate(rows):
        if row["marks"]:
            wrong = WRONG in row["marks"]
            kind = (len(row["marks"]) if wrong else 0, len(row["steps"]), row["why"].startswith(PLANTED))
            strata[wrong].setdefault(kind, []).append(place)
    least = min(sum(map(len, own.values())) for own in strata.values())
    turns = [[place for turn in itertools.zip_longest(*own.values()) for place in turn if place is not None] for own in strata.values()]
    return [rows[place] for place in sorted(turns[0][:least] + turns[1][:least])]


def dialogues(rows: Sequence[Labelled]) -> list[Dialogue]:
    """Rows {problem, messages} for the supervised stage."""
    marked = [(row, row["marks"] or []) for row in rows]
    return [{"problem": row["problem"], "messages": messages(row["problem"], row["steps"][: len(own)], own)} for row, own in marked]
