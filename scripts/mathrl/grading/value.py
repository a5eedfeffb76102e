"""Values of expression trees: exact where they are rational, complex floats where not, always within a budget.

`evaluate` returns an int or Fraction as long as every operation stays rational and small, else a complex number. It raises
`Undecided` where the value lies beyond the budget or outside the function's domain; it never takes long, because the size of
every intermediate number and the number of operations are bounded.
"""

from __future__ import annotations

import cmath
import hashlib
import math
from fractions import Fraction
from functools import lru_cache

from mathrl.grading.parse import Node

MAX_BITS = 8_192
"""Rational numbers may grow to this many bits; beyond it a value is undecided."""
MAX_FACTORIAL = 500
MAX_OPERATIONS = 4_000
RELATIVE_TOLERANCE = 1e-9
"""Two values that are not both exact are equal up to this relative difference."""

Value = Fraction | complex
POINTS = 7


class Undecided(Exception):
    """No value within the budget."""


_CONSTANTS = {"pi": complex(math.pi), "e": complex(math.e), "i": 1j}
_COMPLEX_FUNCTIONS = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh,
    "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan, "exp": cmath.exp, "ln": cmath.log,
}  # fmt: skip


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
        raise Undecided("a number beyond the budget")
    return value


def _complex(value: Value) -> complex:
    if isinstance(value, complex):
        return value
    try:
        return complex(value)
    except OverflowError:
        raise Undecided("too large for a float") from None


def _integer_root(value: int, degree: int) -> int | None:
    """The exact root of a non-negative integer, None where it is no integer."""
    if degree == 2:
        root = math.isqrt(value)
        return root if root * root == value else None
    if value.bit_length() > 1_000 or degree > 64:
        return None
    root = round(value ** (1 / degree)) if value.bit_length() < 900 else 0
    for candidate in (root - 1, root, root + 1):
        if candidate >= 0 and candidate**degree == value:
            return candidate
    return None


def _root(value: Value, degree: int) -> Value:
    if isinstance(value, Fraction) and degree > 0:
        negative = value < 0
        if not negative or degree % 2:
            top = _integer_root(abs(value.numerator), degree)
            bottom = _integer_root(value.denominator, degree)
            if top is not None and bottom is not None:
                return Fraction(-top if negative else top, bottom)
            number = -(_complex(-value) ** 1) if negative else _complex(value)
            return complex(-((-number.real) ** (1 / degree))) if negative else complex(number.real ** (1 / degree))
    number = _complex(value)
    if degree % 2 and abs(number.imag) < 1e-12 and number.real < 0:
        return complex(-((-number.real) ** (1 / degree)))
    return cmath.sqrt(number) if degree == 2 else number ** (1 / degree)


def power(base: Value, exponent: Value) -> Value:
    """base ** exponent within the budget; 0 ** 0 and 0 ** negative are undecided."""
    if isinstance(exponent, Fraction) and isinstance(base, Fraction):
        if base == 0 and exponent <= 0:
            raise Undecided("zero to a power that is not positive")
        if exponent.denominator == 1:
            size = max(base.numerator.bit_length(), base.denominator.bit_length(), 1)
            if base in (0, 1, -1) or size * abs(exponent.numerator) <= MAX_BITS:
                return base ** (exponent.numerator if base not in (0, 1, -1) else exponent.numerator % 2 + 2)
        elif exponent.denominator <= 64 and abs(exponent.numerator) <= 64:
            return power(_root(base, exponent.denominator), Fraction(exponent.numerator))
    left, right = _complex(base), _complex(exponent)
    if left == 0:
        if right.real > 0:
            return Fraction(0)
        raise Undecided("zero to a power that is not positive")
    if isinstance(exponent, Fraction) and exponent.denominator == 1 and abs(exponent.numerator) <= 64:
        return _not_vanished(left**exponent.numerator)
    return _not_vanished(left**right)


def _not_vanished(value: complex) -> complex:
    """A power is never zero: one that is has left the range of floats."""
    if value == 0:
        raise Undecided("too small for a float")
    return value


def _integer(value: Value) -> int:
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    raise Undecided("an integer was expected")


@lru_cache(maxsize=4096)
def sample(name: str, point: int) -> float:
    """The value that a variable takes at a test point: fixed by its name, between 0.3 and 2.7; negative at points 4 to 6."""
    digest = hashlib.sha256(f"{name}/{point}".encode()).digest()
    magnitude = 0.3 + 2.4 * int.from_bytes(digest[:6], "big") / 2**48
    return -magnitude if point >= 4 and digest[7] % 4 else magnitude


