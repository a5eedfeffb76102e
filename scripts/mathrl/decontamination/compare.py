"""Are two texts the same problem? Decided on their tokens, by rules that a reader can follow.

Numbers must agree: a number that only one side has is fine (one text is cut or has a sentence more), numbers on both sides
that the other lacks mean another problem of the same template. The same holds for operators and for words that turn a
question into another one (largest against smallest).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from ..textnorm import LIGHT, OPERATORS, is_number, number_value, tokens

MAX_TEXT = 20_000  # characters that are compared
# Groups of words that exclude each other: the first word of a cell stands for the others.
CONTRASTS = (
    ("largest greatest maximum maximal biggest highest most max", "smallest least minimum minimal lowest fewest min"),
    ("odd", "even"),
    ("sin sine", "cos cosine", "tan tangent", "cot cotangent", "sec secant", "csc cosecant"),
    ("sum add total altogether plus", "difference subtract minus", "product multiply", "quotient divide ratio"),
    ("first", "last", "second", "third"),
    ("increase increases increased increasing", "decrease decreases decreased decreasing"),
    ("area", "perimeter", "volume", "circumference"),
    ("inscribed", "circumscribed"),
    ("positive", "negative"),
    ("mean average", "median", "mode"),
    ("more", "less fewer"),
    ("before", "after"),
    ("left", "right"),
    ("horizontal", "vertical"),
    ("ascending", "descending"),
    ("convex", "concave"),
    ("gcd gcf hcf", "lcm"),
)
_CONTRAST = {
    word: (group, cell) for group, cells in enumerate(CONTRASTS) for cell, names in enumerate(cells) for word in names.split()
}
SIGNS = frozenset("+-*/=<>!")
NUMBER_WEIGHT = 3.0  # a number says more about a problem than a word
LETTER_WEIGHT = 0.5  # a variable less


@dataclass(frozen=True)
class Text:
    """A problem prepared for comparing: its tokens, and counts of what they are."""

    sequence: tuple[str, ...]
    numbers: Counter[str]
    signs: Counter[str]
    contrasts: Counter[tuple[int, int]]
    content: Counter[str]
    weight: float

    @classmethod
    def of(cls, text: str) -> Text:
        sequence = tuple(number_value(token) if is_number(token) else token for token in tokens(text[:MAX_TEXT]))
        content = Counter(token for token in sequence if token not in LIGHT and token not in OPERATORS)
        return cls(
            sequence,
            Counter(token for token in sequence if is_number(token)),
            Counter(token for token in sequence if token in SIGNS),
            Counter(_CONTRAST[token] for token in sequence if token in _CONTRAST),
            content,
            _weight(content),
        )


def _weight(counts: Counter[str]) -> float:
    return sum(
        count * (NUMBER_WEIGHT if is_number(token) else LETTER_WEIGHT if len(token) == 1 and token.isascii() else 1.0)
        for token, count in counts.items()
    )


class Pair:
    """An item and a row side by side; what is expensive is computed when asked for."""

    def __init__(self, item: Text, row: Text) -> None:
        self.item, self.row = item, row

    @cached_property
    def agrees(self) -> bool:
        """Do numbers, signs and contrasting words agree?"""
        item, row = self.item, self.row
        if _exchanged(item.numbers, row.numbers) or _exchanged(item.signs, row.signs):
            return False
        if item.numbers == row.numbers and any(item.signs[sign] != row.signs[sign] for sign in "+-"):
            return False
        lost, gained = item.contrasts - row.contrasts, row.contrasts - item.contrasts
        return not {group for group, _ in lost} & {group for group, _ in gained}

    @cached_property
    def similarity(self) -> float:
        """Token similarity 0–1: the weight of shared tokens, twice, over the weight of all; or, if larger, that of their letters.

        Light words and operators are left out. The first forgives another order, the second misspellings.
        """
        total = self.item.weight + self.row.weight
        shared = 2 * _weight(self.item.content & self.row.content) / total if total else 0.0
        if shared < 0.5:
            return shared
        from rapidfuzz.fuzz import ratio

        return max(shared, ratio(_letters(self.item), _letters(self.row)) / 100)

    @cached_property
    def evidence(self) -> str:
        """The longest run of tokens that both have."""
        from difflib import SequenceMatcher

        left, right = self.item.sequence[:1000], self.row.sequence[:2000]
        block = SequenceMatcher(None, left, right, autojunk=False).find_longest_match()
        return " ".join(left[block.a : block.a + block.size])


def _letters(text: Text) -> str:
    return " ".join(token for token in text.sequence if token not in LIGHT and token not in OPERATORS)


def _exchanged(left: Counter, right: Counter) -> int:
    """How many entries were replaced: what both sides have and the other lacks."""
    return min(sum((left - right).values()), sum((right - left).values()))
