r"""Answers that can be earned: which golds a response can be right about, and do two golds say the same?

A gold can be earned if the grader calls a response right that boxes it, and wrong if it boxes other golds of the data, and if it is an
answer at all: no placeholder, no whole solution.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

from mathrl.data.gold import PLACEHOLDERS

if TYPE_CHECKING:
    import polars as pl

PLAIN_ANSWER = r"^-?(\d{1,15}(\.\d{1,15})?|\d{1,9}/[1-9]\d{0,8}|\\[dt]?frac\{\d{1,9}\}\{[1-9]\d{0,8}\})$"
LONGEST = 400  # characters of a gold
MOST_WORDS = 30  # words in plain letters: more are a sentence, not an answer
OTHERS = 3  # other golds of the data that are boxed; a gold that takes two of them for itself takes anything (`_most`)
PIECE = 500
_SOLUTION = re.compile(r"####|\\f?box(?:ed)?\b|<<[^<>]*>>|\\begin\{proof\}")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")


def no_answer(gold: str) -> str | None:
    """Why a text is no answer, or None."""
    from mathrl.judges.protocols import shown

    text = shown(gold).strip()
    if text != gold.strip():
        return None if text else "the gold is a placeholder"  # another judge's: as long as it likes
    if text.lower().strip(" .\\{}$") in PLACEHOLDERS:
        return "the gold is a placeholder"
    if _SOLUTION.search(text) or len(text) > LONGEST or len(_WORD.findall(text)) > MOST_WORDS:
        return "the gold is a whole solution"
    return None


def _verdicts(golds: list[str], others: list[str]) -> list[str | None]:
    from mathrl.grading import grade
    from mathrl.judges.protocols import shown

    found: list[str | None] = []
    for gold in golds:
        reason = no_answer(gold)
        if reason is None and not grade(f"\\boxed{{{shown(gold)}}}", gold).correct:
            reason = "a response that boxes the gold is not right"
        elif reason is None:
            strangers = [other for other in others if other != gold][:OTHERS]
            if _most(bool(grade(f"\\boxed{{{shown(other)}}}", gold).correct) for other in strangers):
                reason = "responses that box other golds are right too"
        found.append(reason)
    return found


def _most(verdicts: Iterable[bool]) -> bool:
    """Do two of at most three say yes? The third is not asked where the others agree."""
    seen: list[bool] = []
    for verdict in verdicts:
        if verdict in seen:
            return verdict
        seen.append(verdict)
    return False


class AnswerCheck:
    """Asks the grader which golds can be earned: each distinct one once, plain numbers and fractions (which always can) never.
    A context manager, for its worker processes."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.known: dict[str, str | None] = {}
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> AnswerCheck:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown()

    def reasons(self, answers: pl.Series) -> pl.Series:
        """For each answer why it cannot be earned, or null."""
        import polars as pl

        distinct = answers.unique(maintain_order=True)
        asked = [answer for answer in distinct.filter(~distinct.str.contains(PLAIN_ANSWER)) if answer not in self.known]
        others = sorted(distinct, key=lambda text: hashlib.sha256(text.encode()).digest())[: OTHERS + 1]
        pieces = [asked[place : place + PIECE] for place in range(0, len(asked), PIECE)]
        check = partial(_verdicts, others=others)
        if len(pieces) > 1 and self.workers > 1:
            self._pool = self._pool or ProcessPoolExecutor(self.workers, mp_context=get_context("spawn"))
            verdicts = list(self._pool.map(check, pieces))
        else:
            verdicts = [check(piece) for piece in pieces]
        for piece, found in zip(pieces, verdicts, strict=True):
            self.known.update(zip(piece, found, strict=True))
        refused = {answer: reason for answer, reason in self.known.items() if reason}
        return pl.Series("reason", [refused.get(answer) for answer in answers] if refused else [None] * len(answers), dtype=pl.String)


def classes(golds: list[str]) -> list[int]:
    """For each gold a number that it shares with those that say the same, by the grader."""
    from mathrl.grading import equivalent
    from mathrl.judges.protocols import shown

    leaders: list[str] = []
    of_gold: dict[str, int] = {}
    for gold in dict.fromkeys(golds):
        found = next((place for place, leader in enumerate(leaders) if equivalent(shown(gold), leader)), None)
        if found is None:
            leaders.append(gold)
        of_gold[gold] = len(leaders) - 1 if found is None else found
    return [of_gold[gold] for gold in golds]
