r"""Groups of equal answers for majority voting, independent of the order of the samples.

Equivalence is not transitive (50 % is 50 and is 0.5, but 50 is not 0.5), so groups are not grown by pairwise comparison.
Each answer gets a key that depends on nothing but itself, and equal keys are a group: numbers by value without percent sign,
degrees and units, lists and sets by the sorted keys of their items, points by their keys in order, expressions by their values
at test points, others by their writing.
"""

from __future__ import annotations

from fractions import Fraction

from mathrl.grading import nodes as n
from mathrl.grading.compare import simplified
from mathrl.grading.conditions import assignment
from mathrl.grading.expressions import conditions_said
from mathrl.grading.latex import string_key
from mathrl.grading.numbers import without_mark
from mathrl.grading.readings import readings
from mathrl.grading.sets import ends_of
from mathrl.grading.value import Evaluator, Undecided, Value, close

KEY_POINTS = 4
"""Test points of an expression's key."""
MAX_DEPTH = 6


def _digits(number: float) -> str:
    return f"{number:.10e}" if abs(number) > 1e-11 else "0"


def _value_key(value: Value) -> str:
    """An exact value, also where a float is as near to one as floats come; ten digits of others."""
    if isinstance(value, complex) and close(value, near := Fraction(value.real).limit_denominator(1000), 1e-13):
        value = near
    return str(value) if isinstance(value, Fraction) else f"{_digits(value.real)},{_digits(value.imag)}"


def _scalar_key(node: n.Node) -> str:
    node = without_mark(without_mark(node, n.Percent), n.Degrees)
    values = ";".join(_value_key(Evaluator(point)(node)) for point in range(KEY_POINTS if n.symbols(node) else 1))
    return ";".join(["n:" + values, *conditions_said(node)])


def _set_key(node: n.Node) -> str:
    ends = ends_of(node)
    if ends is None:
        raise Undecided("no set")
    return "s:" + repr([(str(end), *kind) for end, *kind in ends])


def _key(node: n.Node, depth: int = 0) -> str:
    node = simplified(node)
    if depth > MAX_DEPTH:
        raise Undecided("nested too deep")
    pair = assignment(node)
    if pair:
        return _key(pair[1], depth + 1)
    match node:
        case n.Scalar():
            return _scalar_key(node)
        case n.Items(items=items) | n.Braces(items=items):
            return "{" + "|".join(sorted({_key(part, depth + 1) for part in items})) + "}"
        case n.Rel() | n.SetOp() | n.Reals() | n.Empty():
            return _set_key(node)
        case n.Bracket(opening=opening, closing=closing, items=items):
            if (opening, closing) not in (("(", ")"), ("[", "]")) and ends_of(node) is not None:
                return _set_key(node)
            return opening + "|".join(_key(part, depth + 1) for part in items) + closing
        case n.Matrix(rows=rows):
            return "m:" + "/".join("|".join(_key(part, depth + 1) for part in row) for row in rows)
        case n.Ratio(items=items):
            return "r:" + ":".join(_key(part, depth + 1) for part in items)
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


def group_answers(extracted: list[str | None]) -> list[int]:
    """Group numbers, counted from 0 in order of first appearance; a sample without an answer is -1, in no group."""
    numbers: dict[str, int] = {}
    return [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in map(answer_key, extracted)]
