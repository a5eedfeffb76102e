"""The second door: does the answer hold? Independent solutions say so, compared by the grader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mathrl.augmentation.form import Candidate
from mathrl.config.entry import Holds
from mathrl.grading import equivalent, extract_boxed, group_answers
from mathrl.models.chat import Answer

NO_VOTE = "\x00"  # no answer is this one


@dataclass(frozen=True)
class Verdict:
    """Whether an answer holds, how many of how many solutions reach it, and why not."""

    holds: bool
    votes: int
    of: int
    why: str = ""


def stated_answer(kind: str, candidate: Candidate, gold: str) -> Verdict | None:
    """What the stated answer alone says: a variant and a solution must have their source's; None where solutions must be asked."""
    if kind in ("harder", "easier"):
        return None
    same = equivalent(candidate.answer, gold, candidate.problem)
    if kind == "solutions":
        return Verdict(
            same, int(same), 1, "" if same else f"another answer than its source: {candidate.answer[:40]} instead of {gold[:40]}"
        )
    return None if same else Verdict(False, 0, 0, f"another answer than its source: {candidate.answer[:40]} instead of {gold[:40]}")


def boxed(answers: Sequence[Answer | None]) -> list[str]:
    """The answer of each solution; `NO_VOTE` where there is none."""
    found = [extract_boxed(answer.text) if answer and answer.finish == "stop" else None for answer in answers]
    return [NO_VOTE if value is None else value for value in found]


def reached(candidate: Candidate, said: Sequence[str], holds: Holds) -> Verdict:
    """Do enough solutions reach the given answer?"""
    votes = sum(value != NO_VOTE and equivalent(value, candidate.answer, candidate.problem) for value in said)
    return Verdict(
        votes >= holds.m, votes, len(said), "" if votes >= holds.m else f"{votes} of {len(said)} solutions reach {candidate.answer[:40]}"
    )


def agreed(candidate: Candidate, said: Sequence[str], holds: Holds) -> Verdict:
    """Do enough solutions agree with each other, clearly more than on any other answer, and with the stated one?"""
    real: list[str | None] = [value for value in said if value != NO_VOTE]
    groups = Counter(group for group in group_answers(real) if group >= 0)
    ranked = groups.most_common()
    first, second = ranked[0][1] if ranked else 0, ranked[1][1] if len(ranked) > 1 else 0
    verdict = reached(candidate, said, holds)
    if first < holds.m or first - second < holds.margin:
        return Verdict(False, first, len(said), f"{first} of {len(said)} solutions agree, {second} on another answer")
    return verdict


def counted(kind: str, candidate: Candidate, answers: Sequence[Answer | None], holds: Holds) -> Verdict:
    """The verdict of independent solutions."""
    said = boxed(answers)
    return reached(candidate, said, holds) if kind == "variants" else agreed(candidate, said, holds)
