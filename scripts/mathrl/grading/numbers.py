r"""Two constants: finished numbers, percent and degrees, units, rounded golds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from mathrl.grading import nodes as n
from mathrl.grading import units
from mathrl.grading.asked import spoken
from mathrl.grading.value import Value, as_real, close, constant, is_imaginary

SIGNIFICANT = 5
"""A decimal of so many significant digits, four of them decimals, stands for an exact value (2.6667 for 8/3)."""
ROUNDING = Fraction(1, 80)
"""A more precise answer that rounds to a rounded gold must also lie within this relative distance of it."""
TEN = n.Num(Fraction(10))


@dataclass(frozen=True, slots=True)
class How:
    """What the judge knows beside the two answers.

    rounded: the golds are rounded decimals (a property of the benchmark). percent, degrees: may the sign be left out?
    interval: does the problem ask for an interval, so that (3,5) is no point? problem: its text in lower case.
    """

    rounded: bool = False
    percent: bool = True
    degrees: bool = True
    interval: bool = False
    problem: str = ""

    @property
    def words(self) -> frozenset[str]:
        """The words of the problem, each of which may name what is counted, and what it asks for."""
        return spoken(self.problem)


def is_finished(node: n.Node) -> bool:
    r"""A finished number: digits, a sign, a fraction of finished numbers, a power of ten as scale, percent, degrees, a unit.

    What still has to be worked out (2+2, 5!, \sqrt{16}, \binom{4}{2}) is not finished, whatever its value.
    """
    match node:
        case n.Num():
            return True
        case n.Neg(inner=inner) | n.Paren(inner=inner) | n.Percent(inner=inner) | n.Degrees(inner=inner) | n.Quantity(inner=inner):
            return is_finished(inner)
        case n.Div(top=top, bottom=bottom):
            return is_marked(top, n.Num) and is_marked(bottom, n.Num)
        case n.Pow():
            return _is_power_of_ten(node)
        case n.Mul(items=(first, second)):
            return is_finished(first) and not isinstance(first, n.Mul) and _is_power_of_ten(second)
        case n.Add(items=items):
            return all(isinstance(part, n.Quantity) and is_finished(part) for part in items)
    return False


def is_marked(node: n.Node, mark: type[n.Node]) -> bool:
    """Is a number, its sign and brackets aside, of this type: does it carry a percent or a degree sign?"""
    return isinstance(n.signed(node)[1], mark)


def _is_power_of_ten(node: n.Node) -> bool:
    return isinstance(node, n.Pow) and node.base == TEN and is_marked(node.exponent, n.Num)


def _is_radians(node: n.Node) -> bool:
    """A multiple of pi without a sum: an angle as it is written in radians."""
    return all(isinstance(part, n.Num | n.Mul | n.Div | n.Neg | n.Paren) or part == n.PI for part in n.walk(node))


_FAMILIES = {
    **dict.fromkeys(("sin", "cos", "tan", "cot", "sec", "csc"), "trigonometric"),
    **dict.fromkeys(("arcsin", "arccos", "arctan", "arg"), "inverse"),
    **dict.fromkeys(("log", "ln"), "logarithm"),
    **dict.fromkeys(("floor", "ceil", "max", "min", "gcd", "lcm", "det"), "procedure"),
}


def _work_left(node: n.Node) -> set[str]:
    """Kinds of work that an expression leaves to the reader: functions to look up, a division by a complex number."""
    found = {_FAMILIES[part.name] for part in n.walk(node) if isinstance(part, n.Fn) and part.name in _FAMILIES}
    if any(isinstance(part, n.Div) and (value := constant(part.bottom)) is not None and is_imaginary(value) for part in n.walk(node)):
        found.add("complex division")
    return found


def is_worked_out(answer: n.Node, gold: n.Node) -> bool:
    r"""Has the answer no work left that the gold has done? \tan 15^\circ is not worked out for 2-\sqrt3, nor 2^{10} for 1024."""
    if is_finished(gold):
        return is_finished(answer) or (is_marked(gold, n.Degrees) and _is_radians(answer))
    return is_finished(answer) or _work_left(answer) <= _work_left(gold)


def _split(node: n.Node) -> tuple[n.Node, str | None]:
    """A number and its unit (None where it has none); radians are no unit."""
    match node:
        case n.Quantity(inner=inner, unit=unit):
            return inner, None if unit in ("rad", "radian", "radians") else unit
        case n.Neg(inner=inner) | n.Paren(inner=inner):
            bare, name = _split(inner)
            return type(node)(bare), name
        case n.Add(items=items) if isinstance(items[0], n.Quantity):
            return _compound(items)
    return node, None


_SEVERAL = "?"
"""The unit of quantities side by side that are no one measure: 2 ft 3 ft is not 5."""


def _compound(items: tuple[n.Node, ...]) -> tuple[n.Node, str | None]:
    """5 ft 3 in as 63 in: the sum in the last unit, where all parts have one dimension and the units get smaller."""
    parts = [
        (value, *size, part.unit)
        for part in items
        if isinstance(part, n.Quantity) and isinstance(value := constant(part.inner), Fraction) and (size := units.size_of(part.unit))
    ]
    if len(parts) != len(items) or any(a[1] <= b[1] or a[2] != b[2] for a, b in pairwise(parts)):
        return n.Add(items), _SEVERAL
    _, smallest, _, unit = parts[-1]
    return n.Num(sum((value * size / smallest for value, size, *_ in parts), Fraction(0)), None), unit


def _with_units(answer: n.Node, gold: n.Node, how: How) -> tuple[n.Node, n.Node] | None:
    """The two without their units, the answer in the gold's unit; None where the units differ."""
    (mine, unit), (theirs, other) = _split(answer), _split(gold)
    if _SEVERAL in (unit, other):
        return None
    if unit is None:
        return mine, theirs
    own, wanted = units.size_of(unit), units.size_of(other) if other else None
    if other is None:
        factor = units.factor(unit, how.words)
    elif own is None or wanted is None or own == wanted:
        factor = Fraction(1) if own == wanted is not None or units.agree(unit, other, how.words) else None
    else:
        factor = own[0] / wanted[0] if own[1] == wanted[1] else None
    if factor is None or factor == 1:
        return None if factor is None else (mine, theirs)
    value, by = constant(mine), n.Num(factor, None)
    return (n.Num(value * factor, None) if isinstance(value, Fraction) and is_finished(mine) else n.Mul((mine, by))), theirs


