"""English number words: what each is worth, and what several of them say together."""

from __future__ import annotations

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
