"""Values of expression trees: exact where they are rational, complex floats where not, always within a budget.

A value is a Fraction as long as every operation stays rational and small, else a complex number. `Undecided` is raised where
the value lies beyond the budget or outside the function's domain, and where a float would hide a part of a sum. Nothing
takes long, because the size of every intermediate number and the number of operations are bounded.
"""

from __future__ import annotations

import cmath
import hashlib
import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from operator import add, mul, truediv

from mathrl.grading import nodes as n

MAX_BITS = 8_192
"""Rational numbers may grow to this many bits; beyond it a value is undecided."""
MAX_FACTORIAL = 500
MAX_OPERATIONS = 4_000
RELATIVE_TOLERANCE = 1e-9
"""Two values that are not both exact are equal up to this relative difference."""
VISIBLE = 1e-8
"""A term of a sum that is smaller than this part of it is not seen by floats: the sum is undecided."""
CANCELLED = 1e-13
"""A sum that is smaller than this part of its largest term is zero."""

Value = Fraction | complex
POINTS = 11
"""Test points of a variable: 0-3 positive, 4-6 of either sign, 7 and 8 large, 9 and 10 far, opposite to each other (see `sample`)."""
FIRST_SIGNED, FIRST_LARGE, FIRST_FAR = 4, 7, 9
FAR = 10**12
"""Corners (|x+999|) lie nearer than the far points. There only exact values count: a float sees nothing small beside them."""
TINY = 1e-4
"""What lies so near to zero, or to another simple fraction, is not told from it by a float that went through a function."""
LARGE_TOLERANCE = 1e-6
"""Relative tolerance at the large points, where differences of close numbers lose digits."""


class Undecided(Exception):
    """No value within the budget."""


_CONSTANTS: dict[str, Value] = {"pi": complex(math.pi), "e": complex(math.e), "i": 1j}
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh,
    "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan, "exp": cmath.exp, "ln": cmath.log,
    "cot": lambda x: 1 / cmath.tan(x), "sec": lambda x: 1 / cmath.cos(x), "csc": lambda x: 1 / cmath.sin(x),
    "coth": lambda x: 1 / cmath.tanh(x),
}  # fmt: skip
_CIRCULAR = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})
_STEPS = frozenset({"floor", "ceil", "max", "min", "gcd", "lcm"})


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
        raise Undecided("a number beyond the budget")
    return value


def as_complex(value: Value | float) -> complex:
    """The value as a float; raises `Undecided` where it is too large for one."""
    if isinstance(value, complex):
        return value
    try:
        return complex(value)
    except OverflowError:
        raise Undecided("too large for a float") from None


def _argument(value: Value) -> complex:
    """The value as a float that goes through a function; raises `Undecided` where it is almost, but not, a simple number."""
    number = as_complex(value)
    gap = abs(value - value.limit_denominator(8)) if isinstance(value, Fraction) else abs(number)
    if (0 if isinstance(value, Fraction) else CANCELLED) < gap < TINY:
        raise Undecided("almost a simple number")
    return number


def is_imaginary(value: Value) -> bool:
    """Does a value lie off the real line?"""
    return isinstance(value, complex) and abs(value.imag) > 1e-12 * max(1.0, abs(value.real))


def as_real(value: Value) -> Fraction | float | None:
    """The value as a real number, None where it is none."""
    return value if isinstance(value, Fraction) else None if is_imaginary(value) else value.real


def _real(value: Value) -> Fraction | float:
    found = as_real(value)
    if found is None:
        raise Undecided("not real")
    return found


def _integer(value: Value) -> int:
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    raise Undecided("an integer was expected")


def _integer_root(value: int, degree: int) -> int | None:
    """The exact root of a non-negative integer, None where it is no integer."""
    if degree == 2:
        root = math.isqrt(value)
        return root if root * root == value else None
    if value.bit_length() > 900 or degree > 64:
        return None
    guess = round(value ** (1 / degree))
    return next((root for root in (guess - 1, guess, guess + 1) if root >= 0 and root**degree == value), None)


def _root(value: Value, degree: int) -> Value:
    """The real root where there is one (odd roots of negative numbers too), else the principal one."""
    if isinstance(value, Fraction) and (value >= 0 or degree % 2):
        top, bottom = _integer_root(abs(value.numerator), degree), _integer_root(value.denominator, degree)
        if top is not None and bottom is not None:
            return Fraction(-top if value < 0 else top, bottom)
    number = _argument(value)
    if degree % 2 and number.real < 0 and not is_imaginary(number):
        return complex(-((-number.real) ** (1 / degree)))
    return number ** (1 / degree)


