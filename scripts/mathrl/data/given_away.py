r"""Does a text hold the gold, so that copying from it would be worth a reward? Made for hints: read step by step.

A text holds the gold where any of these is right by the grader: a formula, a side of a relation, a part of a formula, a number, some
words. So does a text with a box, one that holds all items of a list, one that repeats a long gold, and one that is too long to be
looked through. At last the grader judges runs of neighbouring tokens (`copies`). It errs to that side: an exponent 2 holds the gold 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mathrl.data.copies import copies
from mathrl.grading import nodes as n
from mathrl.grading.compare import EQUAL, Comparison, simplified
from mathrl.grading.extract import gold_answer
from mathrl.grading.judge import verdict
from mathrl.grading.latex import string_key
from mathrl.grading.problem import how_to_compare
from mathrl.grading.readings import readings
from mathrl.text import number_words

MAX_CHARS = 2_000
"""A longer step is not looked through."""
MAX_TERMS = 12
"""Of a sum or a product, whose neighbouring terms are looked at together."""
LONG_GOLD = 4  # characters from which on a gold that is no number is looked for as text
MAX_GOLD_WORDS = 5
MAX_NUMBER_WORDS = 4
MAX_COPIES = 4_000
"""Runs of tokens that are graded for a solution; a step that needs more is not looked through."""
_BEFORE = 100  # characters before a step, where runs of tokens may begin

_BOX = re.compile(r"\\f?box(?:ed)?(?![A-Za-z])")
_DELIMITER = re.compile(r"(?<!\\)\$+|\\[()\[\]]|\\(?:begin|end)\s*\{[a-z]*\*?\}|\\\\|&|`")
_TEXT = re.compile(r"\\(?:text[a-z]*|mbox|mathrm|operatorname)\s*\{[^{}]*\}|\\q?quad(?![A-Za-z])|\\[,;:! ]")
_CHINESE = r"\u3000-\u9fff\uff00-\uffef"
_PROSE = re.compile(rf"(?<![\\A-Za-z])[A-Za-z]{{2,}}|[{_CHINESE}]+")
_NEGATIVE = re.compile(r"(?:\b(?:minus|negative)\b\s*|[-−]\s*)(\d[\d.,]*|[a-z]+(?:[ -][a-z]+){0,3})", re.IGNORECASE)
_PIECE = re.compile(r";|,(?=\s)|:(?=\s)|\.(?=\s|$)")
_RELATION = re.compile(r"[=<>≤≥≈≠≡→⇒]+|\\(?:leq?|geq?|neq?|lt|gt|approx|equiv|to|implies|iff|(?:R|r|Longr)ightarrow)(?![A-Za-z])")
_NUMBER = re.compile(r"\d(?:[\d,]*\d)?(?:\.\d+)?(?:\s*/\s*\d+)?%?")
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*|\d+")
_AROUND = " \t\n.,:;!?*_#"


class GivenAway:
    """Reads the steps of a solution in their order and tells where they hold the gold.

    Args:
        gold: as our own rules read it, not one for another judge.
        problem: its problem; what earns nothing there because it is copied from it, holds the gold all the same.
    """

    def __init__(self, gold: str, problem: str) -> None:
        self._gold, self._problem = gold, problem
        self._same = Comparison(how_to_compare(problem)).same
        self._golds = readings(gold_answer(gold))
        self._missing = [list(node.items) for node in self._golds if isinstance(node, n.Items | n.Braces)]  # that no step has held yet
        self._unsaid = [items for node in self._golds if (items := _places(node))]  # the same of points, matrices, ± and ratios
        self._key = string_key(gold).casefold()
        self._words = len(_WORD.findall(gold)) if re.search("[A-Za-z]", gold) else 0
        self._chinese = gold.strip() if re.search(f"[{_CHINESE}]", gold) else None
        self._before, self._copies = "", 0

    def holds(self, step: str) -> bool:
        """Do the steps up to this one hold the gold? Steps after such a one need not be asked about."""
        if len(step) > MAX_CHARS or _BOX.search(step):
            return True
        if len(self._key) >= LONG_GOLD and not self._key.isdigit() and self._key in string_key(step).casefold():
            return True
        if self._chinese and self._chinese in step:
            return True
        texts = dict.fromkeys([*_formulas(step), *self._phrases(step), *_negatives(step)])
        return any(map(self._is_right, texts)) or self._says_all(step) or self._is_paid(step)

    def _says_all(self, step: str) -> bool:
        """Have whole formulas and sides of relations, up to this step, been all that stands in a point, a matrix, a ± or a ratio?"""
        if self._unsaid:
            sides = [
                side for text in dict.fromkeys([*_pieces(step), *_negatives(step)]) for node in readings(text)[:2] for side in _sides(node)
            ]
            self._unsaid = [[item for item in items if not any(self._same(side, item) for side in sides)] for items in self._unsaid]
        return any(not items for items in self._unsaid)

    def _is_paid(self, step: str) -> bool:
        """Is a run of tokens that ends in this step a right answer by the grader?"""
        for copy in copies(step, self._gold, self._before):
            self._copies += 1
            if self._copies > MAX_COPIES or verdict(copy, self._gold, self._problem) == EQUAL:
                return True
        self._before = f"{self._before}{step}\n"[-_BEFORE:]
        return False

    def _phrases(self, step: str) -> Iterator[str]:
        """Runs of words as long as the gold's, and those that say a number."""
        words = _WORD.findall(step)
        if self._words <= MAX_GOLD_WORDS:
            for size in (self._words, self._words + 1) if self._words else ():
                yield from _runs(words, size)
        for size in range(1, MAX_NUMBER_WORDS + 1):
            yield from (run for run in _runs(words, size) if not run.isdigit() and number_words.fraction(run))

    def _is_right(self, text: str) -> bool:
        if verdict(text, self._gold, self._problem) in (EQUAL, "copied"):
            return True
        for node in readings(text)[:2]:
            for part in _parts(node):
                if any(self._same(part, gold) for gold in self._golds):
                    return True
                self._missing = [[item for item in items if not self._same(part, item)] for items in self._missing]
        return any(not items for items in self._missing)


