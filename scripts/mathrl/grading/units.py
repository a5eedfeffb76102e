r"""Units of measurement, as a white list with sizes, and the words that may stand behind a number without changing it.

A unit has powers of base units and a size: 1 km/h is 1000/3600 m s^-1. Two answers with units are compared by size, so
90 minutes are 1.5 hours. Words that are no unit may name what is counted, never a part or a multiple of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fractions import Fraction
from functools import lru_cache

from mathrl.grading.words import TABLES
from mathrl.text import number_words

Size = tuple[Fraction, tuple[tuple[str, int], ...]]
"""(size in base units, powers of the base units)."""


def _read_table() -> dict[str, Size]:
    sizes: dict[str, Size] = {}
    for name, size in TABLES["unit"].items():
        factor, *bases = size.split()
        powers = tuple(sorted((unit, int(power or 1)) for unit, _, power in (base.partition("^") for base in bases)))
        sizes[name] = Fraction(factor), powers
    return sizes


UNITS = _read_table()
_UNSIZED = TABLES["unsized unit"]
"""Units that mean several things, or that have no size here: they agree with any."""
MULTIPLIERS = {"dozen": 12, "hundred": 10**2, "trillion": 10**12} | number_words.SCALES
POWERS = {"square": 2, "squared": 2, "sq": 2, "cubic": 3, "cubed": 3, "cube": 3, "cu": 3}
CHANGING = TABLES["changes a number"]
"""Words that make another value of the number before them, whoever uses them: text that holds one is no unit."""
ASKED, MEASURED, MONEY, ONE, SIGN = "how many ", "in ", "money in ", "one ", "sign "
"""What stands before the words of a problem that say more than that they stand there: see `asked`."""
_PER = frozenset({"per", "each", "every", "a", "an"})
_RATE = re.compile(r"(.*?)\s*(?:\b(?:per|each|every|an?)\s+(?=[^\W\d_]{2})|/\s*)([^\W\d_]+)")
"""What is counted stands before it, for what behind it: dollars per ticket, 5 a day."""
_NUMBERS = number_words.WORDS | number_words.PARTS | MULTIPLIERS


@lru_cache(maxsize=4096)
def size_of(unit: str) -> Size | None:
    """The size of "m/s^2", "meters per second", "square cm"; None where a part is no unit with a size."""
    powers: dict[str, int] = {}
    factor, sign, exponent, last = Fraction(1), 1, 1, None
    for part in re.findall(r"[^\W\d_]+|-?\d+|/", unit.lower()):
        if part in ("/", "per"):
            sign, last = -1, None
        elif part in POWERS and last is None:
            exponent = POWERS[part]
        elif part in POWERS or part.lstrip("-").isdecimal():
            further = sign * (POWERS.get(part) or int(part)) - sign
            if last is None or abs(further) > 9:
                return None
            factor = _add(powers, factor, last, further)
        elif part in UNITS:
            last = UNITS[part]
            factor, exponent = _add(powers, factor, last, sign * exponent), 1
        else:
            return None
    found = tuple(sorted((name, power) for name, power in powers.items() if power))
    return (factor, found) if found else None


def _add(powers: dict[str, int], factor: Fraction, size: Size, power: int) -> Fraction:
    for name, own in size[1]:
        powers[name] = powers.get(name, 0) + own * power
    return factor * size[0] ** power


def is_known(word: str) -> bool:
    """Is this one word on the white list?"""
    return word.lower() in UNITS or word.lower() in _UNSIZED


def factor(words: str, spoken: Collection[str] = frozenset()) -> Fraction | None:
    """By what is a number with these words behind it to be multiplied, where the gold has none? None: they may not stand there.

    Units may, and the words of the white list, and things that the problem or the gold speaks of (`spoken`: their words, and what
    `asked` finds), in the plural, since they are counted. Nothing else may: whatever is on no list could be a part or a multiple.
    Where the problem asks for a unit, the gold is in that unit; a rate is counted for one of what the question counts it for, but for
    a unit such as g/cm^3 of whose divisor the problem does not speak.
    """
    own, wanted = size_of(words), _sizes_behind(MEASURED, spoken)
    alike = [size for size in wanted or _sizes_behind(MONEY, spoken) if own and size[1] == own[1]]
    if own and alike:
        return Fraction(1) if own in alike else own[0] / min(alike)[0]
    rate = _RATE.match(words.lower()) if spoken else None
    if rate and (wanted or not own or not (_is_time(rate[2]) or (rate[1] and _forms(rate[2]).isdisjoint(spoken)))):
        single = any(ONE + form in spoken for form in _forms(rate[2])) or size_of(rate[2]) in _sizes_behind(ONE, spoken)
        return None if not single else factor(rate[1], spoken) if rate[1] else Fraction(1)
    if own:
        return None if wanted else Fraction(1)
    return Fraction(1) if _names_counted(parts_of(words), spoken) else None


def _sizes_behind(mark: str, spoken: Collection[str]) -> list[Size]:
    """The sizes of the units that stand behind a mark."""
    return [size for phrase in spoken if phrase.startswith(mark) and (size := size_of(phrase.removeprefix(mark)))]


def _is_time(unit: str) -> bool:
    size = size_of(unit)
    return size is not None and size[1] in ((("s", 1),), (("month", 1),))


def _names_counted(parts: list[str], spoken: Collection[str]) -> bool:
    """Do these words name what is counted?"""
    words = " ".join(parts)
    if ASKED + words in spoken:
        return not changes_value(without_comparison(words))
    head = parts[: parts.index("of")] if "of" in parts else parts
    counted = not head or any(is_plural(part) or not _plurals(part).isdisjoint(spoken) for part in head)
    return counted and not changes_value(words) and all(_is_listed(part) or not _forms(part).isdisjoint(spoken) for part in parts)


def may_follow(words: str, spoken: Collection[str] = frozenset()) -> bool:
    """May an answer have these words behind its number, which they leave as it is, where the gold has none?"""
    return factor(words, spoken) == 1


def last_unit(words: list[str]) -> str:
    """The last of several words with those before it that belong to it: "square feet", "tickets per dollar"."""
    start = next((place for place in range(len(words)) if size_of(" ".join(words[place:]))), len(words) - 1)
    while start > 0 and words[start - 1].lower() in _PER:
        start = max(start - 2, 0)
    return " ".join(words[max(start, 0) :])


def without_comparison(words: str) -> str:
    """Words for what is counted without the "more" before them, which says nothing new where the problem asks "how many more"."""
    return re.sub("^(?:more|fewer) (?=.)", "", words.lower())


def is_plural(part: str) -> bool:
    return is_known(part) or part in TABLES["counted"] or (part.endswith("s") and part not in CHANGING)


def _plurals(word: str) -> set[str]:
    return {word + "s", word + "es"} | {re.sub(one, many, word) for one, many in (("y$", "ies"), ("fe?$", "ves"))} - {word}


def parts_of(words: str) -> list[str]:
    return re.findall(r"[^\W\d_]+'?", words.lower())


def _forms(word: str) -> set[str]:
    """A word, and what may be its plural and its singular."""
    singular = {re.sub(ending, one, word) for ending, one in (("s$", ""), ("es$", ""), ("ies$", "y"), ("ves$", "f"), ("ves$", "fe"))}
    return {word} | _plurals(word) | singular


def _is_listed(word: str) -> bool:
    return is_known(word) or word in TABLES["joins units"] or word in POWERS or word in TABLES["counted"]


def states_condition(words: str, behind_letter: bool) -> bool:
    """Do words behind an expression with letters say more than what is counted, so that none may leave them out?

    Behind a letter alone all do but units and the usual words for counts: "n odd" and "n primes" are not n. Behind a longer
    expression the last word decides: "2n odd" states something, "2n odd numbers" counts.
    """
    if size_of(words) is not None:
        return False
    parts = parts_of(words)
    if not behind_letter:
        return bool(parts) and parts[-1] in TABLES["condition"]
    named = [part for part in parts if is_known(part) or part in TABLES["counted"]]
    return not named or any(part not in named and part not in TABLES["joins units"] and part not in POWERS for part in parts)


def changes_value(words: str) -> bool:
    """Does one of the words make another value of the number before it?"""
    return any(part in CHANGING or part.removesuffix("s") in _NUMBERS for part in re.findall(r"[^\W\d_]+", words.lower()))


def agree(answer: str, gold: str, spoken: Collection[str] = frozenset()) -> bool:
    """May these two units stand for one, their sizes aside? A gold's words that are no unit agree with any unit."""
    if answer == gold or answer.lower() in _UNSIZED or gold.lower() in _UNSIZED:
        return True
    return size_of(gold) is None and may_follow(answer, {*spoken, *parts_of(gold)})
