r"""Two expressions: at fixed test points, up to the names of parameters, and equations up to a factor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from mathrl.grading.nodes import (
    Add, BigOp, Degrees, Div, Mul, Neg, Node, Num, Paren, PlusMinus, Pow, Rel, Scalar, Sym, difference, rebuild, rename, symbols, walk,
)  # fmt: skip
from mathrl.grading.numbers import How, is_finished, same_numbers
from mathrl.grading.value import (
    FIRST_LARGE, FIRST_SIGNED, LARGE_TOLERANCE, POINTS, RELATIVE_TOLERANCE, Evaluator, Undecided, Value, close, constant, is_imaginary,
)  # fmt: skip

Same = Callable[[Node, Node], bool]
ENOUGH = 3
"""Test points at which two expressions must have values for a verdict."""


# -- canonical writing ------------------------------------------------------------------------------------------------


def canonical(node: Node) -> Node:
    """The tree in one order of terms and factors, without brackets, plus signs and products with one: how it is written, no more."""
    node = rebuild(node, canonical)
    match node:
        case Paren(inner=inner):
            return inner
        case Neg(inner=Neg(inner=inner)):
            return inner
        case Neg(inner=Num(value=value, places=places)):
            return Num(-value, places)
        case Num(value=value):
            return Num(value, None)
        case Add(items=items):
            return _ordered(Add, _flat(Add, items), Fraction(0))
        case Mul(items=items):
            return _ordered(Mul, _flat(Mul, items), Fraction(1))
        case Div(top=top, bottom=Num(value=Fraction(numerator=1, denominator=1))):
            return top
        case Pow(base=base, exponent=Num(value=Fraction(numerator=1, denominator=1))):
            return base
    return node


def _flat(kind: type, items: tuple[Node, ...]) -> Iterator[Node]:
    for part in items:
        yield from part.items if isinstance(part, kind) else (part,)


def _ordered(kind: type, items: Iterator[Node], neutral: Fraction) -> Node:
    kept = sorted((part for part in items if not (isinstance(part, Num) and part.value == neutral)), key=repr)
    return Num(neutral, None) if not kept else kept[0] if len(kept) == 1 else kind(tuple(kept))


# -- values at test points --------------------------------------------------------------------------------------------


def same_expressions(answer: Node, gold: Node, how: How) -> bool:
    """Two scalars: constants by value, others at fixed test points, up to the names of parameters."""
    if answer == gold:
        return True
    left, right = symbols(answer), symbols(gold)
    if not left and not right:
        return same_numbers(answer, gold, how)
    if not right and is_finished(gold):
        return False
    if _has_big_operator(answer) and _has_big_operator(gold):
        answer, gold = _bound_renamed(answer), _bound_renamed(gold)
        left, right = symbols(answer), symbols(gold)
    if left - right == {"j"} and Sym("i") in walk(gold):
        answer, left = rename(answer, {"j": "i"}), left & right
    if left != right:
        renamed = _parameters_renamed(answer, gold)
        if renamed is not None:
            return same_family(renamed, gold) if _is_periodic(gold) else _agree(renamed, gold)
        if not (left and right and (left <= right or right <= left)):
            return False
    return _agree(answer, gold)


def _agree(answer: Node, gold: Node) -> bool:
    """Equal values at all test points where both have one, and at enough of them."""
    agreed = 0
    for point in range(POINTS):
        evaluate = Evaluator(point)
        try:
            a, b = evaluate(answer), evaluate(gold)
        except Undecided:
            continue
        if close(a, b, LARGE_TOLERANCE if point >= FIRST_LARGE else RELATIVE_TOLERANCE):
            agreed += 1
        elif point < FIRST_SIGNED or not (is_imaginary(a) or is_imaginary(b)):  # off the real line, branches may differ
            return False
    return agreed >= ENOUGH


# -- parameters -------------------------------------------------------------------------------------------------------

_CONSTANTS_OF_INTEGRATION = frozenset({"C", "c", "K", "k", "C_1", "c_1", "C_0", "const", "constant", "A"})
_INTEGER_PARAMETERS = frozenset("k n m l j t p q r N K M".split())  # noqa: SIM905


def _has_big_operator(node: Node) -> bool:
    return any(isinstance(part, BigOp) for part in walk(node))


def _bound_renamed(node: Node) -> Node:
    """The tree with the running variable of each sum under one name."""
    node = rebuild(node, _bound_renamed)
    if not isinstance(node, BigOp):
        return node
    for _, bound in node.bounds:
        if isinstance(bound, Rel) and bound.ops[0] in ("=", "->") and isinstance(bound.terms[0], Sym):
            names = {bound.terms[0].name: "§"}
            return BigOp(node.name, tuple((mark, rename(part, names)) for mark, part in node.bounds), rename(node.body, names))
    return node


def _parameters_renamed(answer: Node, gold: Node) -> Node | None:
    r"""The answer with its one other letter under the gold's: x^2/2 + c for x^2/2 + C, n\pi for k\pi; None where they are no parameters."""
    mine, theirs = symbols(answer) - symbols(gold), symbols(gold) - symbols(answer)
    if len(mine) != 1 or len(theirs) != 1:
        return None
    (own,), (name,) = mine, theirs
    constants = _CONSTANTS_OF_INTEGRATION if name.startswith(("C", "c_", "K")) or own.startswith("C") else ()
    alone = isinstance(gold, Add) and Sym(name) in gold.items and isinstance(answer, Add) and Sym(own) in answer.items
    counted = {own, name} <= _INTEGER_PARAMETERS and _is_periodic(answer) and _is_periodic(gold)
    if (own in constants and name in constants and alone and len(symbols(gold)) > 1) or counted:
        return rename(answer, {own: name})
    return None


