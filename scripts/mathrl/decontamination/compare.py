"""Are two texts the same problem? Decided on their tokens, by rules that a reader can follow.

Numbers must agree: a number that only one side has is fine (one text is cut or has a sentence more), numbers on both sides
that the other lacks mean another problem of the same template. The same holds for operators and for words that turn a
question into another one (largest against smallest).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

from ..textnorm import CONTRASTS, LIGHT, OPERATORS, drawings, is_number, number_value, tokens, without_drawings

MAX_TEXT = 20_000  # characters that are compared
_CONTRAST = {word: (group, cell) for group, cells in enumerate(CONTRASTS) for cell, names in enumerate(cells) for word in names.split()}
SIGNS = frozenset("+-*/=<>!")
NUMBER_WEIGHT = 3.0  # a number says more about a problem than a word
LETTER_WEIGHT = 0.5  # a variable less
SAME_LENGTH = 0.75  # word counts, the shorter over the longer, of two texts of which none is a part of the other
FEW_NUMBERS = 6
SHORT = 12  # words that are not light
SAME_FORMULA = 0.5
SAME_PLACES = 0.6
# A variable or a name in capitals; `a`, `A` and `I` only where they are no words.
_NAME = re.compile(r"(?<![A-Za-z\\])(?:[B-HJ-Z]|[A-Z]{2,}|[b-z]|[aAI](?=[$,)^_=+\\-])|(?<=[$(=+\-])[aAI])(?![A-Za-z])")
_PROPER = re.compile(r"(?<![A-Za-z\\])[A-Z][a-z]+(?![A-Za-z])")
_LOWER = re.compile(r"(?<![A-Za-z])[a-z]+(?![A-Za-z])")
_SENTENCE = re.compile(r"(?<=[.?!])\s+|(?<=[.?!]\$)\s+|\n\s*\n")
_ASKS = re.compile(r"\?|\b(?:find|determine|compute|calculate|evaluate|what|how|which|simplify|solve|prove|express)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Text:
    """A problem prepared for comparing: its tokens, and counts of what they are."""

    sequence: tuple[str, ...]
    numbers: Counter[str]
    signs: Counter[str]
    contrasts: Counter[tuple[int, int]]
    content: Counter[str]  # words, numbers and variables that are no light words
    names: Counter[str]  # letters of variables and of words in capitals
    asked: Counter[str]  # the same, of the sentence that asks
    drawn: Counter[str]  # numbers in drawings
    proper: frozenset[str]  # words that are written with a capital letter wherever they stand

    @classmethod
    def of(cls, text: str) -> Text:
        text, picture = without_drawings(text[:MAX_TEXT]), drawings(text[:MAX_TEXT])
        sequence = tuple(number_value(token) if is_number(token) else token for token in tokens(text))
        return cls(
            sequence,
            Counter(token for token in sequence if is_number(token)),
            Counter(token for token in sequence if token in SIGNS),
            Counter(_CONTRAST[token] for token in sequence if token in _CONTRAST),
            Counter(token for token in sequence if token not in LIGHT and token not in OPERATORS),
            _names(text),
            _names(_question(text)),
            Counter(token for token in tokens(picture) if is_number(token)),
            frozenset(word.lower() for word in _PROPER.findall(text)) - frozenset(_LOWER.findall(text)),
        )

    @cached_property
    def formula(self) -> tuple[str, ...]:
        """Variables, numbers and operators in order."""
        return tuple(token for token in self.sequence if len(token) == 1 or is_number(token) or token in OPERATORS)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Single letters in the order in which they come up."""
        return tuple(dict.fromkeys(token for token in self.sequence if len(token) == 1 and token.isalpha() and token not in LIGHT))

    def renamed(self, names: dict[str, str]) -> Text:
        """The same text with other variables."""
        change = lambda counts: Counter({names.get(token, token): n for token, n in counts.items()})  # noqa: E731
        sequence = tuple(names.get(token, token) for token in self.sequence)
        return replace(self, sequence=sequence, content=change(self.content), names=change(self.names), asked=change(self.asked))

    @cached_property
    def weight(self) -> float:
        return _weight(self.content)

    @cached_property
    def words(self) -> Counter[str]:
        """Content without numbers and variables."""
        return Counter({token: n for token, n in self.content.items() if len(token) > 1 and not is_number(token)})

    @cached_property
    def neighbours(self) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
        """Each number with the token before it, and with the token behind it; signs that may be written otherwise are passed over."""
        tokens = ["", *(token for token in self.sequence if token not in "/*^|%!"), ""]
        places = [place for place, token in enumerate(tokens) if token and is_number(token)]
        return Counter((tokens[p - 1], tokens[p]) for p in places), Counter((tokens[p], tokens[p + 1]) for p in places)

    @cached_property
    def phrases(self) -> Counter[tuple[str, ...]]:
        """Runs of three formula tokens: what stays the same when sentences change places."""
        return Counter(zip(self.formula, self.formula[1:], self.formula[2:], strict=False))


def _weight(counts: Counter[str]) -> float:
    return sum(
        count * (NUMBER_WEIGHT if is_number(token) else LETTER_WEIGHT if len(token) == 1 and token.isascii() else 1.0)
        for token, count in counts.items()
    )


def _names(text: str) -> Counter[str]:
    return Counter(letter for name in _NAME.findall(text) for letter in name)


def _question(text: str) -> str:
    """The last sentence that asks for something, or else the last sentence."""
    sentences = [sentence for sentence in _SENTENCE.split(text) if sentence.strip()]
    return next((sentence for sentence in reversed(sentences) if _ASKS.search(sentence)), sentences[-1] if sentences else "")


