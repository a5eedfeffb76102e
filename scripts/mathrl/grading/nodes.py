r"""The trees that answers are read into: one frozen class for each kind of node.

Scalars have a value; the other nodes are lists, sets, conditions and whatever else may stand in a box. A tree is never
changed and never evaluated as code. `children` and `rebuild` walk any tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

_node = dataclass(frozen=True, slots=True)


class Node:
    """Any tree."""

    __slots__ = ()


class Scalar(Node):
    """A tree that may have a value."""

    __slots__ = ()


@_node
class Num(Scalar):
    """A written number; places: digits after the point (negative for 3e5), None where the writing is no decimal."""

    value: Fraction
    places: int | None = 0


@_node
class Paren(Scalar):
    """A number in brackets: 2(3) is a product, 2 3 is not."""

    inner: Node


@_node
class Sym(Scalar):
    """A variable, a constant or an opaque word."""

    name: str


@_node
class Neg(Scalar):
    inner: Node


@_node
class Add(Scalar):
    items: tuple[Node, ...]


@_node
class Mul(Scalar):
    items: tuple[Node, ...]


@_node
class Div(Scalar):
    top: Node
    bottom: Node


@_node
class Pow(Scalar):
    base: Node
    exponent: Node


@_node
class Factorial(Scalar):
    inner: Node


@_node
class Fn(Scalar):
    """A known function: sin, log, sqrt, abs, binom …"""

    name: str
    args: tuple[Node, ...]


@_node
class Call(Scalar):
    """f(x): an unknown function."""

    name: str
    args: tuple[Node, ...]


@_node
class BigOp(Scalar):
    """A sum, product, integral or limit; never worked out. bounds: (mark, bound), mark "_" or "^"."""

    name: str
    bounds: tuple[tuple[str, Node], ...]
    body: Node


@_node
class Percent(Scalar):
    inner: Node


@_node
class Degrees(Scalar):
    inner: Node


@_node
class Quantity(Scalar):
    """A number with a unit, or with the words for what is counted."""

    inner: Node
    unit: str


@_node
class PlusMinus(Node):
    """left ± right (sign 1) or left ∓ right (sign -1); left is None for ±5."""

    left: Node | None
    right: Node
    sign: int


@_node
class Bracket(Node):
    """(1, 2), [0, 1), ⟨1, 2⟩: a point, an interval or a vector."""

    opening: str
    closing: str
    items: tuple[Node, ...]


@_node
class Items(Node):
    """1, 2 or 3 without brackets; joiner: ",", "and" or "or"."""

    items: tuple[Node, ...]
    joiner: str = ","


@_node
class Braces(Node):
    """A set written out: {1, 2}."""

    items: tuple[Node, ...]


@_node
class Builder(Node):
    r"""A set by its elements: {2k+1 : k \in Z}."""

    element: Node
    conditions: tuple[Node, ...]


@_node
class Rel(Node):
    """x = 5, 0 < x <= 1: terms with the relations between them."""

    terms: tuple[Node, ...]
    ops: tuple[str, ...]


@_node
class SetOp(Node):
    """kind: "union", "inter" or "minus"."""

    kind: str
    left: Node
    right: Node


@_node
class Mod(Node):
    r"""n \equiv 1 \pmod 4."""

    inner: Node
    modulus: Node


@_node
class Ratio(Node):
    items: tuple[Node, ...]


@_node
class Matrix(Node):
    rows: tuple[tuple[Node, ...], ...]


@_node
class Piecewise(Node):
    """(value, condition) rows."""

    rows: tuple[tuple[Node, ...], ...]


@_node
class Based(Node):
    """The digits of a number in another base: 101_2."""

    digits: str
    base: int


@_node
class Text(Node):
    words: str


@_node
class Reals(Node):
    pass


@_node
class Empty(Node):
    pass


ONE, ZERO = Num(Fraction(1)), Num(Fraction(0))
INFINITY, PI, DOTS = Sym("infty"), Sym("pi"), Sym("…")
CONSTANTS = frozenset({"pi", "e", "i", "infty"})
"""Names of symbols that are no variables."""


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below a node, in order."""
    for field in node.__slots__:
        yield from _nodes_in(getattr(node, field))


def _nodes_in(value: object) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _nodes_in(part)


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    stack = [node]
    while stack:
        part = stack.pop()
        yield part
        stack.extend(children(part))


def rebuild(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with `change` applied to each node directly below it."""
    return type(node)(*(_rebuilt(getattr(node, field), change) for field in node.__slots__))


def _rebuilt(value: object, change: Callable[[Node], Node]) -> object:
    if isinstance(value, Node):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_rebuilt(part, change) for part in value)
    return value


def symbols(node: Node) -> frozenset[str]:
    """The variables of a tree (not pi, e, i, infinity); unknown functions as "f()"."""
    found = set()
    for part in walk(node):
        if isinstance(part, Sym) and part.name not in CONSTANTS:
            found.add(part.name)
        elif isinstance(part, Call):
            found.add(f"{part.name}()")
    return frozenset(found)


def product(factors: tuple[Node, ...]) -> Node:
    """The factors as one node; 1 for none."""
    return ONE if not factors else factors[0] if len(factors) == 1 else Mul(factors)


def total(terms: tuple[Node, ...]) -> Node:
    """The terms as one node; 0 for none."""
    return ZERO if not terms else terms[0] if len(terms) == 1 else Add(terms)


def difference(left: Node, right: Node) -> Node:
    """left - right as a tree."""
    return Add((left, Neg(right)))


def rename(node: Node, names: dict[str, str]) -> Node:
    """The tree with variables renamed, also inside subscripts: {"k": "n"} takes a_k to a_n."""
    if isinstance(node, Sym):
        head, mark, tail = node.name.partition("_")
        name = names.get(node.name) or names.get(head, head) + mark + names.get(tail, tail)
        return Sym(name)
    return rebuild(node, lambda part: rename(part, names))
