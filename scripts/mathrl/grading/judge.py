"""grade, equivalent, grade_many: the verdicts and their statuses."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from mathrl.grading.algebra import within_budget
from mathrl.grading.compare import EQUAL, UNDECIDED, compare, is_literal
from mathrl.grading.extract import extract_boxed, extract_boxed_run, extract_lenient, gold_answer, prose_answer
from mathrl.grading.parse import readings
from mathrl.grading.pool import pool_for
from mathrl.grading.verdict import Grade, make_grade

ALGEBRA = "mathrl.grading.algebra:verify"

GRADING_POLICY = "2"
"""Version of the grader's rules, raised by hand with every change that can change a verdict; part of the training fingerprint."""

MAX_EXTRACTED_CHARS = 4_000
"""A longer answer is compared as a string only."""
_CACHED_CHARS = 400
"""Verdicts on pairs of more characters are not kept, so that the cache stays small."""


def _decide(extracted: str, answer: str) -> tuple[str, bool]:
    """(status, may the algebra workers be asked?) of an extracted answer against a gold, by our own rules."""
    if len(extracted) > MAX_EXTRACTED_CHARS:
        return ("equal" if extracted.strip() == answer.strip() else "unparsed_answer"), False
    small = len(extracted) + len(answer) <= _CACHED_CHARS
    return _decide_cached(extracted, answer) if small else _decide_now(extracted, answer)


def _decide_now(extracted: str, answer: str) -> tuple[str, bool]:
    try:
        gold = gold_answer(answer)
        outcome, note = compare(extracted, gold)
        if outcome != EQUAL and " " in extracted:
            inner = prose_answer(extracted)
            if inner is not None:
                second = compare(inner, gold)
                outcome, note = second if second[0] != UNDECIDED or outcome == UNDECIDED else (outcome, note)
        if outcome != UNDECIDED:
            return outcome, False
        if note == "no gold":
            return "unparsed_gold", False
        status = {"gold": "unparsed_gold", "both": "unparsed_gold", "answer": "unparsed_answer"}.get(note, "different")
        finished = any(reading[0] == "text" or is_literal(reading) for reading in readings(gold))
        return status, not finished and within_budget(extracted, gold)
    except Exception:  # whatever a model wrote must not end a training step; the status shows it
        return "error", False


_decide_cached = lru_cache(maxsize=16_384)(_decide_now)


def verdict(extracted: str, answer: str) -> str:
    """The status of an extracted answer against a gold; never raises, takes no longer than the cap."""
    status, ask = _decide(extracted, answer)
    return _algebra(extracted, answer, status) if ask else status


_algebra_seen: dict[tuple[str, str], str] = {}


def _algebra(extracted: str, answer: str, status: str) -> str:
    """Ask the algebra workers; `status` is what stands if they do not find the two equal."""
    key = (extracted, answer)
    known = _algebra_seen.get(key)
    if known is not None:
        return known
    reply = pool_for(ALGEBRA).ask(extracted, gold_answer(answer))
    if reply.get("timeout"):
        return "timeout"
    if "error" in reply:
        return "error"
    if len(_algebra_seen) > 50_000:
        _algebra_seen.clear()
    _algebra_seen[key] = found = "equal" if reply["value"] else status
    return found


def equivalent(extracted: str, answer: str) -> bool:
    """Is this answer this gold? No box involved; False for everything that cannot be decided."""
    return isinstance(extracted, str) and verdict(extracted, str(answer)) == "equal"


def _grade(response: str, answer: str, extraction: str, ask: bool) -> Grade | None:
    """A grade; None where the algebra workers would be needed and `ask` is False."""
    boxed = extract_boxed(response)
    extracted = boxed if boxed is not None or extraction == "strict" else extract_lenient(response)
    if extracted is None:
        return make_grade(None, "no_box", False)
    candidates = [extracted]
    if boxed is not None and response.count("boxed") + response.count("fbox") > 1:
        run = extract_boxed_run(response)
        if len(run) > 1:
            candidates.append(", ".join(run))
    decided = [_decide(candidate, answer) for candidate in candidates]
    for candidate, (status, _) in zip(candidates, decided, strict=True):
        if status == "equal":
            return make_grade(candidate, status, boxed is not None)
    status = decided[0][0]
    for candidate, (first, open_question) in zip(candidates, decided, strict=True):
        if open_question:
            if not ask:
                return None
            final = _algebra(candidate, answer, first)
            if final == "equal":
                return make_grade(candidate, final, boxed is not None)
            status = final if candidate is extracted else status
    return make_grade(extracted, status, boxed is not None)


def grade(response: str, answer: str, extraction: str = "strict") -> Grade:
    """Grade one response against one gold; never raises, never longer than the cap.

    extraction "strict" wants a box; "lenient" falls back to "the answer is …" and to the last number.
    """
    if not isinstance(response, str):
        return make_grade(None, "no_box", False)
    try:
        return _grade(response, answer if isinstance(answer, str) else str(answer), extraction, ask=True)
    except Exception:
        return make_grade(None, "error", False)


def grade_many(
    pairs: Iterable[tuple[str, str]],
    workers: int = 1,
    grader: str = "ours",
    extraction: str = "strict",
    benchmark: str = "",
) -> list[Grade]:
    """Grade (response, answer) pairs in their order; the verdicts do not depend on `workers`.

    workers: how many algebra processes may run at once. grader: "ours" or "contest"; benchmark: a name that the contest's
    judge treats apart (minerva_math keeps units), of no use to ours.
    """
    pairs = list(pairs)
    if grader == "contest":
        from mathrl.grading.contest import contest_grades

        return contest_grades(pairs, benchmark)
    if grader != "ours":
        raise ValueError(f"grader is '{grader}', expected 'ours' or 'contest'")
    found: list[Grade | None] = []
    for response, answer in pairs:
        try:
            found.append(_grade(response, str(answer), extraction, ask=False))
        except Exception:
            found.append(make_grade(None, "error", False))
    rest = [index for index, result in enumerate(found) if result is None]
    if rest:
        pool_for(ALGEBRA, workers)
        with ThreadPoolExecutor(max_workers=max(1, workers)) as threads:
            later = threads.map(lambda index: grade(pairs[index][0], pairs[index][1], extraction), rest)
            for index, result in zip(rest, later, strict=True):
                found[index] = result
    return found


def group_answers(extracted: list[str | None]) -> list[int]:
    """Group numbers for majority voting: answers of one number are the same answer. Independent of order."""
    from mathrl.grading.grouping import group

    return group(extracted)