class Evaluator:
    """Evaluates trees at one test point, with one operation budget for all of them."""

    def __init__(self, point: int = 0):
        self.point = point
        self.operations = 0

    def __call__(self, node: Node) -> Value:
        """The value of a tree; raises `Undecided`."""
        try:
            value = self._value(node)
        except (OverflowError, ValueError, ZeroDivisionError, RecursionError) as error:
            raise Undecided(type(error).__name__) from None
        if isinstance(value, complex) and not (math.isfinite(value.real) and math.isfinite(value.imag)):
            raise Undecided("not finite")
        return value

    def _value(self, node: Node) -> Value:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            raise Undecided("more operations than the budget")
        kind = node[0]
        if kind == "num":
            return node[1]
        if kind == "sym":
            return self._symbol(node[1])
        if kind in ("paren", "unit"):
            return self._value(node[1])
        if kind == "neg":
            return -self._value(node[1])
        if kind == "add":
            total = self._value(node[1][0])
            for part in node[1][1:]:
                other = self._value(part)
                both = isinstance(total, Fraction) and isinstance(other, Fraction)
                total = _bounded(total + other) if both else _complex(total) + _complex(other)
            return total
        if kind == "mul":
            total = self._value(node[1][0])
            for part in node[1][1:]:
                other = self._value(part)
                both = isinstance(total, Fraction) and isinstance(other, Fraction)
                total = _bounded(total * other) if both else _complex(total) * _complex(other)
            return total
        if kind == "div":
            top, bottom = self._value(node[1]), self._value(node[2])
            if isinstance(top, Fraction) and isinstance(bottom, Fraction):
                return _bounded(top / bottom)
            return _complex(top) / _complex(bottom)
        if kind == "pow":
            if node[1] == ("sym", "e"):
                return _not_vanished(cmath.exp(_complex(self._value(node[2]))))
            return power(self._value(node[1]), self._value(node[2]))
        if kind == "pct":
            value = self._value(node[1])
            return value / 100
        if kind == "deg":
            return _complex(self._value(node[1])) * math.pi / 180
        if kind == "fact":
            number = self._value(node[1])
            if isinstance(number, complex):
                return _gamma(number + 1)
            number = _integer(number)
            if not 0 <= number <= MAX_FACTORIAL:
                raise Undecided("a factorial beyond the budget")
            return Fraction(math.factorial(number))
        if kind == "fn":
            return self._function(node[1], node[2])
        if kind == "call":
            inner = sum(self._as_complex(part) * (index + 1) for index, part in enumerate(node[2]))
            return sample(node[1], self.point) + cmath.sin(inner * 1.7 + sample(node[1] + "*", self.point))
        if kind == "op":
            return self._opaque(node)
        if kind == "ratio" and len(node[1]) == 2:
            return self._value(("div", node[1][0], node[1][1]))
        raise Undecided(f"no number: {kind}")

    def _opaque(self, node: Node) -> complex:
        """A sum, integral … as an unknown function of its bounds and its body: equal if these are, and equal to nothing else."""
        total = self._as_complex(node[3])
        for weight, bound in enumerate(node[2], 2):
            inner = bound[3][0]
            terms = inner[1] if inner[0] == "rel" else (inner,)
            for place, term in enumerate(terms, 1):
                value = complex(sample("infinity", 0)) if term == ("sym", "infty") else self._as_complex(term)
                total += value * (weight + place / 7) * (1.3 if bound[1] == "^" else 0.7)
        return sample(node[1] + "()", 0) + cmath.sin(total * 1.3 + sample(node[1] + "*", 0))

    def _as_complex(self, node: Node) -> complex:
        return _complex(self._value(node))

    def _symbol(self, name: str) -> Value:
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name == "infty":
            raise Undecided("infinity")
        return complex(sample(name, self.point))

    def _function(self, name: str, args: tuple[Node, ...]) -> Value:
        if name in ("sin", "cos", "tan", "cot", "sec", "csc") and len(args) == 1:
            number = self._as_complex(args[0])
            if name in ("sin", "cos", "tan"):
                return _COMPLEX_FUNCTIONS[name](number)
            return 1 / {"cot": cmath.tan, "sec": cmath.cos, "csc": cmath.sin}[name](number)
        values = [self._value(part) for part in args]
        first = values[0]
        if name == "sqrt" and len(values) == 1:
            return _root(first, 2)
        if name == "root" and len(values) == 2:
            degree = _integer_or_none(values[1])
            if degree is not None and 2 <= degree <= 64:
                return _root(first, degree)
            return power(first, 1 / values[1])
        if name in ("abs", "norm") and len(values) == 1:
            return abs(first) if isinstance(first, Fraction) else complex(abs(first))
        if name in ("floor", "ceil", "max", "min", "gcd", "lcm") and any(isinstance(value, complex) for value in values):
            # of variables: an unknown function, symmetric in its arguments (test points are too few for steps and corners)
            total = sum(cmath.sin(1.1 * _complex(value) + 0.4) for value in values)
            return sample(name + "()", 0) + cmath.sin(total * 1.3 + sample(name + "*", 0))
        if name in ("floor", "ceil") and len(values) == 1:
            number = _real(first)
            return Fraction(math.floor(number) if name == "floor" else math.ceil(number))
        if name == "log":
            if len(values) == 1:
                return cmath.log(_complex(first))
            exact = _exact_log(first, values[1])
            return exact if exact is not None else cmath.log(_complex(first)) / cmath.log(_complex(values[1]))
        if name in _COMPLEX_FUNCTIONS and len(values) == 1:
            return _COMPLEX_FUNCTIONS[name](_complex(first))
        if name == "coth" and len(values) == 1:
            return 1 / cmath.tanh(_complex(first))
        if name == "binom" and len(values) == 2:
            if isinstance(first, complex) or isinstance(values[1], complex):
                top, bottom = _complex(first), _complex(values[1])
                return _gamma(top + 1) / _gamma(bottom + 1) / _gamma(top - bottom + 1)
            top, bottom = _integer(first), _integer(values[1])
            if not (bottom >= 0 and 0 <= top <= 2_000):
                raise Undecided("a binomial beyond the budget")
            return _bounded(Fraction(math.comb(top, bottom)))
        if name in ("max", "min") and all(isinstance(value, Fraction) for value in values):
            return max(values) if name == "max" else min(values)
        if name in ("gcd", "lcm"):
            numbers = [_integer(value) for value in values]
            return Fraction(math.gcd(*numbers) if name == "gcd" else math.lcm(*numbers))
        raise Undecided(f"the function {name}")