def power(base: Value, exponent: Value) -> Value:
    """base ** exponent; a rational exponent of odd denominator has a real value for a negative base."""
    if isinstance(exponent, Fraction) and exponent.denominator <= 64:
        if isinstance(base, Fraction) and exponent.denominator == 1:
            exact = _exact_power(base, exponent.numerator)
            if exact is not None:
                return exact
        elif exponent.denominator > 1 and abs(exponent.numerator) <= 64:
            return power(_root(base, exponent.denominator), Fraction(exponent.numerator))
    left, right = _argument(base), _argument(exponent)
    if left == 0:
        if right.real > 0:
            return Fraction(0)
        raise Undecided("zero to a power that is not positive")
    if isinstance(exponent, Fraction) and exponent.denominator == 1 and abs(exponent.numerator) <= 64:
        return _not_vanished(left**exponent.numerator)
    return _not_vanished(left**right)


def _exact_power(base: Fraction, exponent: int) -> Fraction | None:
    if base == 0 and exponent <= 0:
        raise Undecided("zero to a power that is not positive")
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(base) == 1 or (size * abs(exponent) <= MAX_BITS):
        return base ** (exponent if abs(base) != 1 else exponent % 2)
    return None


def _not_vanished(value: complex) -> complex:
    """A power is never zero: one that is has left the range of floats."""
    if value == 0:
        raise Undecided("too small for a float")
    return value


def _worked(operation: Callable, *values: Value) -> Value:
    """The values added, multiplied or divided in turn: exactly as long as all are exact."""
    found, *rest = values
    for value in rest:
        if isinstance(found, Fraction) and isinstance(value, Fraction):
            found = _bounded(operation(found, value))
        else:
            found = (_float_sum if operation is add else operation)(as_complex(found), as_complex(value))
    return found


def _float_sum(a: complex, b: complex) -> Value:
    found, large, small = a + b, max(abs(a), abs(b)), min(abs(a), abs(b))
    if abs(found) <= CANCELLED * large:
        return Fraction(0)
    if 0 < small < VISIBLE * large:
        raise Undecided("a term that a float does not show")
    return found


@lru_cache(maxsize=4096)
def sample(name: str, point: int) -> Fraction:
    """The value that a variable takes at a test point, fixed by its name: 0.3 to 2.7 in size, hundreds and more at the large and far.

    It is rational, so that rational functions are compared exactly.
    """
    if point >= FIRST_FAR:
        return sample(name, 0) * (FAR if point > FIRST_FAR else -FAR)
    digest = hashlib.sha256(f"{name}/{point}".encode()).digest()
    size = Fraction(19 + int.from_bytes(digest[:4], "big") % 154, 64)
    if point >= FIRST_LARGE:
        size = size * 307 + 91
    negative = digest[7] % 4 if FIRST_SIGNED <= point < FIRST_LARGE else point == FIRST_LARGE
    return -size if negative else size


def _unknown(name: str, total: complex) -> complex:
    """The value of an unknown function: a number that depends on its name and argument alone."""
    return float(sample(name + "()", 0)) + cmath.sin(total * 1.3 + float(sample(name + "*", 0)))


