r"""Units of measurement, as a white list with sizes, and the words that may stand behind a number without changing it.

A unit has powers of base units and a size: 1 km/h is 1000/3600 m s^-1. Two answers with units are compared by size, so
90 minutes are 1.5 hours. Words that are no unit may name what is counted, never a part or a multiple of it.
"""

from __future__ import annotations

import re
from collections.abc import Container
from fractions import Fraction
from functools import lru_cache

Size = tuple[Fraction, tuple[tuple[str, int], ...]]
"""(size in base units, powers of the base units)."""

_TABLE = """
1 m: m meter meters metre metres
1/100 m: cm centimeter centimeters centimetre centimetres
1/1000 m: mm millimeter millimeters millimetre millimetres
1/10 m: dm decimeter decimeters decimetre decimetres
1000 m: km kilometer kilometers kilometre kilometres
1/1000000 m: micron microns micrometer micrometers
1/1000000000 m: nm nanometer nanometers nanometre nanometres
381/1250 m: ft foot feet
127/5000 m: in inch inches
1143/1250 m: yd yard yards
201168/125 m: mi mile miles
1 g: g gm gram grams gramme
1000 g: kg kilogram kilograms kilo kilos
1/1000 g: mg milligram milligrams
1000000 g: tonne tonnes
45359237/100000 g: lb lbs
45359237/1600000 g: oz ounce ounces
1 s: s sec secs second seconds
1/1000 s: ms millisecond milliseconds
60 s: min mins minute minutes
3600 s: h hr hrs hour hours
86400 s: day days
604800 s: week weeks
1 month: month months
12 month: year years yr yrs
1/1000 m^3: l liter liters litre litres
1/1000000 m^3: ml milliliter milliliters millilitre millilitres cc
1 gallon: gal gallon gallons
1/4 gallon: quart quarts qt
1/8 gallon: pint pints pt
1/16 gallon: cup cups
10000 m^2: ha hectare hectares
1 acre: acre acres
1 dollar: dollar dollars usd buck bucks
1/100 dollar: cent cents
1 euro: euro euros eur
1 gbp: gbp
1/100 gbp: pence penny pennies
1 yuan: yuan rmb
1/10 yuan: jiao
1 rupee: rupee rupees rs inr
201168/450000 m s^-1: mph
5/18 m s^-1: kmh kph kmph
1000 g m s^-2: n newton newtons
1000 g m^2 s^-2: j joule joules
1000000 g m^2 s^-2: kj kilojoule kilojoules
1000 g m^2 s^-3: w watt watts
1000000 g m^2 s^-3: kw kilowatt kilowatts
1000 g m^-1 s^-2: pa pascal pascals
1000000 g m^-1 s^-2: kpa
1 s^-1: hz hertz
1 v: v volt volts
1 ampere: a amp amps ampere amperes
1 ohm: omega ohm ohms
1 mol: mol mols mole moles
1 ev: ev
1 k: k kelvin kelvins
1 celsius: celsius
1 fahrenheit: fahrenheit
1 rad: rad rads radian radians
"""
_BASE = re.compile(r"([a-z]+)(?:\^(-?\d))?")


def _read_table() -> dict[str, Size]:
    sizes: dict[str, Size] = {}
    for line in _TABLE.strip().splitlines():
        size, names = line.split(": ")
        factor, *bases = size.split()
        powers = tuple(sorted((name, int(power or 1)) for name, power in (_BASE.fullmatch(base).groups() for base in bases)))
        sizes.update(dict.fromkeys(names.split(), (Fraction(factor), powers)))
    return sizes


UNITS = _read_table()
_UNSIZED = frozenset("pound pounds unit units degree degrees degc erg dyne dynes au pc ly t f c point points".split())  # noqa: SIM905
"""Units that mean several things, or that have no size here: they agree with any."""
_POWERS = {"square": 2, "squared": 2, "sq": 2, "cubic": 3, "cubed": 3, "cube": 3, "cu": 3}
_JOINING = frozenset("per of the a an each in total altogether long away tall wide high deep old apart left".split())  # noqa: SIM905
_PARTS = (
    "half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths seventh sevenths eighth eighths ninth ninths "
    "tenth tenths hundredth hundredths thousandth thousandths percent"
)
_CHANGES = (
    "or and if not no more less than least most plus minus negative positive below above under to mod greater fewer base squared cubed "
    "doubled tripled halved double triple twice factorial over from unless except between either none for where when with "
    "is are root remainder off short times_by divided multiplied dozens hundreds thousands millions billions hundred thousand million "
    "then but only cannot isn't wrong false nothing infinity pi"
)
CHANGING = frozenset(_PARTS.split()) | frozenset(_CHANGES.split())
"""Words that make another value of the number before them: text that holds one is no unit."""
_COUNTED = frozenset("people men women children mice geese feet fish sheep deer participants hours' ways altogether total".split())  # noqa: SIM905


@lru_cache(maxsize=4096)
def size_of(unit: str) -> Size | None:
    """The size of "m/s^2", "meters per second", "square cm"; None where a part is no unit with a size."""
    powers: dict[str, int] = {}
    factor, sign, exponent, last = Fraction(1), 1, 1, None
    for part in re.findall(r"[^\W\d_]+|-?\d+|/", unit.lower()):
        if part in ("/", "per"):
            sign, last = -1, None
        elif part in _POWERS and last is None:
            exponent = _POWERS[part]
        elif part in _POWERS or part.lstrip("-").isdigit():
            further = sign * (_POWERS.get(part) or int(part)) - sign
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


def may_follow(words: str, problem_words: Container[str] = frozenset()) -> bool:
    """May an answer have these words behind its number, where the gold has none?

    Units, words of the problem and plain plurals (what is counted) may; words that change the value never.
    """
    if size_of(words) is not None:
        return True
    parts = re.findall(r"[^\W\d_]+'?", words.lower())
    return all(part not in CHANGING and (_is_harmless(part) or part in problem_words or part + "s" in problem_words) for part in parts)


def _is_harmless(word: str) -> bool:
    known = is_known(word) or word in _JOINING or word in _POWERS or word in _COUNTED
    return known or (len(word) > 3 and word.endswith("s") and not word.endswith("ss"))


def changes_value(words: str) -> bool:
    """Does one of the words make another value of the number before it?"""
    return any(part in CHANGING for part in re.findall(r"[^\W\d_]+", words.lower()))


def agree(answer: str, gold: str) -> bool:
    """May these two units stand for one, their sizes aside? A gold's words that are no unit agree with any unit."""
    if answer == gold or answer.lower() in _UNSIZED or gold.lower() in _UNSIZED:
        return True
    return size_of(gold) is None and may_follow(answer)