def _integer_or_none(value: Value) -> int | None:
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else None


def _real(value: Value) -> Fraction | float:
    if isinstance(value, Fraction):
        return value
    if abs(value.imag) > 1e-12 * max(1.0, abs(value.real)):
        raise Undecided("not real")
    return value.real


def _gamma(number: complex) -> complex:
    """Gamma of a real number: what a factorial of a variable is at a test point."""
    return complex(math.gamma(_real(number)))


def _exact_log(value: Value, base: Value) -> Fraction | None:
    """log_base(value) where it is a small integer."""
    if isinstance(value, Fraction) and isinstance(base, Fraction) and value > 0 and base > 0 and base != 1:
        guess = round(math.log(value) / math.log(base)) if value.numerator.bit_length() < 900 else 0
        if abs(guess) <= 64 and base**guess == value:
            return Fraction(guess)
    return None


def close(left: Value, right: Value) -> bool:
    """Equality of values: exact where both are, else up to `RELATIVE_TOLERANCE`; an inexact zero is below 1e-12."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left == right
    try:
        a, b = _complex(left), _complex(right)
    except Undecided:
        return False  # one is exact and beyond floats, the other a float
    scale = max(abs(a), abs(b))
    if (isinstance(left, Fraction) and left == 0) or (isinstance(right, Fraction) and right == 0):
        return scale < 1e-12
    return abs(a - b) <= RELATIVE_TOLERANCE * scale


def symbols(node: Node) -> frozenset[str]:
    """The variables of a tree (not pi, e, i, infinity)."""
    found: set[str] = set()
    stack = [node]
    while stack:
        part = stack.pop()
        if part and part[0] == "sym" and len(part) == 2 and isinstance(part[1], str):
            if part[1] not in _CONSTANTS and part[1] != "infty":
                found.add(part[1])
            continue
        if part and part[0] == "call":
            found.add(f"{part[1]}()")
        stack.extend(child for child in part if isinstance(child, tuple))
    return frozenset(found)
