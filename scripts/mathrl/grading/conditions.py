"""Relations: assignments, equations, inequalities, congruences, chains, piecewise functions and sets by their elements."""

from __future__ import annotations

from mathrl.grading import nodes as n
from mathrl.grading.expressions import Same, same_equations, same_family
from mathrl.grading.numbers import How
from mathrl.grading.sets import ends_of, same_ends

_FUNCTION_NAMES = frozenset({"y", "f()", "g()", "h()"})
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!=", "~": "~"}


def _name_of(node: n.Node) -> str | None:
    """The name that the left side of an assignment gives: x, a_3, f() (whatever its argument), |AB|, CD."""
    match node:
        case n.Sym(name=name):
            return name
        case n.Call(name=name, args=args):
            return f"{name}()" if all(isinstance(part, n.Sym) for part in args) else repr(node)
        case n.Mul(items=items) if len(letters := [part.name for part in items if isinstance(part, n.Sym)]) == len(items):
            return "".join(letters)
        case n.Bracket(items=items):
            names = [found for part in items if (found := _name_of(part)) is not None]
            return "(" + ",".join(names) + ")" if len(names) == len(items) else None
        case n.Fn() | n.Div() | n.Ratio() | n.Neg() | n.Pow():
            return repr(node) if n.symbols(node) else None
    return None


def assignment(node: n.Node) -> tuple[str, n.Node] | None:
    """(name, value) of "x = 5", "f(x) = …", "x = 5 ≈ …", "x ∈ …"; None for other relations."""
    if not isinstance(node, n.Rel):
        return None
    terms, ops = node.terms, node.ops
    named = isinstance(terms[0], n.Sym | n.Call | n.Bracket | n.Mul)
    if ops == ("=",) and isinstance(terms[1], n.Sym) and not named and not n.symbols(terms[1]) <= n.symbols(terms[0]):
        return terms[1].name, terms[0]  # 5 = x
    if ops == ("~",) and isinstance(terms[0], n.Sym):
        return terms[0].name, terms[1]
    if ops[0] not in ("=", "in") or any(op not in ("=", "~") for op in ops[1:]):
        return None
    name = _name_of(terms[0])
    value = [term for term, op in zip(terms[1:], ops, strict=True) if op != "~"][-1]
    if name is None or (n.symbols(terms[0]) & n.symbols(value) and not isinstance(terms[0], n.Call)):
        return None
    return name, value


def stated_value(node: n.Rel) -> n.Node | None:
    """The value that "2 + 2 = 4" or "sqrt 2 ~ 1.41" states: the last part that is not an approximation."""
    if any(op not in ("=", "~") for op in node.ops):
        return None
    return next(term for term, op in zip(reversed(node.terms), (*reversed(node.ops), "="), strict=True) if op == "=")


def same_relations(answer: n.Node, gold: n.Node, same: Same, how: How) -> bool | None:
    """A relation against anything; None where sets or lists must decide."""
    mine, theirs = assignment(answer), assignment(gold)
    if isinstance(answer, n.Rel) and isinstance(gold, n.Rel):
        return _two_relations(answer, gold, mine, theirs, same, how)
    if theirs:
        return same(answer, theirs[1])
    if mine:
        return same(mine[1], gold)
    if isinstance(answer, n.Rel):
        if answer.ops == ("=",) and answer.terms[1] == n.ZERO and n.symbols(answer) and n.symbols(answer) == n.symbols(gold):
            return same(answer.terms[0], gold)  # "p(x) = 0" for the polynomial p(x)
        value = stated_value(answer)
        if value is not None:
            return same(value, gold) or (
                not n.symbols(answer)
                and all(same(term, answer.terms[0]) or same(answer.terms[0], term) for term in answer.terms)
                and any(same(term, gold) for term in answer.terms)
            )
        return None if isinstance(gold, n.Bracket | n.SetOp | n.Braces | n.Items) or ends_of(gold) is not None else False
    return None


def _two_relations(
    answer: n.Rel, gold: n.Rel, mine: tuple[str, n.Node] | None, theirs: tuple[str, n.Node] | None, same: Same, how: How
) -> bool:
    if mine and theirs:
        return _two_assignments(answer, gold, mine, theirs, same, how)
    if theirs and gold.ops[0] == "=" and not n.symbols(theirs[1]):
        return False  # the gold is solved, the answer is still an equation
    verdict = same_equations(answer, gold, how)
    if verdict is not None:
        return verdict
    left, right = ends_of(answer), ends_of(gold)
    if left is not None and right is not None:
        return n.symbols(answer) == n.symbols(gold) and same_ends(left, right)
    return _same_chains(answer, gold, same)