class Pair:
    """An item and a row side by side; what is expensive is computed when asked for."""

    def __init__(self, item: Text, row: Text) -> None:
        if item.variables != row.variables and len(item.variables) == len(row.variables) and set(item.variables) != set(row.variables):
            row = row.renamed(dict(zip(row.variables, item.variables, strict=True)))
        self.item, self.row = item, row

    @cached_property
    def agrees(self) -> bool:
        """Can the two be the same problem? False where something that makes a problem was exchanged for something else."""
        item, row = self.item, self.row
        if self.part:
            return True
        if _exchanged(item.numbers, row.numbers) or _exchanged(item.signs, row.signs):
            return False
        lost, gained = item.contrasts - row.contrasts, row.contrasts - item.contrasts
        if {group for group, _ in lost} & {group for group, _ in gained}:
            return False
        ours, theirs = sum(item.words.values()), sum(row.words.values())
        if item.drawn and row.drawn and (item.drawn & row.drawn).total() < 0.8 * max(item.drawn.total(), row.drawn.total()):
            return False
        if min(ours, theirs) >= SAME_LENGTH * max(ours, theirs) or max(ours, theirs) <= SHORT / 2:
            # Neither text is a part of the other: few numbers must all be there, and signs with them.
            if item.numbers != row.numbers and max(item.numbers.total(), row.numbers.total()) <= FEW_NUMBERS:
                return False
            if item.numbers == row.numbers and any(item.signs[sign] != row.signs[sign] for sign in "+-"):
                return False
            if max(ours, theirs) <= SHORT and _exchanged(item.names, row.names):
                return False
        if self.places < SAME_PLACES:
            return False
        if set(item.names) == set(row.names) and _exchanged(item.asked, row.asked):
            return False
        return self.formulas >= SAME_FORMULA

    @cached_property
    def run(self) -> tuple[str, ...]:
        """The longest run of tokens that both have."""
        from difflib import SequenceMatcher

        left, right = self.item.sequence[:1000], self.row.sequence[:2000]
        block = SequenceMatcher(None, left, right, autojunk=False).find_longest_match()
        return left[block.a : block.a + block.size]

    @cached_property
    def part(self) -> bool:
        """Is one text inside the other, nearly all in one run, and nothing of it replaced?"""
        shorter, longer = sorted((self.item, self.row), key=lambda text: len(text.sequence))
        size = len(shorter.sequence)
        return size >= 8 and not shorter.content - longer.content and len(self.run) >= 0.9 * size

    @cached_property
    def places(self) -> float:
        """Share of the numbers that both have which stand beside the same token: low where numbers or signs have changed places."""
        both = (self.item.numbers & self.row.numbers).total()
        if not both:
            return 1.0
        return max((ours & theirs).total() for ours, theirs in zip(self.item.neighbours, self.row.neighbours, strict=True)) / both

    @cached_property
    def formulas(self) -> float:
        """How much of the shorter text's formulas the other has, 0–1: in order, or in runs of three where the order is another."""
        left, right = self.item, self.row
        if min(len(left.formula), len(right.formula)) < 8:
            return 1.0
        from rapidfuzz.distance import LCSseq

        shorter = min(len(left.formula), len(right.formula))
        in_order = LCSseq.similarity(left.formula, right.formula) / shorter
        in_runs = (left.phrases & right.phrases).total() / min(left.phrases.total(), right.phrases.total())
        return max(in_runs, in_order if in_order >= 0.9 else 0.0)

    @cached_property
    def similarity(self) -> float:
        """Token similarity 0–1: the weight of shared tokens, twice, over the weight of all; or, if larger, half-way to that of letters.

        Light words and operators are left out. The first forgives another order, the second misspellings.
        """
        words, others = self.item.words.total(), self.row.words.total()
        if words and others and (self.item.words & self.row.words).total() < 0.4 * max(words, others):
            return 0.0
        total = self.item.weight + self.row.weight
        shared = 2 * (_weight(self.item.content & self.row.content) + self._other_names) / total if total else 0.0
        if shared < 0.5:
            return shared
        from rapidfuzz.fuzz import ratio

        return max(shared, (shared + ratio(_letters(self.item), _letters(self.row)) / 100) / 2)

    @cached_property
    def _other_names(self) -> float:
        """Weight of names of people and places that were exchanged one for one, in a problem with the same numbers."""
        if self.item.numbers != self.row.numbers or self.item.numbers.total() < 2:
            return 0.0
        missing, more = self.item.words - self.row.words, self.row.words - self.item.words
        ours = sorted(count for word, count in missing.items() if word in self.item.proper)
        theirs = sorted(count for word, count in more.items() if word in self.row.proper)
        return float(sum(ours)) if ours == theirs else 0.0

    @cached_property
    def exchanged(self) -> float:
        """Share of the item's content that the row has replaced, 0–1. Nothing is replaced in a row that was cut or has more."""
        missing = _weight(self.item.content - self.row.content)
        more = _weight(self.row.content - self.item.content)
        return min(missing, more) / self.item.weight if self.item.weight else 0.0


def _letters(text: Text) -> str:
    return " ".join(token for token in text.sequence if token not in LIGHT and token not in OPERATORS)


def _exchanged(left: Counter, right: Counter) -> int:
    """How many entries were replaced: what both sides have and the other lacks."""
    return min((left - right).total(), (right - left).total())
