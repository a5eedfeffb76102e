"""Are two texts the same problem? Decided on their tokens, by rules that a reader can follow.

Numbers must agree: a number that only one side has is fine (one text is cut or has a sentence more), numbers on both sides
that the other lacks mean another problem of the same template. The same holds for operators and for words that turn a
question into another one (largest against smallest).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..textnorm import OPERATORS, is_number, number_value, tokens

# Words without weight: they carry the sentence, not the problem.
LIGHT = frozenset(
    "a an the of in on at to for from by with and or is are was were be been being it its this that these those there as if then "
    "so such let given suppose assume find determine compute calculate evaluate what which how many much value result answer "
    "please solve problem question following express your you we i he she they his her their do does did has have had will would "
    "can could should also each every any all not s t your give form expressed write must put final box boxed step reasoning".split()
)
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
ORDERED = frozenset("+-*/=<>^!")


@dataclass(frozen=True)
class Text:
    """A problem prepared for comparing: its tokens, and counts of what they are."""

    sequence: tuple[str, ...]
    numbers: Counter[str]
    operators: Counter[str]
    contrasts: Counter[tuple[int, int]]
    weights: Counter[str]

    @classmethod
    def of(cls, text: str) -> Text:
        sequence = tuple(number_value(token) if is_number(token) else token for token in tokens(text))
        return cls(
            sequence,
            Counter(token for token in sequence if is_number(token)),
            Counter(token for token in sequence if token in ORDERED),
            Counter(_CONTRAST[token] for token in sequence if token in _CONTRAST),
            Counter({token: count for token, count in Counter(sequence).items() if token not in LIGHT and token not in OPERATORS}),
        )


def _exchanged(left: Counter, right: Counter) -> int:
    """How many entries were replaced: what both sides have and the other lacks."""
    return min(sum((left - right).values()), sum((right - left).values()))


def agrees(item: Text, row: Text) -> bool:
    """Do numbers, operators and contrasting words of the two texts agree?"""
    if _exchanged(item.numbers, row.numbers) or _exchanged(item.operators, row.operators):
        return False
    lost, gained = item.contrasts - row.contrasts, row.contrasts - item.contrasts
    return not {group for group, _ in lost} & {group for group, _ in gained}


def overlap(item: Text, row: Text) -> float:
    """Token similarity 0–1, weighted: twice the shared tokens over all tokens, light words and operators left out."""
    shared = sum((item.weights & row.weights).values())
    total = sum(item.weights.values()) + sum(row.weights.values())
    return 2 * shared / total if total else 0.0


def shared_run(item: Iterable[str], row: Iterable[str]) -> str:
    """The longest run of tokens that both have, as text: the evidence a reader looks for."""
    from difflib import SequenceMatcher

    left, right = list(item)[:2000], list(row)[:4000]
    block = SequenceMatcher(None, left, right, autojunk=False).find_longest_match()
    return " ".join(left[block.a : block.a + block.size])