class Evaluator:
    """Evaluates trees at one test point, with one operation budget for all of them."""

    def __init__(self, point: int = 0):
        self.point = point
        self.operations = 0

    def __call__(self, node: n.Node) -> Value:
        """The value of a tree; raises `Undecided`."""
        try:
            value = self._value(node)
        except (OverflowError, ValueError, ZeroDivisionError, RecursionError) as error:
            raise Undecided(type(error).__name__) from None
        if isinstance(value, complex) and not (math.isfinite(value.real) and math.isfinite(value.imag)):
            raise Undecided("not finite")
        return value

    def _value(self, node: n.Node) -> Value:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            raise Undecided("more operations than the budget")
        match node:
            case n.Num(value=value):
                return value
            case n.Sym(name=name):
                return self._symbol(name)
            case n.Add(items=items):
                return _worked(add, *map(self._value, items))
            case n.Mul(items=items):
                return _worked(mul, *map(self._value, items))
            case n.Div(top=top, bottom=bottom):
                return _worked(truediv, self._value(top), self._value(bottom))
            case n.Neg(inner=inner):
                return -self._value(inner)
            case n.Pow(base=base, exponent=exponent):
                if base == n.Sym("e"):
                    return _not_vanished(cmath.exp(_argument(self._value(exponent))))
                return power(self._value(base), self._value(exponent))
            case n.Fn(name=name, args=args):
                return self._function(name, args)
            case _:
                return self._rare(node)

    def _rare(self, node: n.Node) -> Value:
        match node:
            case n.Paren(inner=inner) | n.Quantity(inner=inner):
                return self._value(inner)
            case n.Percent(inner=inner):
                return self._value(inner) / 100
            case n.Degrees(inner=inner):
                return as_complex(self._value(inner)) * math.pi / 180
            case n.Factorial(inner=inner):
                return self._factorial(self._value(inner))
            case n.Call(name=name, args=args):
                return _unknown(f"{name}{self.point}", sum(as_complex(self._value(part)) * at for at, part in enumerate(args, 1)))
            case n.BigOp():
                return self._big_operator(node)
            case n.Ratio(items=(left, right)):
                return _worked(truediv, self._value(left), self._value(right))
        raise Undecided(f"no number: {type(node).__name__}")

    def _factorial(self, number: Value) -> Value:
        if isinstance(number, complex) or number.denominator != 1 or number < 0:
            return complex(math.gamma(_real(number) + 1))
        if number > MAX_FACTORIAL:
            raise Undecided("a factorial beyond the budget")
        return Fraction(math.factorial(number.numerator))

    def _big_operator(self, node: n.BigOp) -> complex:
        """A sum, integral … as an unknown function of its bounds and its body: equal if these are, and equal to nothing else."""
        found = as_complex(self._value(node.body))
        for weight, (mark, bound) in enumerate(node.bounds, 2):
            for place, term in enumerate(bound.terms if isinstance(bound, n.Rel) else (bound,), 1):
                value = complex(sample("infinity", 0)) if term == n.Sym("infty") else as_complex(self._value(term))
                found += value * (weight + place / 7) * (1.3 if mark == "^" else 0.7)
        return _unknown(node.name, found)

    def _symbol(self, name: str) -> Value:
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name == "infty":
            raise Undecided("infinity")
        return sample(name, self.point)

    def _function(self, name: str, args: tuple[n.Node, ...]) -> Value:
        values = [self._value(part) for part in args]
        if name in _FUNCTIONS and len(values) == 1:
            return self._known(name, _argument(values[0]))
        if name in _STEPS:
            return self._step(name, args, values)
        match name, values:
            case "sqrt", [first]:
                return _root(first, 2)
            case "root", [first, Fraction(numerator=degree, denominator=1)] if 2 <= degree <= 64:
                return _root(first, degree)
            case "root", [first, exponent]:
                return power(first, 1 / exponent)
            case (("abs" | "norm"), [first]):
                return abs(first) if isinstance(first, Fraction) else complex(abs(first))
            case "log", [first]:
                return cmath.log(_argument(first))
            case "log", [first, base]:
                exact = _exact_log(first, base)
                return exact if exact is not None else cmath.log(_argument(first)) / cmath.log(_argument(base))
            case "binom", [top, bottom]:
                return _binomial(top, bottom)
        raise Undecided(f"the function {name}")

    def _known(self, name: str, number: complex) -> Value:
        if name in ("tanh", "coth") and abs(number.real) > 9:
            raise Undecided("a float does not show the difference from one")
        value = _FUNCTIONS[name](number)
        if name in _CIRCULAR:
            if abs(value) < 1e-14 * abs(number):
                return Fraction(0)
            if abs(value) > 1e13:
                raise Undecided("a pole")
        return value

    def _step(self, name: str, args: tuple[n.Node, ...], values: list[Value]) -> Value:
        if any(map(n.symbols, args)):
            # an unknown function, symmetric in its arguments (test points are too few for steps and corners)
            return _unknown(name, sum(cmath.sin(1.1 * as_complex(value) + 0.4) for value in values))
        if name in ("floor", "ceil") and len(values) == 1:
            return Fraction(math.floor(_real(values[0])) if name == "floor" else math.ceil(_real(values[0])))
        if name in ("max", "min"):
            return (max if name == "max" else min)(values, key=_real)
        return Fraction((math.gcd if name == "gcd" else math.lcm)(*map(_integer, values)))


def _binomial(top: Value, bottom: Value) -> Value:
    if not (isinstance(top, Fraction) and isinstance(bottom, Fraction) and top.denominator == bottom.denominator == 1):
        upper, lower = _real(top), _real(bottom)
        return complex(math.gamma(upper + 1) / math.gamma(lower + 1) / math.gamma(upper - lower + 1))
    if not (bottom >= 0 and 0 <= top <= 2_000):
        raise Undecided("a binomial beyond the budget")
    return _bounded(Fraction(math.comb(top.numerator, bottom.numerator)))


def _exact_log(value: Value, base: Value) -> Fraction | None:
    """log_base(value) where it is a small integer."""
    if isinstance(value, Fraction) and isinstance(base, Fraction) and value > 0 and base > 0 and base != 1:
        guess = round(math.log(value) / math.log(base)) if value.numerator.bit_length() < 900 else 0
        if abs(guess) <= 64 and base**guess == value:
            return Fraction(guess)
    return None


def constant(node: n.Node) -> Value | None:
    """The value of a tree without variables; None where there is none within the budget."""
    try:
        return Evaluator()(node)
    except Undecided:
        return None


def close(left: Value | float, right: Value | float, tolerance: float = RELATIVE_TOLERANCE) -> bool:
    """Equality of values: exact where both are, else up to a relative tolerance; only zero is zero."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left == right
    try:
        a, b = as_complex(left), as_complex(right)
    except Undecided:
        return False  # one is exact and beyond floats, the other a float
    return abs(a - b) <= tolerance * max(abs(a), abs(b))
