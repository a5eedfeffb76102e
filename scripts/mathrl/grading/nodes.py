r"""The trees that answers are read into: one frozen class for each kind of node.

Scalars have a value; the other nodes are lists, sets, conditions and whatever else may stand in a box. A tree is never
changed and never evaluated as code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import dataclass_transform


@dataclass_transform(frozen_default=True)
class Node:
    """Any tree. Every class below is a frozen dataclass."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)


class Scalar(Node):
    """A tree that may have a value."""


class Wrapped(Scalar):
    """A scalar around one other."""

    inner: Node


class Num(Scalar):
    """A written number; places: digits after the point (negative for 3e5), None where the writing is no decimal."""

    value: Fraction
    places: int | None = 0


class Sym(Scalar):
    """A variable, a constant or an opaque word."""

    name: str


class Paren(Wrapped):
    """A number in brackets: 2(3) is a product, 2 3 is not."""


class Neg(Wrapped): ...


class Factorial(Wrapped): ...


class Percent(Wrapped): ...


class Degrees(Wrapped): ...


class Quantity(Scalar):
    """A number with a unit, or with the words for what is counted."""

    inner: Node
    unit: str


class Add(Scalar):
    items: tuple[Node, ...]


class Mul(Scalar):
    items: tuple[Node, ...]


class Div(Scalar):
    top: Node
    bottom: Node


class Pow(Scalar):
    base: Node
    exponent: Node


class Fn(Scalar):
    """A known function: sin, log, sqrt, abs, binom …"""

    name: str
    args: tuple[Node, ...]


class Call(Scalar):
    """f(x): an unknown function."""

    name: str
    args: tuple[Node, ...]


class BigOp(Scalar):
    """A sum, product, integral or limit; never worked out. bounds: (mark, bound), mark "_" or "^"."""

    name: str
    bounds: tuple[tuple[str, Node], ...]
    body: Node


class PlusMinus(Node):
    """left ± right (sign 1) or left ∓ right (sign -1); left is None for ±5."""

    left: Node | None
    right: Node
    sign: int


class Bracket(Node):
    """(1, 2), [0, 1): a point, an interval or a vector."""

    opening: str
    closing: str
    items: tuple[Node, ...]


class Items(Node):
    """1, 2 or 3 without brackets; joiner: ",", "and" or "or"."""

    items: tuple[Node, ...]
    joiner: str = ","


class Braces(Node):
    """A set written out: {1, 2}."""

    items: tuple[Node, ...]


class Builder(Node):
    r"""A set by its elements: {2k+1 : k \in Z}."""

    element: Node
    conditions: tuple[Node, ...]


class Rel(Node):
    """x = 5, 0 < x <= 1: terms with the relations between them."""

    terms: tuple[Node, ...]
    ops: tuple[str, ...]


class SetOp(Node):
    """kind: "union", "inter" or "minus"."""

    kind: str
    left: Node
    right: Node


class Mod(Node):
    r"""n \equiv 1 \pmod 4."""

    inner: Node
    modulus: Node


class Ratio(Node):
    items: tuple[Node, ...]


class Matrix(Node):
    rows: tuple[tuple[Node, ...], ...]


class Piecewise(Node):
    """(value, condition) rows."""

    rows: tuple[tuple[Node, ...], ...]


class Based(Node):
    """The digits of a number in another base: 101_2."""

    digits: str
    base: int


class Text(Node):
    words: str


class Reals(Node): ...


class Empty(Node): ...


ONE, ZERO = Num(Fraction(1)), Num(Fraction(0))
INFINITY, PI, DOTS = Sym("infty"), Sym("pi"), Sym("…")
CONSTANTS = frozenset({"pi", "e", "i", "infty"})
"""Names of symbols that are no variables."""


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
        stack.extend(_nodes_in(tuple(vars(part).values())))


def rebuild(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with `change` applied to each node directly below it."""
    return type(node)(*(_rebuilt(field, change) for field in vars(node).values()))


def _rebuilt(value: object, change: Callable[[Node], Node]) -> object:
    if isinstance(value, tuple):
        return tuple(_rebuilt(part, change) for part in value)
    return change(value) if isinstance(value, Node) else value


def symbols(node: Node) -> frozenset[str]:
    """The variables of a tree (not pi, e, i, infinity); unknown functions as "f()"."""
    names = (part.name if isinstance(part, Sym) else f"{part.name}()" for part in walk(node) if isinstance(part, Sym | Call))
    return frozenset(names) - CONSTANTS


def product(factors: tuple[Node, ...]) -> Node:
    """The factors as one node; 1 for none."""
    return ONE if not factors else factors[0] if len(factors) == 1 else Mul(factors)


def total(terms: tuple[Node, ...]) -> Node:
    """The terms as one node."""
    return terms[0] if len(terms) == 1 else Add(terms)


def signed(node: Node) -> tuple[int, Node]:
    """(sign, node) of a node without the minus signs and brackets around it."""
    sign = 1
    while isinstance(node, Neg | Paren):
        sign, node = (-sign if isinstance(node, Neg) else sign), node.inner
    return sign, node


def rename(node: Node, names: dict[str, str]) -> Node:
    """The tree with variables renamed, also inside subscripts: {"k": "n"} takes a_k to a_n."""
    if isinstance(node, Sym):
        head, mark, tail = node.name.partition("_")
        return Sym(names.get(node.name) or names.get(head, head) + mark + names.get(tail, tail))
    return rebuild(node, lambda part: rename(part, names))
