"""What a verifier is, and what is asked of its scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mathrl.core.code_meaning import meanings
from mathrl.core.files import UserError, sha256_json
from mathrl.verifiers.records import Identity

Solution = tuple[str, tuple[str, ...]]
"""A problem and the reasoning steps of a response to it."""

AGGREGATES: dict[str, Callable[[np.ndarray], float]] = {
    "min": lambda scores: float(scores.min()),
    "last": lambda scores: float(scores[-1]),
    "mean": lambda scores: float(scores.mean()),
    "product": lambda scores: float(scores.prod()),
}


class Verifier(Protocol):
    """Scores every reasoning step of a response: 0 is wrong, 1 is right."""

    identity: Identity
    """All that decides a score (weights by their hash, prompts, code, versions), as JSON; scores are kept under it."""

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> Sequence[Sequence[float]]:
        """One list per response, with one score in 0–1 per step.

        Args:
            problems: texts of the problems.
            responses: the steps of a response to each (`mathrl.text.reasoning_steps`), one step at least.

        Raises:
            UserError: it cannot work at all (a refused key, a spent budget); it is not asked again.
            Exception: anything else that a second try may mend.
        """
        ...


def code_sha256(file: Path, *roots: Path) -> str:
    """Hash of what a file and all below `roots` that it imports do; a comment or another name of a module changes no score."""
    return sha256_json(sorted(meanings([file.resolve()], *roots).values()))


class RetryLater(Exception):
    """A failure that says itself after how many seconds another try makes sense."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.seconds = seconds


def checked(found: Any, responses: Sequence[Sequence[str]]) -> list[list[float]]:
    """What a verifier gave for `responses`, as plain numbers; ValueError where a score is missing, no number or outside 0–1."""
    if len(found) != len(responses):
        raise ValueError(f"gave scores of {len(found)} responses where {len(responses)} were asked for")
    rows = []
    for scores, steps in zip(found, responses, strict=True):
        row = [float(score) for score in scores]
        if len(row) != len(steps):
            raise ValueError(f"gave {len(row)} scores for a response of {len(steps)} steps")
        outside = [score for score in row if not (math.isfinite(score) and 0 <= score <= 1)]
        if outside:
            raise ValueError(f"gave the score {outside[0]}; a score lies in 0–1")
        rows.append(row)
    return rows


def first_wrong(scores: Sequence[float], threshold: float) -> int | None:
    """Number (from 0) of the first step below the threshold; None where there is none."""
    return next((place for place, score in enumerate(scores) if score < threshold), None)


def aggregate(scores: Sequence[float], how: str) -> float:
    """One number for a response; 0 for one without steps: there is nothing to trust.

    Raises:
        UserError: no such way.
    """
    if how not in AGGREGATES:
        raise UserError(f"aggregate '{how}': it may be {', '.join(AGGREGATES)}")
    return AGGREGATES[how](np.asarray(scores, dtype=float)) if len(scores) else 0.0