def without_mark(node: n.Node, mark: type[n.Wrapped]) -> n.Node:
    """The number without its percent or degree sign."""
    if isinstance(node, mark):
        return node.inner
    if isinstance(node, n.Neg | n.Paren):
        return type(node)(without_mark(node.inner, mark))
    return n.Quantity(without_mark(node.inner, mark), node.unit) if isinstance(node, n.Quantity) else node


def _marks_clash(answer: n.Node, gold: n.Node) -> bool:
    """Percent against degrees, or either against a unit: 15 % is no 15 cm, though each may be written 15."""
    for one, other in ((answer, gold), (gold, answer)):
        unit = _split(other)[1]
        if is_marked(one, n.Percent) and (unit is not None or is_marked(other, n.Degrees)):
            return True
        if is_marked(one, n.Degrees) and unit is not None and unit not in ("celsius", "fahrenheit"):
            return True
    return False


def _equal_without_mark(answer: n.Node, gold: n.Node, how: How) -> bool:
    """The sign beside the number may be left out: 50 % for 50 (not 0.5 % for 0.5), 45 degrees for 45."""
    for mark, allowed in ((n.Percent, how.percent), (n.Degrees, how.degrees)):
        if is_marked(answer, mark) == is_marked(gold, mark) or not (allowed or is_marked(gold, mark)):
            continue
        mine, theirs = without_mark(answer, mark), without_mark(gold, mark)
        left, right = constant(mine), constant(theirs)
        if left is None or right is None or not close(left, right) or not is_worked_out(mine, theirs):
            continue
        if mark is n.Degrees or not (isinstance(left, Fraction) and abs(left) < 1):
            return True
    return False


