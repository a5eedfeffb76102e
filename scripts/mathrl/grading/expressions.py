r"""Two expressions: at fixed test points, up to the names of parameters, and equations up to a factor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

from mathrl.grading import nodes as n
from mathrl.grading import units
from mathrl.grading.numbers import How, is_finished, same_numbers
from mathrl.grading.value import (
    FIRST_FAR,
    FIRST_LARGE,
    FIRST_SIGNED,
    LARGE_TOLERANCE,
    POINTS,
    RELATIVE_TOLERANCE,
    Evaluator,
    Undecided,
    Value,
    as_complex,
    close,
    constant,
    is_imaginary,
)  # fmt: skip

Same = Callable[[n.Node, n.Node], bool]
ENOUGH = 3
"""Test points at which two expressions must have values for a verdict."""


def canonical(node: n.Node, fold: bool = False) -> n.Node:
    """The tree in one order of terms and factors, without brackets, plus signs and products with one: how it is written, no more.

    fold: with its sums, products and quotients of numbers worked out, too.
    """
    node = n.rebuild(node, lambda part: canonical(part, fold))
    match node:
        case n.Add() | n.Mul() | n.Div() if fold and _is_calculation(node) and isinstance(value := constant(node), Fraction):
            return n.Num(value, None)
        case n.Paren(inner=inner):
            return inner
        case n.Neg(inner=n.Neg(inner=inner)):
            return inner
        case n.Neg(inner=n.Num(value=value, places=places)):
            return n.Num(-value, places)
        case n.Num(value=value):
            return n.Num(value, None)
        case n.Add(items=items):
            return _ordered(n.Add, _flat(n.Add, items), Fraction(0))
        case n.Mul(items=items):
            return _ordered(n.Mul, _flat(n.Mul, items), Fraction(1))
        case n.Div(top=top, bottom=n.Num(value=Fraction(numerator=1, denominator=1))):
            return top
        case n.Pow(base=base, exponent=n.Num(value=Fraction(numerator=1, denominator=1))):
            return base
    return node


def _is_calculation(node: n.Add | n.Mul | n.Div) -> bool:
    return all(isinstance(part, n.Num) for part in (node.items if isinstance(node, n.Add | n.Mul) else (node.top, node.bottom)))


def _flat(kind: type[n.Add | n.Mul], items: tuple[n.Node, ...]) -> Iterator[n.Node]:
    for part in items:
        yield from part.items if isinstance(part, kind) else (part,)


def _ordered(kind: type[n.Add | n.Mul], items: Iterator[n.Node], neutral: Fraction) -> n.Node:
    kept = sorted((part for part in items if not (isinstance(part, n.Num) and part.value == neutral)), key=repr)
    return n.Num(neutral, None) if not kept else kept[0] if len(kept) == 1 else kind(tuple(kept))


def conditions_said(node: n.Node) -> list[str]:
    """The words of a tree that state something of a letter ("n odd"), sorted; units and what is counted are none."""
    alone = ((part.unit, isinstance(n.signed(part.inner)[1], n.Sym)) for part in _with_words(node))
    return sorted(unit for unit, behind_letter in alone if units.states_condition(unit, behind_letter))


def _with_words(node: n.Node) -> list[n.Quantity]:
    return [part for part in n.walk(node) if isinstance(part, n.Quantity) and n.symbols(part.inner)]


def _words_differ(answer: n.Node, gold: n.Node) -> bool:
    """Do two trees state other things of their letters, or have units of other sizes behind them?"""
    mine, theirs = ({units.size_of(part.unit) for part in _with_words(node)} - {None} for node in (answer, gold))
    return conditions_said(answer) != conditions_said(gold) or bool(mine and theirs and mine != theirs)


def same_expressions(answer: n.Node, gold: n.Node, how: How) -> bool:
    """Two scalars: constants by value, others at fixed test points, up to the names of parameters."""
    if answer == gold:
        return True
    answer, gold = _with_unit_sign(answer, gold, how), _with_unit_sign(gold, answer, how)
    left, right = n.symbols(answer), n.symbols(gold)
    if not left and not right:
        return same_numbers(answer, gold, how)
    if (not right and is_finished(gold)) or _words_differ(answer, gold):
        return False
    if _has_big_operator(answer) and _has_big_operator(gold):
        answer, gold = _bound_renamed(answer), _bound_renamed(gold)
        left, right = n.symbols(answer), n.symbols(gold)
    if left ^ right == {"j"} and n.Sym("i") in (*n.walk(gold), *n.walk(answer)):
        answer, gold = n.rename(answer, {"j": "i"}), n.rename(gold, {"j": "i"})
        left = right = left & right
    if left != right:
        renamed = _parameters_renamed(answer, gold)
        if renamed is not None:
            return same_family(renamed, gold) if is_periodic(gold) else _agree(renamed, gold)
        if not (left and right and (left <= right or right <= left)):
            return False
    return _agree(answer, gold)


def _with_unit_sign(node: n.Node, other: n.Node, how: How) -> n.Node:
    """2h as two hours beside "2 hours": a letter behind a number is the sign of a unit where the other or the problem writes that unit."""
    match node:
        case n.Mul(items=(number, n.Sym(name=name))):
            sign = name
        case n.Mul(items=(number, n.Pow(base=n.Sym(name=sign), exponent=n.Num(value=power)))):
            name = f"{sign}^{power}"
        case _:
            return node
    own = units.size_of(name) if is_finished(number) else None
    wanted = units.size_of(other.unit) if isinstance(other, n.Quantity) else None
    written = wanted[1] == own[1] if own and wanted else units.SIGN + sign.lower() in how.words and is_finished(other)
    return n.Quantity(number, name) if own and written else node


def _values(answer: n.Node, gold: n.Node) -> Iterator[tuple[int, Value, Value]]:
    """(test point, value of the one, value of the other) where both have one."""
    for point in range(POINTS):
        evaluate = Evaluator(point)
        try:
            values = evaluate(answer), evaluate(gold)
        except Undecided:
            continue
        if point < FIRST_FAR or all(isinstance(value, Fraction) for value in values):
            yield point, *values


def _agree(answer: n.Node, gold: n.Node) -> bool:
    """Equal values at all test points where both have one, and at enough of them."""
    agreed = 0
    for point, a, b in _values(answer, gold):
        if close(a, b, LARGE_TOLERANCE if point >= FIRST_LARGE else RELATIVE_TOLERANCE):
            agreed += 1
        elif point < FIRST_SIGNED or not (is_imaginary(a) or is_imaginary(b)):  # off the real line, branches may differ
            return False
    return agreed >= ENOUGH


_CONSTANTS_OF_INTEGRATION = frozenset({"C", "c", "K", "k", "C_1", "c_1", "C_0", "const", "constant", "A"})
_INTEGER_PARAMETERS = frozenset("k n m l j t p q r N K M".split())  # noqa: SIM905


def _has_big_operator(node: n.Node) -> bool:
    return any(isinstance(part, n.BigOp) for part in n.walk(node))


def _bound_renamed(node: n.Node) -> n.Node:
    """The tree with the running variable of each sum under one name."""
    node = n.rebuild(node, _bound_renamed)
    if not isinstance(node, n.BigOp):
        return node
    for _, bound in node.bounds:
        if isinstance(bound, n.Rel) and bound.ops[0] in ("=", "->") and isinstance(bound.terms[0], n.Sym):
            names = {bound.terms[0].name: "§"}
            return n.BigOp(node.name, tuple((mark, n.rename(part, names)) for mark, part in node.bounds), n.rename(node.body, names))
    return node


def _parameters_renamed(answer: n.Node, gold: n.Node) -> n.Node | None:
    r"""The answer with its one other letter under the gold's: x^2/2 + c for x^2/2 + C, n\pi for k\pi; None where they are no parameters."""
    mine, theirs = n.symbols(answer) - n.symbols(gold), n.symbols(gold) - n.symbols(answer)
    if len(mine) != 1 or len(theirs) != 1:
        return None
    (own,), (name,) = mine, theirs
    constants = _CONSTANTS_OF_INTEGRATION if name.startswith(("C", "c_", "K")) or own.startswith("C") else ()
    alone = isinstance(gold, n.Add) and n.Sym(name) in gold.items and isinstance(answer, n.Add) and n.Sym(own) in answer.items
    counted = {own, name} <= _INTEGER_PARAMETERS and is_periodic(answer) and is_periodic(gold)
    if (own in constants and name in constants and alone and len(n.symbols(gold)) > 1) or counted:
        return n.rename(answer, {own: name})
    return None


