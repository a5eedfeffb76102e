"""A problem of the demo's world read back from its text: what it computes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mathrl.demo.world import SIGNS, SYMBOL_FORMS, WORD_FORMS, apply


@dataclass(frozen=True)
class Sum:
    """`(a first b) second c`, and whether it was told as a formula."""

    first: str
    second: str
    a: int
    b: int
    c: int
    formula: bool

    @property
    def steps(self) -> tuple[int, int]:
        """The result of the first operation, and of both."""
        middle = apply(self.first, self.a, self.b)
        return middle, apply(self.second, middle, self.c)

    @property
    def equations(self) -> tuple[str, str]:
        """The two equations that solve it."""
        middle, value = self.steps
        return f"{self.a} {self.first} {self.b} = {middle}", f"{middle} {self.second} {self.c} = {value}"


def _pattern(form: str) -> re.Pattern[str]:
    """A regular expression that reads a form back."""
    sign = "|".join(map(re.escape, SIGNS.values()))
    parts = {"": rf"(?P<a>\d+) (?P<first>{sign}) (?P<b>\d+) (?P<second>{sign}) (?P<c>\d+)", "name": r"\w+", "thing": r"\w+"}
    parts |= {operand: rf"(?P<{operand}>\d+)" for operand in "abc"}
    return re.compile(re.sub(r"\\\{(\w*)\\\}", lambda slot: parts[slot[1]], re.escape(form)))


_FORMULAS = [_pattern(form) for form in SYMBOL_FORMS]
_STORIES = [(_pattern(form), first, second) for first, second, _, form in WORD_FORMS]


def _operands(found: re.Match[str]) -> tuple[int, int, int]:
    return int(found["a"]), int(found["b"]), int(found["c"])


def read(text: str) -> Sum | None:
    """What a problem of the demo computes; None for any other text."""
    text = text.strip()
    operations = {sign: name for name, sign in SIGNS.items()}
    for pattern in _FORMULAS:
        if found := pattern.fullmatch(text):
            return Sum(operations[found["first"]], operations[found["second"]], *_operands(found), formula=True)
    for pattern, first, second in _STORIES:
        if found := pattern.fullmatch(text):
            return Sum(first, second, *_operands(found), formula=False)
    return None
