"""grade, equivalent, grade_many: the verdicts and their statuses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from mathrl.grading.compare import DIFFERENT, EQUAL, compare
from mathrl.grading.extract import extract_boxed, extract_boxed_run, extract_lenient

GRADING_POLICY = "1"
"""Version of the grader's rules, raised by hand with every change that can change a verdict; part of the training fingerprint."""

STATUSES = ("equal", "different", "no_box", "unparsed_answer", "unparsed_gold", "timeout", "error")
FORMAT_WEIGHT = 0.1
CORRECT_WEIGHT = 0.9


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

    def as_dict(self) -> dict:
        """The fields as a dict."""
        return asdict(self)


def make_grade(extracted: str | None, status: str, boxed: bool) -> Grade:
    """A `Grade` from what was found and how it compared."""
    correct = status == "equal"
    return Grade(FORMAT_WEIGHT * boxed + CORRECT_WEIGHT * correct, correct, boxed, extracted, status)


def verdict(extracted: str, answer: str) -> str:
    """The status of an extracted answer against a gold; never raises."""
    try:
        outcome, note = compare(extracted, answer)
    except (RecursionError, MemoryError, ValueError, ArithmeticError, LookupError, TypeError):
        return "error"
    if outcome == EQUAL:
        return "equal"
    if outcome == DIFFERENT:
        return "different"
    return (
        "unparsed_gold"
        if note in ("gold", "both", "no gold")
        else "unparsed_answer"
        if note == "answer"
        else "different"
    )


def equivalent(extracted: str, answer: str) -> bool:
    """Is this answer this gold? No box involved; False for everything that cannot be decided."""
    return isinstance(extracted, str) and verdict(extracted, str(answer)) == "equal"


def grade(response: str, answer: str, extraction: str = "strict") -> Grade:
    """Grade one response against one gold; never raises, never longer than the cap.

    extraction "strict" wants a box; "lenient" falls back to "the answer is …" and to the last number.
    """
    answer = answer if isinstance(answer, str) else str(answer)
    boxed = extract_boxed(response)
    extracted = boxed if boxed is not None or extraction == "strict" else extract_lenient(response)
    if extracted is None:
        return make_grade(None, "no_box", False)
    status = verdict(extracted, answer)
    if status != "equal" and boxed is not None and response.count("boxed") > 1:
        run = extract_boxed_run(response)
        if len(run) > 1 and verdict(", ".join(run), answer) == "equal":
            return make_grade(", ".join(run), "equal", True)
    return make_grade(extracted, status, boxed is not None)


def grade_many(
    pairs: Iterable[tuple[str, str]], workers: int = 1, grader: str = "ours", extraction: str = "strict"
) -> list[Grade]:
    """Grade (response, answer) pairs; the result has their order and does not depend on `workers`."""
    return [grade(response, answer, extraction) for response, answer in pairs]


def group_answers(extracted: list[str | None]) -> list[int]:
    """Group numbers for majority voting: answers of one number are the same answer. Independent of order."""
    from mathrl.grading.grouping import group

    return group(extracted)