def is_periodic(node: n.Node) -> bool:
    """Does a multiple of pi or of degrees by one whole-number letter stand in the tree?"""
    letters = n.symbols(node)
    return (
        len(letters) == 1
        and letters <= _INTEGER_PARAMETERS
        and any(part == n.Sym("pi") or isinstance(part, n.Degrees) for part in n.walk(node))
    )


def same_family(answer: n.Node, gold: n.Node) -> bool:
    r"""a + k b for all whole k, whatever letter counts: equal steps up to sign, and an offset that is a multiple of the step."""
    if _words_differ(answer, gold):
        return False
    mine, theirs = _progression(answer), _progression(gold)
    if mine is None or theirs is None:
        names = n.symbols(answer), n.symbols(gold)
        return len(names[0]) == len(names[1]) == 1 and _agree(n.rename(answer, {next(iter(names[0])): next(iter(names[1]))}), gold)
    (start, step), (first, width) = mine, theirs
    ratio, offset = step / width, (start - first) / width
    return abs(abs(ratio) - 1) < 1e-9 and abs(offset - round(offset.real)) < 1e-9


def _progression(node: n.Node) -> tuple[complex, complex] | None:
    """(first value, step) of an expression that grows evenly with its one letter."""
    letters = n.symbols(node)
    if len(letters) != 1:
        return None
    (name,) = letters
    values = [value for whole in range(4) if (value := constant(_substituted(node, name, whole))) is not None]
    if len(values) < 4:
        return None
    numbers = [complex(value) for value in values]
    step = numbers[1] - numbers[0]
    even = all(abs(b - a - step) <= 1e-9 * max(1.0, abs(step)) for a, b in pairwise(numbers))
    return (numbers[0], step) if even and abs(step) > 1e-12 else None


