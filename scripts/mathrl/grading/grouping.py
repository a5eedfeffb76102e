r"""Groups of equal answers for majority voting, independent of the order of the samples.

Equivalence is not transitive (50 % is 50 and is 0.5, but 50 is not 0.5), so groups are not grown by pairwise comparison.
Each answer gets a key that depends on nothing but itself, and equal keys are a group:

- a number: its exact value, or 12 significant digits where it is irrational; a percent sign and a degree sign are left out
  ("50 %" goes with "50", not with "0.5"), units too;
- lists and sets: the sorted keys of their items; tuples, intervals, matrices: their keys in order;
- an expression with variables: its values at the fixed test points; an assignment: the key of its right side;
- words: the words; what cannot be read: the writing without spaces.
"""

from __future__ import annotations

from fractions import Fraction

from mathrl.grading.compare import SCALARS, _set_of, _simplify, _unmark, assignment
from mathrl.grading.latex import string_key
from mathrl.grading.parse import Node, readings
from mathrl.grading.value import Evaluator, Undecided, symbols


def _digits(number: complex) -> str:
    real = f"{number.real:.10e}" if abs(number.real) > 1e-11 else "0"
    imaginary = f"{number.imag:.10e}" if abs(number.imag) > 1e-11 * max(1.0, abs(number.real)) else "0"
    return f"{real},{imaginary}"


def _scalar_key(node: Node) -> str:
    for mark in ("pct", "deg"):
        node = _unmark(node, mark)
    points = range(4) if symbols(node) else range(1)
    parts = []
    for point in points:
        value = Evaluator(point)(node)
        if isinstance(value, Fraction):
            parts.append(str(value))
        else:
            near = Fraction(value.real).limit_denominator(1000) if abs(value.imag) < 1e-12 and abs(value) < 1e9 else None
            exact = near is not None and abs(near - Fraction(value.real)) <= abs(near) * Fraction(1, 10**13) and not symbols(node)
            parts.append(str(near) if exact else _digits(value))
    return "n:" + ";".join(parts)


def _key(node: Node, depth: int = 0) -> str:
    node = _simplify(node)
    if depth > 6:
        raise Undecided("nested too deep")
    pair = assignment(node)
    if pair:
        return _key(pair[1], depth + 1)
    kind = node[0]
    if kind in SCALARS:
        return _scalar_key(node)
    if kind in ("list", "set"):
        return "{" + "|".join(sorted({_key(part, depth + 1) for part in node[1]})) + "}"
    if kind in ("rel", "union", "inter", "minus", "reals", "empty"):
        pieces = _set_of(node)
        if pieces is None:
            raise Undecided("no set")
        return "s:" + repr([(str(piece[0]), str(piece[1]), *piece[2:]) for piece in pieces])
    if kind == "tuple":
        pieces = _set_of(node) if node[1:3] not in (("(", ")"), ("[", "]")) else None
        if pieces is not None:
            return "s:" + repr([(str(piece[0]), str(piece[1]), *piece[2:]) for piece in pieces])
        return node[1] + "|".join(_key(part, depth + 1) for part in node[3]) + node[2]
    if kind == "matrix":
        return "m:" + "/".join("|".join(_key(part, depth + 1) for part in row) for row in node[1])
    if kind == "ratio":
        return "r:" + ":".join(_key(part, depth + 1) for part in node[1])
    return repr(node)


def answer_key(extracted: str | None) -> str | None:
    """The group key of one extracted answer; None for no answer."""
    if extracted is None:
        return None
    try:
        found = readings(extracted)
        if found:
            return _key(found[0])
    except Exception:  # an answer that cannot be read is grouped by its writing
        pass
    return "w:" + string_key(extracted)


def group(extracted: list[str | None]) -> list[int]:
    """Group numbers, counted from 0 in order of first appearance; a sample without an answer is -1, in no group."""
    numbers: dict[str, int] = {}
    return [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in map(answer_key, extracted)]