def decimal(node: n.Node) -> tuple[Fraction, int] | None:
    """(value, decimal places) of a written decimal, None for other trees. Places may be negative (3.8e35)."""
    match node:
        case n.Num(value=value, places=places):
            return None if places is None else (value, places)
        case n.Neg(inner=inner) | n.Paren(inner=inner) | n.Quantity(inner=inner):
            found = decimal(inner)
            return None if found is None else (-found[0] if isinstance(node, n.Neg) else found[0], found[1])
        case n.Mul(items=(first, n.Pow() as scale)) if _is_power_of_ten(scale):
            found, exponent = decimal(first), constant(scale.exponent)
            if found and isinstance(exponent, Fraction) and exponent.denominator == 1 and abs(exponent) <= 400:
                return found[0] * Fraction(10) ** exponent.numerator, found[1] - exponent.numerator
    return None


def _significant(value: Fraction, places: int) -> int:
    return len(str(abs(int(value * Fraction(10) ** places)))) if abs(places) <= 500 else 0


def is_rounded(gold: n.Node) -> bool:
    """Is this gold a decimal that may be rounded?"""
    found = decimal(gold)
    if found is None or found[0] == 0:
        return False
    value, places = found
    return value.denominator != 1 or (places < 0 and _significant(value, places) > 1)


def _exact(value: Value) -> Fraction | None:
    real = as_real(value)
    return None if real is None else Fraction(real)


def _stands_for(value: Value, target: Fraction, places: int) -> bool:
    """Does a value, rounded or cut after `places` decimals, read as `target`?"""
    exact, unit = _exact(value), Fraction(10) ** -places
    slack = 0 if isinstance(value, Fraction) else abs(target) * Fraction(1, 10**12)
    cut = exact is not None and (exact >= 0) == (target >= 0) and 0 <= abs(exact) - abs(target) < unit
    return cut or (exact is not None and abs(exact - target) <= unit / 2 * Fraction(1000001, 1000000) + slack)


def is_long_decimal_of(answer: n.Node, value: Value) -> bool:
    """A decimal of `SIGNIFICANT` digits or more, four of them decimals, that stands for an exact value."""
    written = decimal(answer)
    if written is None or written[1] < 4 or _significant(*written) < SIGNIFICANT:
        return False
    return _stands_for(value, *written)


def _is_more_precise(answer: n.Node, value: Value, target: Fraction, places: int) -> bool:
    """Does a more precise answer round to a rounded gold?

    A gold of one or two significant digits is often exact (2.5 litres), so there the answer must have two digits more (0.4167
    for 0.42, not 2.52 for 2.5), or be a closed form; and it must lie within `ROUNDING` of the gold.
    """
    half = Fraction(10) ** -places / 2 * Fraction(1000001, 1000000)
    exact = _exact(value)
    if exact is None or abs(exact - target) > min(half, abs(target) * ROUNDING):
        return False
    if isinstance(value, Fraction):
        further = 1 if _significant(target, places) >= 3 else 2
        return is_finished(answer) and all((value * Fraction(10) ** (places + extra)).denominator != 1 for extra in range(further))
    return True


def is_hedge(node: n.Node) -> bool:
    """Does a chain in the tree say two things, as 5 = 7 and 5 ~ 6 do?

    "x = 1/3 ~ 1.3" gives x the value 1/3, however badly it is rounded behind it: only chains that name nothing can be a hedge. Numbers
    modulo another are left alone.
    """
    parts = list(n.walk(node))
    modular = [part.inner for part in parts if isinstance(part, n.Mod)]
    bare = (part for part in parts if isinstance(part, n.Rel) and not n.symbols(part.terms[0]) and part not in modular)
    return any(map(_says_two_things, bare))


