"""One verdict: what a judge, ours or the contest's, says of a response."""

from __future__ import annotations

from dataclasses import asdict, dataclass

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
    if extracted is not None and not extracted.isascii():
        extracted = extracted.encode("utf-8", "replace").decode()  # lone surrogates cannot be written to a file
    return Grade(FORMAT_WEIGHT * boxed + CORRECT_WEIGHT * correct, correct, boxed, extracted, status)
