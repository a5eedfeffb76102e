"""Sets of real numbers: intervals, unions, inequalities in one variable, all as sorted, disjoint pieces."""

from __future__ import annotations

from fractions import Fraction

from mathrl.grading import nodes as n
from mathrl.grading.value import close, constant, is_imaginary

MAX_ITEMS = 64
"""Lists of more items are compared as strings only."""
INFINITE = float("inf")
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
Bound = float | Fraction
Piece = tuple[Bound, Bound, bool, bool]
"""(low, high, closed below, closed above)."""
_LINE: list[Piece] = [(-INFINITE, INFINITE, False, False)]


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


def pieces_of(node: n.Node) -> list[Piece] | None:
    """A set of reals as sorted, disjoint intervals; None where the tree is none, or has several variables."""
    match node:
        case n.Reals():
            return _LINE
        case n.Empty():
            return []
        case n.Bracket(opening=opening, closing=closing, items=(left, right)):
            low, high = _bound(left), _bound(right)
            return None if low is None or high is None or low > high else [(low, high, opening == "[", closing == "]")]
        case n.Braces(items=items) if len(items) <= MAX_ITEMS:
            points = [_bound(part) for part in items]
            return None if None in points else merged([(value, value, True, True) for value in points])
        case n.SetOp(kind=kind, left=left, right=right):
            return _combined(kind, pieces_of(left), pieces_of(right))
        case n.Rel():
            return _solved(node)
        case n.Items(items=items) if all(isinstance(part, n.Rel) for part in items):
            return _conditions(node)
    return None


def _bound(node: n.Node) -> Bound | None:
    sign = 1
    while isinstance(node, n.Neg | n.Paren):
        sign, node = (-sign if isinstance(node, n.Neg) else sign), node.inner
    if node == n.INFINITY:
        return sign * INFINITE
    if not isinstance(node, n.Scalar) or n.symbols(node):
        return None
    value = constant(node)
    if value is None or isinstance(value, Fraction):
        return None if value is None else sign * value
    return None if is_imaginary(value) else sign * value.real


def _combined(kind: str, left: list[Piece] | None, right: list[Piece] | None) -> list[Piece] | None:
    if left is None or right is None:
        return None
    if kind == "union":
        return merged(left + right)
    return merged(_intersection(left, right if kind == "inter" else _complement(right)))


def _conditions(node: n.Items) -> list[Piece] | None:
    """Several conditions on one variable: all of them, or one where "or" joins them or no number meets all."""
    parts = [pieces_of(part) for part in node.items]
    if None in parts or len({n.symbols(part) for part in node.items}) != 1:
        return None
    meet = parts[0]
    for part in parts[1:]:
        meet = merged(_intersection(meet, part))
    return merged([piece for part in parts for piece in part]) if node.joiner == "or" or not meet else meet


def variable_of(node: n.Node) -> str | None:
    """The name of a bare variable, of f(x) for any x, or of |x|."""
    if isinstance(node, n.Sym) and n.symbols(node):
        return node.name
    if isinstance(node, n.Call) and all(isinstance(part, n.Sym) for part in node.args):
        return f"{node.name}()"
    match node:
        case n.Fn(name="abs", args=(n.Sym(name=name),)):
            return f"|{name}|"
    return None


def _unsigned(node: n.Rel) -> n.Rel:
    """ "-x > -1" as "x < 1"; others as they are."""
    if not any(isinstance(term, n.Neg) and variable_of(term.inner) for term in node.terms) or not set(node.ops) <= {*FLIPPED, "=", "!="}:
        return node
    return n.Rel(
        tuple(term.inner if isinstance(term, n.Neg) else n.Neg(term) for term in node.terms), tuple(FLIPPED.get(op, op) for op in node.ops)
    )


def _solved(node: n.Rel) -> list[Piece] | None:
    """The solution set of "a < x <= b", "x != a", "x in …" for one bare variable."""
    node = _unsigned(node)
    names = [variable_of(term) for term in node.terms]
    if sum(name is not None for name in names) != 1:
        return None
    at = next(index for index, name in enumerate(names) if name is not None)
    if node.ops == ("in",):
        return pieces_of(node.terms[1]) if at == 0 else None
    pieces = _LINE
    for index, op in enumerate(node.ops):
        if at not in (index, index + 1):
            return None
        other, op = (node.terms[index + 1], op) if index == at else (node.terms[index], FLIPPED.get(op, op))
        half = _half_line(op, _bound(other))
        if half is None:
            return None
        pieces = _intersection(pieces, half)
    if names[at].startswith("|"):
        positive = _intersection(pieces, [(0, INFINITE, True, False)])
        pieces = positive + [(-high, -low, high_closed, low_closed) for low, high, low_closed, high_closed in positive]
    return merged(pieces)


def _half_line(op: str, bound: Bound | None) -> list[Piece] | None:
    if bound is None:
        return None
    match op:
        case "<" | "<=":
            return [(-INFINITE, bound, False, op == "<=")]
        case ">" | ">=":
            return [(bound, INFINITE, op == ">=", False)]
        case "!=":
            return _complement([(bound, bound, True, True)])
        case "=":
            return [(bound, bound, True, True)]
    return None


def _intersection(left: list[Piece], right: list[Piece]) -> list[Piece]:
    found = []
    for a in left:
        for b in right:
            low, high = max(a[0], b[0]), min(a[1], b[1])
            low_closed = (a[2] or a[0] < low) and (b[2] or b[0] < low)
            high_closed = (a[3] or a[1] > high) and (b[3] or b[1] > high)
            if low < high or (low == high and low_closed and high_closed):
                found.append((low, high, low_closed, high_closed))
    return found


def _complement(pieces: list[Piece]) -> list[Piece]:
    rest = _LINE
    for low, high, low_closed, high_closed in pieces:
        sides: list[Piece] = []
        if low > -INFINITE:
            sides.append((-INFINITE, low, False, not low_closed))
        if high < INFINITE:
            sides.append((high, INFINITE, not high_closed, False))
        rest = _intersection(rest, sides)
    return rest


def merged(pieces: list[Piece]) -> list[Piece]:
    """Sorted, disjoint pieces of the same set."""
    found: list[Piece] = []
    for piece in sorted(pieces, key=lambda item: (item[0], not item[2])):
        if found:
            low, high, low_closed, high_closed = found[-1]
            if piece[0] < high or (piece[0] == high and (piece[2] or high_closed)):
                if piece[1] > high or (piece[1] == high and piece[3]):
                    found[-1] = (low, piece[1], low_closed, piece[3])
                continue
        found.append(piece)
    return found


def same_pieces(left: list[Piece], right: list[Piece]) -> bool:
    """Equal sets: the same ends, each open or closed alike."""

    def same(a: Bound, b: Bound) -> bool:
        if INFINITE in (abs(a), abs(b)):
            return a == b
        return close(*(value if isinstance(value, Fraction) else complex(value) for value in (a, b)))

    return len(left) == len(right) and all(
        same(a[0], b[0]) and same(a[1], b[1]) and a[2:] == b[2:] for a, b in zip(left, right, strict=True)
    )