def _runs(words: list[str], size: int) -> Iterable[str]:
    return (" ".join(words[first : first + size]) for first in range(len(words) - size + 1))


def _places(node: n.Node) -> list[n.Node]:
    """What stands in a point, a matrix, a ± or a ratio; nothing for other trees."""
    if isinstance(node, n.Bracket | n.Ratio):
        return list(node.items)
    if isinstance(node, n.Matrix):
        return [item for row in node.rows for item in row]
    both = node if isinstance(node, n.Items | n.Braces) else simplified(node)
    return list(both.items) if both is not node and isinstance(both, n.Items) else []


def _sides(node: n.Node) -> Iterator[n.Node]:
    """A tree, the sides of a relation, the items of a list."""
    yield node
    for part in node.terms if isinstance(node, n.Rel) else node.items if isinstance(node, n.Items) else ():
        yield from _sides(part)


def _negatives(step: str) -> Iterator[str]:
    """Numbers behind a sign or its word: "minus 5", "negative five", "-three"."""
    for found in _NEGATIVE.finditer(step):
        words = found[1].split(" ")
        if words[0][0].isdigit():
            yield f"-{found[1].rstrip('.,')}"
        for size in range(1, len(words) + 1):
            if said := number_words.fraction(" ".join(words[:size])):
                yield f"-{said[0]}/{said[1]}"


def _formulas(step: str) -> Iterator[str]:
    """What of a step may be read as mathematics, from whole formulas to single numbers."""
    yield from _pieces(step)
    yield from _NUMBER.findall(step)


def _pieces(step: str) -> Iterator[str]:
    for segment in _DELIMITER.split(step):
        for run in _PROSE.split(_TEXT.sub(" ", segment)):
            for piece in (run, *_PIECE.split(run)):
                for text in (piece, *_RELATION.split(piece)):
                    if plain := text.strip(_AROUND):
                        yield plain


def _parts(node: n.Node) -> Iterator[n.Node]:
    """A tree, all that is below it, and neighbouring terms of its sums and products."""
    for part in n.walk(node):
        yield part
        if isinstance(part, n.Add | n.Mul) and 2 < len(part.items) <= MAX_TERMS:
            for size in range(2, len(part.items)):
                for first in range(len(part.items) - size + 1):
                    yield type(part)(part.items[first : first + size])
