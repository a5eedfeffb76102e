"""grade, equivalent, grade_many: the verdicts and their statuses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from mathrl.grading.asked import spoken
from mathrl.grading.compare import DIFFERENT, EQUAL, NO_ANSWER, NO_GOLD, compare
from mathrl.grading.extract import extract_answer, extract_lenient, gold_answer
from mathrl.grading.nodes import Text
from mathrl.grading.numbers import How
from mathrl.grading.problem import how_to_compare, is_copied, is_sentence
from mathrl.grading.prose import stated
from mathrl.grading.readings import clear_cache as clear_readings
from mathrl.grading.readings import readings
from mathrl.judges import protocols

GRADING_POLICY = "4"
"""A label of the grader's rules for people. Nothing depends on it: the training fingerprint covers the code itself."""

STATUSES = (EQUAL, DIFFERENT, "copied", "no_box", NO_ANSWER, NO_GOLD, "error")
FORMAT_WEIGHT = 0.1
CORRECT_WEIGHT = 0.9
MAX_EXTRACTED_CHARS = 4_000
"""A longer answer is compared as a string only."""
MAX_GOLD_SENTENCE = 250
"""A longer gold in prose states more than one thing, unless it announces its final answer, as Minerva's solutions do."""
_YES_OR_NO = re.compile(r"\W*(?:yes|no)\b", re.IGNORECASE)
"""A gold that opens so says yes or no; what its sentences state besides is its reason."""
_ANNOUNCED = re.compile(r"\bfinal answer is\b", re.IGNORECASE)
MAX_WORDS = 3
"""Longer answers in words count as read by nobody."""
_PLAIN = re.compile(r"\s*(-?\d{1,30})\s*")
_CACHED_CHARS = 400
"""Verdicts on pairs of more characters are not kept, so that the cache stays small."""


Question = tuple[str, str] | tuple[str, str, str | None]
"""A response, the gold answer, and the problem where it is known."""


@dataclass(frozen=True, slots=True)
class Grade:
    """One verdict.

    score: 0.1 × format + 0.9 × correct (the default reward; scripts/reward.py weighs its own terms);
    correct, format: bool; extracted: the answer found, None if none; status: one of `STATUSES`.
    """

    score: float
    correct: bool
    format: bool
    extracted: str | None
    status: str


def make_grade(extracted: str | None, status: str, boxed: bool) -> Grade:
    """A `Grade` from what was found and how it compared."""
    correct = status == EQUAL
    if extracted is not None and not extracted.isascii():
        extracted = extracted.encode("utf-8", "replace").decode()  # lone surrogates cannot be written to a file
    return Grade(FORMAT_WEIGHT * boxed + CORRECT_WEIGHT * correct, correct, boxed, extracted, status)


def _plain_numbers(extracted: str, answer: str) -> tuple[int, int] | None:
    """The two as numbers, where both are plain digits: most answers are, and no rule says otherwise of them."""
    mine, theirs = _PLAIN.fullmatch(extracted), _PLAIN.fullmatch(answer)
    return (int(mine[1]), int(theirs[1])) if mine and theirs else None


def _decide_now(extracted: str, gold: str, how: How) -> tuple[str, str]:
    """(status, the answer that was compared) of an extracted answer against a gold."""
    status = compare(extracted, gold, how)
    if status not in (EQUAL, NO_GOLD) or (status == NO_GOLD and " " in gold):
        answers = [extracted, stated(extracted, how.words)] if " " in extracted else [extracted]
        sentence = (
            " " in gold
            and not _YES_OR_NO.match(gold)
            and (len(gold) <= MAX_GOLD_SENTENCE or _ANNOUNCED.search(gold))
            and not readings(gold)
        )
        golds = [gold, said] if sentence and (said := stated(gold)) and not said.strip().isalpha() else [gold]
        for theirs in filter(None, golds):
            for mine in filter(None, answers):
                if (mine, theirs) != (extracted, gold) and compare(mine, theirs, how) == EQUAL:
                    return EQUAL, mine
    return status, extracted


_decide_cached = lru_cache(maxsize=16_384)(_decide_now)


def verdict(extracted: str, answer: str, problem: str | None = None, benchmark: str = "") -> str:
    """The status of an extracted answer against a gold; never raises."""
    try:
        if answer.startswith(protocols.MARK):
            return _by_protocol(extracted, answer)
        if (numbers := _plain_numbers(extracted, answer)) is not None:
            return EQUAL if numbers[0] == numbers[1] else DIFFERENT
        if len(extracted) > MAX_EXTRACTED_CHARS:
            return EQUAL if extracted.strip() == answer.strip() else NO_ANSWER
        gold = gold_answer(answer)
        how = how_to_compare(problem, benchmark)
        decide = _decide_cached if len(extracted) + len(gold) <= _CACHED_CHARS else _decide_now
        status, compared = decide(extracted, gold, how)
        if status == EQUAL and problem and (is_sentence(extracted, gold, problem) or is_copied(compared, gold, problem, how)):
            return "copied"
        return status
    except Exception:  # whatever a model wrote must not end a training step; the status shows it
        return "error"


def _by_protocol(extracted: str, answer: str) -> str:
    """The verdict of the judge that a gold names; no gold where there is no such judge."""
    gold = protocols.gold_of(answer)
    return NO_GOLD if gold is None else EQUAL if protocols.right(extracted, gold) else DIFFERENT


def equivalent(extracted: str, answer: str, problem: str | None = None, benchmark: str = "") -> bool:
    """Is this answer this gold? No box involved; False for everything that cannot be decided."""
    return isinstance(extracted, str) and verdict(extracted, str(answer), problem, benchmark) == EQUAL


def grade(response: str, answer: str, problem: str | None = None, *, extraction: str = "strict", benchmark: str = "") -> Grade:
    """Grade one response against one gold; never raises.

    problem: the text of the problem; with it, a formula copied from the problem does not pass (docs/reference/grading.md).
    extraction: "strict" wants a box; "lenient" falls back to "the answer is …" and to the last number. benchmark: its name,
    for the rules that belong to one (rounded golds).
    """
    if not isinstance(response, str):
        return make_grade(None, "no_box", False)
    try:
        extracted = extract_answer(response)
        boxed = extracted is not None
        if not boxed and extraction == "lenient":
            extracted = extract_lenient(response)
    except Exception:
        return make_grade(None, "error", False)
    if extracted is None:
        return make_grade(None, "no_box", False)
    return make_grade(extracted, verdict(extracted, str(answer), problem, benchmark), boxed)


def grade_many(questions: Iterable[Question], workers: int = 1, extraction: str = "strict", benchmark: str = "") -> list[Grade]:
    """Grade questions in their order; `workers` has no effect on a verdict."""
    return [grade(*question, extraction=extraction, benchmark=benchmark) for question in questions]


def can_be_read(extracted: str) -> bool:
    """Can an extracted answer be read: as mathematics, or as a few words?"""
    return any(not isinstance(node, Text) or len(node.words.split()) <= MAX_WORDS for node in readings(extracted))


def clear_caches() -> None:
    """Forget earlier verdicts, so that a timing starts cold."""
    _decide_cached.cache_clear()
    clear_readings()
    how_to_compare.cache_clear()
    spoken.cache_clear()