def _two_assignments(answer: n.Rel, gold: n.Rel, mine: tuple[str, n.Node], theirs: tuple[str, n.Node], same: Same, how: How) -> bool:
    calls = [node.terms[0] for node in (answer, gold) if isinstance(node.terms[0], n.Call)]
    if len(calls) == 2 and calls[0].args != calls[1].args:
        return bool(same_equations(answer, gold, how))  # f(n) = n^3 is not f(x) = n^3
    functions = {mine[0], theirs[0]} <= _FUNCTION_NAMES and "y" in (mine[0], theirs[0])  # y = 2x + 1 for f(x) = 2x + 1
    if (mine[0] == theirs[0] or functions) and same(mine[1], theirs[1]):
        return True
    return bool(same_equations(answer, gold, how))


def _same_chains(answer: n.Rel, gold: n.Rel, same: Same) -> bool:
    """Chains of relations, term by term, read from the left or from the right."""
    if len(answer.terms) != len(gold.terms):
        return False
    mirrored = (tuple(reversed(answer.terms)), tuple(_MIRRORED.get(op, op) for op in reversed(answer.ops)))
    return any(
        ops == gold.ops and all(same(a, b) for a, b in zip(terms, gold.terms, strict=True))
        for terms, ops in ((answer.terms, answer.ops), mirrored)
    )


def counted(node: n.Node) -> tuple[n.Node, bool] | None:
    r"""(expression, is k natural?) of "x = \pi/4 + k\pi, k \in \mathbb{Z}", a family with its whole-number letter; None for others."""
    if not isinstance(node, n.Items) or len(node.items) < 2:
        return None
    *firsts, last = node.items
    counting = _whole_letter(last)
    if counting is None:
        return None
    values = tuple(pair[1] if (pair := assignment(first)) else first for first in firsts)
    return (values[0] if len(values) == 1 else n.Items(values, "or")), counting[1] in (n.Sym("bbN"), n.Sym("N"))


def _whole_letter(node: n.Node) -> tuple[str, n.Node] | None:
    """A letter and the whole numbers that it runs through; None for other conditions."""
    match node:
        case n.Rel(terms=(n.Sym(name=name), n.Sym(name="bbZ" | "bbN" | "Z" | "N" | "integers" | "integer") as numbers), ops=("in",)):
            return name, numbers
    return None


def same_builders(answer: n.Builder, gold: n.Builder, same: Same) -> bool:
    """Two sets by their elements: the same conditions and elements, up to the letter that runs."""
    mine, theirs = (_whole_letter(node.conditions[0]) if len(node.conditions) == 1 else None for node in (answer, gold))
    if mine and theirs and n.symbols(answer.element) == {mine[0]} and n.symbols(gold.element) == {theirs[0]}:
        if mine[1] != theirs[1]:
            return False
        whole = theirs[1] in (n.Sym("bbZ"), n.Sym("Z"))
        renamed = n.rename(answer.element, {mine[0]: theirs[0]})
        return same_family(answer.element, gold.element) if whole else same(renamed, gold.element)
    own, other = sorted(n.symbols(answer.element)), sorted(n.symbols(gold.element))
    names = dict(zip(own, other, strict=True)) if len(own) == len(other) == 1 else {}
    parts = [
        same(n.rename(a, names), b) for a, b in zip((answer.element, *answer.conditions), (gold.element, *gold.conditions), strict=False)
    ]
    return len(answer.conditions) == len(gold.conditions) and all(parts)


def same_piecewise(answer: n.Piecewise, gold: n.Piecewise, same: Same) -> bool:
    """Piecewise functions: each value with its own condition; the rows in any order."""
    rest = list(gold.rows)
    for row in answer.rows:
        found = (other for other in rest if len(row) == len(other) and all(_same_cell(a, b, same) for a, b in zip(row, other, strict=True)))
        other = next(found, None)
        if other is None:
            return False
        rest.remove(other)
    return not rest


def _same_cell(answer: n.Node, gold: n.Node, same: Same) -> bool:
    return answer == gold if isinstance(answer, n.Text) or isinstance(gold, n.Text) else same(answer, gold)
