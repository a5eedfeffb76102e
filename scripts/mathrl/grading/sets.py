"""Sets of real numbers: intervals, unions, inequalities in one variable, all as the numbers at which they begin and end."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TypeGuard

from mathrl.grading import nodes as n
from mathrl.grading.value import as_real, close, constant

MAX_ITEMS = 64
"""Lists of more items are compared as strings only."""
INFINITE = float("inf")
Bound = float | Fraction
End = tuple[Bound, bool, bool]
"""(a number, is it in the set?, is what follows it in the set?); the first end of a set is minus infinity."""
Test = Callable[[Bound, Bound], bool]
_TESTS: dict[str, Test] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne}
_COMBINED = {"union": operator.or_, "inter": operator.and_, "minus": operator.gt}


@dataclass(frozen=True, slots=True)
class _Subset:
    """The finite numbers at which a set may begin or end, and what it holds."""

    bounds: frozenset[Bound]
    holds: Callable[[Bound], bool]

    def with_other(self, other: _Subset, combine: Callable[[bool, bool], bool]) -> _Subset:
        return _Subset(self.bounds | other.bounds, lambda x: combine(self.holds(x), other.holds(x)))

    def ends(self) -> list[End]:
        marks = sorted(self.bounds)
        inside = self.holds(marks[0] - 1 if marks else Fraction(0))
        found: list[End] = [(-INFINITE, False, inside)]
        for mark, following in pairwise([*marks, marks[-1] + 2] if marks else ()):
            at, behind = self.holds(mark), self.holds((mark + following) / 2)
            if (at, behind) != (inside, inside):
                found.append((mark, at, behind))
            inside = behind
        return found


def is_set(node: n.Node) -> bool:
    """May this tree stand for a set of reals?"""
    match node:
        case n.SetOp() | n.Reals() | n.Empty():
            return True
        case n.Rel(ops=ops):
            return any(op != "=" for op in ops)
        case n.Items(items=items):
            return all(isinstance(part, n.Rel) and part.ops != ("=",) for part in items)
        case n.Bracket(items=items):
            return len(items) == 2
    return False


def ends_of(node: n.Node) -> list[End] | None:
    """Where a set of reals begins and ends; None where the tree is none, or has several variables."""
    found = _subset(node)
    return found.ends() if found else None


def _subset(node: n.Node) -> _Subset | None:
    match node:
        case n.Reals() | n.Empty():
            return _Subset(frozenset(), lambda x: isinstance(node, n.Reals))
        case n.Bracket(opening=opening, closing=closing, items=(left, right)):
            low, high = _bound(left), _bound(right)
            if low is None or high is None or low > high or (opening == "[" and low == -INFINITE) or (closing == "]" and high == INFINITE):
                return None
            return _between(low, high, _TESTS["<=" if opening == "[" else "<"], _TESTS["<=" if closing == "]" else "<"])
        case n.Braces(items=items) if len(items) <= MAX_ITEMS:
            points = frozenset(map(_bound, items))
            return _Subset(points, points.__contains__) if _are_finite(points) else None
        case n.SetOp(kind=kind, left=left, right=right):
            first, second = _subset(left), _subset(right)
            return first.with_other(second, _COMBINED[kind]) if first and second else None
        case n.Rel():
            return _solved(node)
        case n.Items(items=items) if all(isinstance(part, n.Rel) for part in items):
            return _conditions(node)
    return None


def _are_finite(bounds: frozenset[Bound | None]) -> TypeGuard[frozenset[Bound]]:
    return not bounds & {None, INFINITE, -INFINITE}


def _between(low: Bound, high: Bound, above: Test, below: Test) -> _Subset:
    return _Subset(frozenset({low, high}) - {INFINITE, -INFINITE}, lambda x: above(low, x) and below(x, high))


def _bound(node: n.Node) -> Bound | None:
    sign, node = n.signed(node)
    if node == n.INFINITY:
        return sign * INFINITE
    value = constant(node) if isinstance(node, n.Scalar) and not n.symbols(node) else None
    real = None if value is None else as_real(value)
    return None if real is None else sign * real


def _conditions(node: n.Items) -> _Subset | None:
    """Several conditions on one variable: all of them, or one where "or" joins them or no number meets all."""
    parts = [found for part in node.items if (found := _subset(part))]
    if len(parts) != len(node.items) or len({n.symbols(part) for part in node.items}) != 1:
        return None
    one = all_of = parts[0]
    for part in parts[1:]:
        one, all_of = one.with_other(part, operator.or_), all_of.with_other(part, operator.and_)
    return one if node.joiner == "or" or all_of.ends() == [(-INFINITE, False, False)] else all_of


def _variable(node: n.Node) -> Callable[[Bound], Bound] | None:
    """What a term makes of its one variable: x, f(x) for any x, -x or |x|; None for other terms."""
    match node:
        case n.Sym() if n.symbols(node):
            return lambda x: x
        case n.Call(args=args) if all(isinstance(part, n.Sym) for part in args):
            return lambda x: x
        case n.Neg(inner=inner) if _variable(inner):
            return lambda x: -x
        case n.Fn(name="abs", args=(n.Sym(),)) if n.symbols(node):
            return lambda x: x if x >= 0 else -x
    return None


def _solved(node: n.Rel) -> _Subset | None:
    """The solution set of "a < x <= b", "x != a", "x in …" for one variable."""
    turns = {at: turn for at, term in enumerate(node.terms) if (turn := _variable(term))}
    if node.ops == ("in",):
        return _subset(node.terms[1]) if 0 in turns and isinstance(node.terms[0], n.Sym | n.Call) else None
    bounds = [bound for at, term in enumerate(node.terms) if at not in turns and (bound := _bound(term)) is not None]
    if len(turns) != 1 or len(bounds) != len(node.terms) - 1 or not set(node.ops) <= set(_TESTS):
        return None
    if {INFINITE, -INFINITE} & set(bounds) and not set(node.ops) <= {"<", ">"}:
        return None
    [(place, made)] = turns.items()
    tests = [_TESTS[op] for op in node.ops]

    def holds(x: Bound) -> bool:
        values = [*bounds[:place], made(x), *bounds[place:]]
        return all(test(*pair) for test, pair in zip(tests, pairwise(values), strict=True))

    finite = frozenset(bounds) - {INFINITE, -INFINITE}
    return _Subset(finite | frozenset(-end for end in finite), holds)


def same_ends(left: list[End], right: list[End]) -> bool:
    """Equal sets: the same ends, each open or closed alike."""
    return len(left) == len(right) and all((a[0] == b[0] or close(a[0], b[0])) and a[1:] == b[1:] for a, b in zip(left, right, strict=True))