def _says_two_things(chain: n.Rel) -> bool:
    """Are two numbers of a chain called equal that are not, or approximations that do not round to each other?

    A number beside a quantity may be in another unit: 1 hour = 60.
    """
    numbers: list[n.Node] = []
    for before, op, term in zip(chain.terms[:1] + chain.terms, ("", *chain.ops), chain.terms, strict=False):
        if op == "~" and not _agree(before, term, _rounds_to):
            return True
        numbers = numbers if op == "=" else []
        if _is_plain_number(term):
            alike = (other for other in (*numbers[:1], *numbers[-1:]) if (_split(other)[1] is None) == (_split(term)[1] is None))
            if not all(_agree(other, term, _is_equal) for other in alike):
                return True
            numbers.append(term)
    return False


def _is_plain_number(node: n.Node) -> bool:
    r"""A number whose value nobody disputes: no letter but pi (e and i may be names), no angle, no logarithm of an unsaid base."""
    return isinstance(node, n.Scalar | n.Ratio) and all(
        part == n.PI or part.name in _ALGEBRAIC if isinstance(part, n.Sym | n.Fn) else not isinstance(part, n.Call | n.BigOp)
        for part in n.walk(node)
    )


_ALGEBRAIC = frozenset({"sqrt", "root", "abs", "binom", "floor", "ceil", "max", "min", "gcd", "lcm"})


def _agree(one: n.Node, other: n.Node, test: Callable[[n.Node, n.Node], bool]) -> bool:
    """Do two values pass a test, either way round? Sides with a letter, and units that nothing compares, are left alone."""
    if not all(isinstance(node, n.Scalar | n.Ratio) and not n.symbols(node) for node in (one, other)):
        return True
    pairs = [pair for pair in (_with_units(one, other, How()), _with_units(other, one, How())) if pair]
    return not pairs or any(test(*pair) or test(*pair[::-1]) for pair in pairs)


def _is_equal(one: n.Node, other: n.Node) -> bool:
    """Is the second value the first, or the first rounded to decimals? The sign of percent and of degrees may be left out."""
    value, target = constant(one), constant(other)
    if value is None or target is None or close(value, target) or _equal_without_mark(one, other, How()):
        return True
    exact, written = (decimal(without_mark(node, n.Percent)) for node in (one, other))
    return exact is None and written is not None and written[1] > 0 and _rounds_to(one, other)


def _rounds_to(one: n.Node, other: n.Node) -> bool:
    """Does the first value, in as many digits as the second is written with, read as the second? Without digits, they are near."""
    value, target = constant(one), constant(other)
    if value is None or target is None or close(value, target):
        return True
    written, own = decimal(without_mark(other, n.Percent)), decimal(without_mark(one, n.Percent))
    if written is None:
        return own is None and abs(complex(value) - complex(target)) <= ROUNDING * abs(complex(target))
    places = _rounded_places(*written) + 2 * is_marked(other, n.Percent)
    if own is not None and _rounded_places(*own) + 2 * is_marked(one, n.Percent) < places:
        return False
    exact, rounded = _exact(value), _exact(target)
    if exact is None or rounded is None or abs(places) > 400:
        return False
    if places > 0:
        return _stands_for(value, rounded, places)
    return abs(exact - rounded) <= Fraction(10) ** -places / 2


def _rounded_places(value: Fraction, places: int) -> int:
    """The decimal places that count: the zeros of 1200 may come from rounding; that of 10 may not, two digits always count."""
    if places or not value:
        return places
    digits = str(abs(value.numerator))
    return min(places, -min(len(digits) - len(digits.rstrip("0")), max(len(digits) - 2, 0)))


def same_numbers(answer: n.Node, gold: n.Node, how: How) -> bool:
    """Two constants: equal values, signs and units read both ways, and the rounding rules."""
    if _marks_clash(answer, gold):
        return False
    bare = _with_units(answer, gold, how)
    if bare is None:
        return False
    answer, gold = bare
    left, right = constant(answer), constant(gold)
    if left is None or right is None:
        return answer == gold
    if close(left, right) and is_worked_out(answer, gold):
        return True
    if _equal_without_mark(answer, gold, how):
        return True
    written = decimal(gold)
    if how.rounded and written is not None and is_rounded(gold):
        return _is_more_precise(answer, left, *written)
    return written is None and is_long_decimal_of(answer, right)
