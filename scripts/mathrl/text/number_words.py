"""English number words: what each is worth, and what several of them say together."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
ONES = {word: value for value, word in enumerate(_ONES.split())}
TENS = {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
WORDS = ONES | TENS  # that stand for a number alone


def value(words: Iterable[str]) -> int:
    """The number that words in lower case say together: ("two", "hundred", "and", "five") is 205. `a` counts as one.

    Words that are no number words say nothing (`and`); whether the words stand in an order that English allows is the caller's
    question.
    """
    total = part = 0
    for word in words:
        if word == "hundred":
            part *= 100
        elif word in SCALES:
            total, part = total + part * SCALES[word], 0
        else:
            part += 1 if word == "a" else WORDS.get(word, 0)
    return total + part


_IRREGULAR = {"half": 2, "halve": 2, "third": 3, "quarter": 4, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12}
_REGULAR = {re.sub("y$", "ie", word) + "th": size for word, size in (WORDS | {"hundred": 100} | SCALES).items() if size > 3}
PARTS = {word: size for word, size in _REGULAR.items() if size not in _IRREGULAR.values()} | _IRREGULAR | {"fourth": 4}
"""A part in the singular ("sixteenth") and how many of it make one."""
_ONE = "|".join(word for word, size in ONES.items() if 0 < size < 10)
_BELOW = f"(?:(?:{'|'.join(TENS)})(?: (?:{_ONE}))?|{'|'.join(ONES)})"
_GROUP = f"(?:(?:(?:{_ONE}) hundred(?: (?:and )?{_BELOW})?|{_BELOW}) )"
_WHOLE = re.compile("(?=.)" + "".join(f"(?:{_GROUP}{scale} (?:and (?=.))?)?" for scale in reversed(SCALES)) + f"{_GROUP}?")


def fraction(words: str) -> tuple[int, int] | None:
    """(numerator, denominator) of "twenty-one", "two hundred and five", "half", "two thirds"; None for other words."""
    parts = words.lower().replace("-", " ").split()
    if not 1 <= len(parts) <= 12:
        return None
    head, bottom = parts[:-1], PARTS.get(parts[-1].removesuffix("s"))
    if bottom and (head in ([], ["a"]) or (len(head) == 1 and head[0] in ONES)):
        return (ONES.get(head[0], 1) if head else 1, bottom) if head or parts == ["half"] else None
    return (value(parts), 1) if _WHOLE.fullmatch(" ".join(parts) + " ") else None