def _is_periodic(node: Node) -> bool:
    """Does a multiple of pi or of degrees by one whole-number letter stand in the tree?"""
    letters = symbols(node)
    return len(letters) == 1 and letters <= _INTEGER_PARAMETERS and any(part == Sym("pi") or isinstance(part, Degrees) for part in walk(node))


def same_family(answer: Node, gold: Node) -> bool:
    r"""a + k b for all whole k, whatever letter counts: equal steps up to sign, and an offset that is a multiple of the step."""
    mine, theirs = _progression(answer), _progression(gold)
    if mine is None or theirs is None:
        names = symbols(answer), symbols(gold)
        return len(names[0]) == len(names[1]) == 1 and _agree(rename(answer, {next(iter(names[0])): next(iter(names[1]))}), gold)
    (start, step), (first, width) = mine, theirs
    ratio, offset = step / width, (start - first) / width
    return abs(abs(ratio) - 1) < 1e-9 and abs(offset - round(offset.real)) < 1e-9


def _progression(node: Node) -> tuple[complex, complex] | None:
    """(first value, step) of an expression that grows evenly with its one letter."""
    letters = symbols(node)
    if len(letters) != 1:
        return None
    (name,) = letters
    values = [constant(_substituted(node, name, whole)) for whole in range(4)]
    if None in values:
        return None
    numbers = [complex(value) for value in values]
    step = numbers[1] - numbers[0]
    even = all(abs(b - a - step) <= 1e-9 * max(1.0, abs(step)) for a, b in zip(numbers, numbers[1:], strict=False))
    return (numbers[0], step) if even and abs(step) > 1e-12 else None


def _substituted(node: Node, name: str, whole: int) -> Node:
    if node == Sym(name):
        return Num(Fraction(whole))
    return rebuild(node, lambda part: _substituted(part, name, whole))


# -- plus-minus -------------------------------------------------------------------------------------------------------


def expand_signs(node: Node) -> list[Node]:
    """A tree with plus-minus as its two readings (all upper signs, all lower signs); others as they are."""
    if not any(isinstance(part, PlusMinus) for part in walk(node)):
        return [node]
    return [_with_sign(node, 1), _with_sign(node, -1)]


def _with_sign(node: Node, sign: int) -> Node:
    if isinstance(node, PlusMinus):
        right = _with_sign(node.right, sign)
        right = Neg(right) if node.sign * sign < 0 else right
        return right if node.left is None else Add((_with_sign(node.left, sign), right))
    return rebuild(node, lambda part: _with_sign(part, sign))


# -- equations --------------------------------------------------------------------------------------------------------


def same_equations(answer: Rel, gold: Rel, how: How) -> bool | None:
    """Two equations in the same variables: is one side difference a multiple of the other? None where they are no equations."""
    if answer.ops != ("=",) or gold.ops != ("=",):
        return None
    if not all(isinstance(term, Scalar) for term in (*answer.terms, *gold.terms)):
        return None
    if symbols(answer) != symbols(gold):
        return False
    if not symbols(gold):
        return all(same_expressions(mine, theirs, how) for mine, theirs in zip(answer.terms, gold.terms, strict=True))
    found = _is_multiple(difference(*answer.terms), difference(*gold.terms))
    if found is None and all(same_expressions(mine, theirs, how) for mine, theirs in zip(answer.terms, gold.terms, strict=True)):
        return True
    return found


def _is_multiple(answer: Node, gold: Node) -> bool | None:
    factor: Value | None = None
    agreed = 0
    for point in range(POINTS):
        evaluate = Evaluator(point)
        try:
            a, b = complex(evaluate(answer)), complex(evaluate(gold))
        except (Undecided, OverflowError):
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