def _substituted(node: n.Node, name: str, whole: int) -> n.Node:
    if node == n.Sym(name):
        return n.Num(Fraction(whole))
    return n.rebuild(node, lambda part: _substituted(part, name, whole))


def expand_signs(node: n.Node) -> list[n.Node]:
    """A tree with plus-minus as its two readings (all upper signs, all lower signs); others as they are."""
    if not any(isinstance(part, n.PlusMinus) for part in n.walk(node)):
        return [node]
    return [_with_sign(node, 1), _with_sign(node, -1)]


def _with_sign(node: n.Node, sign: int) -> n.Node:
    if isinstance(node, n.PlusMinus):
        right = _with_sign(node.right, sign)
        right = n.Neg(right) if node.sign * sign < 0 else right
        return right if node.left is None else n.Add((_with_sign(node.left, sign), right))
    return n.rebuild(node, lambda part: _with_sign(part, sign))


def same_equations(answer: n.Rel, gold: n.Rel, how: How) -> bool | None:
    """Two equations in the same variables: is one side difference a multiple of the other? None where they are no equations."""
    if answer.ops != ("=",) or gold.ops != ("=",):
        return None
    if not all(isinstance(term, n.Scalar) for term in (*answer.terms, *gold.terms)):
        return None
    if n.symbols(answer) != n.symbols(gold) or _words_differ(answer, gold):
        return False
    found = _is_multiple(*(n.Add((node.terms[0], n.Neg(node.terms[1]))) for node in (answer, gold))) if n.symbols(gold) else None
    if found is None and all(same_expressions(mine, theirs, how) for mine, theirs in zip(answer.terms, gold.terms, strict=True)):
        return True
    return found if n.symbols(gold) else False


def _is_multiple(answer: n.Node, gold: n.Node) -> bool | None:
    factor: complex | None = None
    agreed = 0
    for _, mine, theirs in _values(answer, gold):
        try:
            a, b = as_complex(mine), as_complex(theirs)
        except Undecided:
            continue
        if a == 0 or b == 0:
            if a != b:
                return False
            continue
        factor = a / b if factor is None else factor
        if abs(a / b - factor) > 1e-7 * abs(factor):
            return False
        agreed += 1
    return True if agreed >= ENOUGH else None
