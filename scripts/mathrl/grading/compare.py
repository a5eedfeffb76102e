r"""Is this answer this gold? The cascade over readings, from the cheapest test to the dearest.

`compare` decides within fixed budgets and without the clock; what it cannot decide it says so (`UNDECIDED`), and the caller
may ask the algebra workers. The rules in words stand in docs/reference/grading.md.
"""

from __future__ import annotations

import re
from fractions import Fraction

from mathrl.grading.latex import Unparsed, clean, string_key, word_key
from mathrl.grading.parse import UNITS, Node, readings
from mathrl.grading.value import POINTS, Evaluator, Undecided, close, symbols

EQUAL, DIFFERENT, UNDECIDED = "equal", "different", "undecided"
MAX_ITEMS = 64
"""Lists of more items are compared as strings only."""
SIGNIFICANT = 5
"""A decimal of so many significant digits, four of them decimals, stands for an exact value (2.6667 for 8/3)."""
ROUNDING_RULES = True
"""Whether the two rounding rules hold; benchmark.py switches them off to show what they change."""
ROUNDING = Fraction(1, 80)
"""A more precise answer that rounds to a decimal gold must also lie within this relative distance of it."""

NO_GOLD = frozenset({"proof", "proof needed", "see solution", "not found", "none given", "unknown", "answer", "see proof", ""})
_YES = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_CHOICE = re.compile(r"^(?:\\?[({\[]|\\text\s*\{|\\textbf\s*\{|\\mathrm\s*\{|\$|\s)*([A-J])\s*((?:[)\]}.:,$\s]|$)+)(.*)$", re.DOTALL)

_OPTION = re.compile(r"^\s*(?:\\text\s*\{\s*)?(?:option|choice|answer)\s+(?=[(\[]?[A-J]\b)", re.IGNORECASE)
_COMMA_DECIMAL = re.compile(r"[-+]?\d{1,12},(?:\d{1,2}|\d{4,12})")
_CLOCK = re.compile(r"(\d{1,2})\s*:\s*(\d{2})\s*(?:(a|p)\.?\s?m\.?)?", re.IGNORECASE)
_SAME_WORDS = {
    "dne": "does not exist",
    "doesnt exist": "does not exist", "limit does not exist": "does not exist", "doesn t exist": "does not exist",
    "infinitely many solutions": "infinitely many", "infinite solutions": "infinitely many",
    "infinite number of solutions": "infinitely many",
}  # fmt: skip


# -- numbers ----------------------------------------------------------------------------------------------------------


def is_literal(node: Node) -> bool:
    r"""A finished number: digits, a sign, a fraction of finished numbers, a power of ten as scale, percent, degrees.

    What still has to be worked out (2+2, 5!, \sqrt{16}, \binom{4}{2}) is not finished, whatever its value.
    """
    kind = node[0]
    if kind == "num":
        return True
    if kind in ("neg", "paren", "pct", "deg", "unit"):
        return is_literal(node[1])
    if kind == "div":
        return _signed_number(node[1]) and _signed_number(node[2])
    if kind == "pow":
        return _power_of_ten(node)
    if kind == "mul" and len(node[1]) == 2:
        return is_literal(node[1][0]) and node[1][0][0] != "mul" and _power_of_ten(node[1][1])
    return False


def _signed_number(node: Node) -> bool:
    return node[0] == "num" or (node[0] in ("neg", "paren") and _signed_number(node[1]))


def _power_of_ten(node: Node) -> bool:
    return node[0] == "pow" and node[1] == ("num", Fraction(10), 0) and _signed_number(node[2])


def _decimal(node: Node) -> tuple[Fraction, int] | None:
    """(value, decimal places) of a written decimal, None for other trees. Places may be negative (3.8e35)."""
    kind = node[0]
    if kind == "num":
        return (node[1], node[2]) if node[2] != 999 else None
    if kind in ("neg", "paren", "unit"):
        inner = _decimal(node[1])
        return None if inner is None else ((-inner[0] if kind == "neg" else inner[0]), inner[1])
    if kind == "mul" and len(node[1]) == 2 and _power_of_ten(node[1][1]):
        inner = _decimal(node[1][0])
        exponent = _exponent(node[1][1])
        return None if inner is None or exponent is None else (inner[0] * Fraction(10) ** exponent, inner[1] - exponent)
    return None


def _exponent(node: Node) -> int | None:
    try:
        value = Evaluator()(node[2])
    except Undecided:
        return None
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 and abs(value) <= 400 else None


def _significant(value: Fraction, places: int) -> int:
    return len(str(abs(int(value * Fraction(10) ** places)))) if abs(places) <= 500 else 0


def _rounds_to(value, target: Fraction, places: int) -> bool:
    """Does a value, rounded (or cut) after `places` decimals, read as `target`?"""
    try:
        exact = value if isinstance(value, Fraction) else _as_fraction(value)
    except (Undecided, OverflowError, ValueError):
        return False
    unit = Fraction(1, 10**places) if places >= 0 else Fraction(10**-places)
    slack = 0 if isinstance(value, Fraction) else abs(target) * Fraction(1, 10**12)
    return abs(exact - target) <= unit / 2 * Fraction(1000001, 1000000) + slack


def _as_fraction(value: complex) -> Fraction:
    if abs(value.imag) > 1e-12 * max(1.0, abs(value.real)):
        raise Undecided("not real")
    return Fraction(value.real)


def _numbers(answer: Node, gold: Node) -> bool | None:
    """Two constants: exact equality, percent and degrees read both ways, and the rounding rules; None if beyond budget."""
    verdict = _unit_verdict(answer, gold)
    if verdict is False or _marks_clash(answer, gold):
        return False
    gold_literal, answer_literal = is_literal(gold), is_literal(answer)
    try:
        left, right = Evaluator()(answer), Evaluator()(gold)
    except Undecided:
        return True if answer == gold else None
    if close(left, right) and (answer_literal or not gold_literal):
        return True
    # The sign beside the number may be left out: 50 % for 50 (not 0.5 % for 0.5), 45 degrees for 45.
    for mark in ("pct", "deg"):
        if _marked(answer, mark) != _marked(gold, mark):
            bare = [_unmark(node, mark) for node in (answer, gold)]
            try:
                values = [Evaluator()(node) for node in bare]
            except Undecided:
                continue
            if close(*values) and is_literal(bare[0]) >= is_literal(bare[1]):
                small = isinstance(values[0], Fraction) and abs(values[0]) < 1
                if mark == "deg" or not small:
                    return True
    return _rounded(answer, left, gold, right)


def _rounded(answer: Node, left, gold: Node, right) -> bool:
    """The two rounding rules (docs/reference/grading.md): a decimal gold is itself rounded; a long decimal stands for an exact gold."""
    if not ROUNDING_RULES:
        return False
    written, target = _decimal(answer), _decimal(gold)
    if target is not None:
        return _more_precise(answer, left, *target)
    if written is not None and written[1] >= 4:
        value, places = written
        if _significant(value, places) >= SIGNIFICANT and (_rounds_to(right, value, places) or _cut(right, value, places)):
            return True
    return False


def is_rounded(gold: str) -> bool:
    """Is this gold a decimal to which the rounding rule applies, so that a more precise answer passes too?"""
    found = [target for target in map(_decimal, readings(gold)[:1]) if target is not None]
    return any(value != 0 and (value.denominator != 1 or (places < 0 and _significant(value, places) > 1)) for value, places in found)


def _more_precise(answer: Node, value, target: Fraction, places: int) -> bool:
    """Does a more precise answer round to a decimal gold?

    A gold of one or two significant digits is often exact (2.5 litres), so there the answer must have two digits more (0.4167
    for 0.42, not 2.52 for 2.5), or be a closed form; and it must lie within `ROUNDING` of the gold.
    """
    significant = _significant(target, places)
    scientific = places < 0
    if target == 0 or (target.denominator == 1 and not scientific) or (scientific and significant < 2):
        return False
    if not _rounds_to(value, target, places):
        return False
    if isinstance(value, Fraction):
        if not is_literal(answer):
            return False
        further = 1 if significant >= 3 else 2
        if any((value * Fraction(10) ** (places + extra)).denominator == 1 for extra in range(further)):
            return False
        exact = value
    else:
        exact = Fraction(value.real)
    return abs(exact - target) <= abs(target) * ROUNDING


def _cut(value, target: Fraction, places: int) -> bool:
    """Does the value read as `target` when its digits are cut off after `places`?"""
    try:
        exact = value if isinstance(value, Fraction) else _as_fraction(value)
    except (Undecided, OverflowError, ValueError):
        return False
    return (exact >= 0) == (target >= 0) and 0 <= abs(exact) - abs(target) < Fraction(1, 10**places)


def _marked(node: Node, mark: str) -> bool:
    while node[0] in ("neg", "paren", "unit"):
        node = node[1]
    return node[0] == mark


def _marks_clash(answer: Node, gold: Node) -> bool:
    """Percent against degrees, or either against a unit: 15 % is no 15 cm, though each may be written 15."""
    for one, other in ((answer, gold), (gold, answer)):
        unit = _unit_of(other)
        if _marked(one, "pct") and (unit is not None or _marked(other, "deg")):
            return True
        if _marked(one, "deg") and unit is not None and unit not in ("celsius", "fahrenheit"):
            return True
    return False


def _unmark(node: Node, mark: str) -> Node:
    if node[0] == mark:
        return node[1]
    if node[0] in ("neg", "paren", "unit"):
        return (node[0], _unmark(node[1], mark), *node[2:])
    return node


def _unit_of(node: Node) -> str | None:
    while node[0] in ("neg", "paren", "unit"):
        if node[0] == "unit":
            return node[2]
        node = node[1]
    return None


def _unit_verdict(answer: Node, gold: Node) -> bool | None:
    """False where both name a known unit and the units differ."""
    left, right = _unit_of(answer), _unit_of(gold)
    if left is None or right is None:
        return None
    known = [_canonical_unit(name) for name in (left, right)]
    return False if None not in known and known[0] != known[1] else None


_POWER_WORDS = {"square": "2", "sq": "2", "cubic": "3", "cu": "3", "squared": "2", "cube": "3", "cubed": "3"}


def _canonical_unit(name: str) -> tuple | None:
    """Powers of the base units of "m/s^2", "meters per second", "square cm"; None where one is not known."""
    name = re.sub(r"\b(square|sq|cubic|cu)\s+([a-z]+)", lambda m: m[2] + _POWER_WORDS[m[1]], name.lower())
    name = re.sub(r"\b([a-z]+)\s+(squared?|cubed?)\b", lambda m: m[1] + _POWER_WORDS[m[2]], name)
    powers: dict[str, int] = {}
    sign, last = 1, ""
    for part in re.findall(r"[^\W\d_]+|-?\d+|/", name):
        if part in ("/", "per"):
            sign, last = -1, ""
        elif part.lstrip("-").isdigit():
            if not last:
                return None
            powers[last] += sign * (int(part) - 1)
        elif part in UNITS:
            last = UNITS[part]
            powers[last] = powers.get(last, 0) + sign
        else:
            return None
    return tuple(sorted((unit, power) for unit, power in powers.items() if power)) or None


# -- expressions ------------------------------------------------------------------------------------------------------


def _expressions(answer: Node, gold: Node) -> bool | None:
    """Two scalar expressions: constants by value, others at fixed test points."""
    if answer == gold:
        return True
    left, right = symbols(answer), symbols(gold)
    if not left and not right:
        return _numbers(answer, gold)
    if not right and is_literal(gold):
        return False
    if left != right and not (left and right and (left <= right or right <= left)):
        return False
    agreed = 0
    for point in range(POINTS):
        evaluate = Evaluator(point)
        try:
            a, b = evaluate(answer), evaluate(gold)
        except Undecided:
            continue
        if close(a, b):
            agreed += 1
            continue
        if point >= 4 and (_imaginary(a) or _imaginary(b)):
            continue  # other branches of roots and logarithms, off the real line
        return False
    return True if agreed >= 3 else None


def _imaginary(value) -> bool:
    return isinstance(value, complex) and abs(value.imag) > 1e-12 * max(1.0, abs(value.real))


SCALARS = frozenset({"num", "sym", "paren", "unit", "neg", "add", "mul", "div", "pow", "pct", "deg", "fact", "fn", "call", "op"})


def expand_signs(node: Node) -> list[Node]:
    """A tree with plus-minus as the list of its two readings (all upper signs, all lower signs); others as they are."""
    if not _has_pm(node):
        return [node]
    return [_with_sign(node, 1), _with_sign(node, -1)]


def _has_pm(node: Node) -> bool:
    stack = [node]
    while stack:
        part = stack.pop()
        if part and part[0] == "pm":
            return True
        stack.extend(child for child in part if isinstance(child, tuple))
    return False


def _with_sign(node: Node, sign: int) -> Node:
    if node and node[0] == "pm" and len(node) == 4:
        right = _with_sign(node[2], sign)
        right = ("neg", right) if node[3] * sign < 0 else right
        return right if node[1] is None else ("add", (_with_sign(node[1], sign), right))
    return tuple(_with_sign(part, sign) if isinstance(part, tuple) else part for part in node)


# -- structures -------------------------------------------------------------------------------------------------------


def nodes_equal(answer: Node, gold: Node, depth: int = 0) -> bool | None:
    """Equality of two readings: True, False, or None where the budget or the grammar does not reach."""
    if answer == gold:
        return True
    if depth > 6:
        return None
    answer, gold = _simplify(answer), _simplify(gold)
    if answer == gold:
        return True
    if answer[0] in SCALARS and gold[0] in SCALARS:
        return _expressions(answer, gold)
    for test in (_congruences, _ratios, _relations, _intervals, _collections, _matrices):
        verdict = test(answer, gold, depth)
        if verdict is not NotImplemented:
            return verdict
    if answer[0] == gold[0] == "based":
        return answer == gold
    if answer[0] == "text" or gold[0] == "text":
        return False
    if answer[0] != gold[0]:
        return False
    return None


def _simplify(node: Node) -> Node:
    """Peel what carries no meaning: plus-minus becomes a list, a set of one its item, "x = 5 = 5" its last part."""
    while True:
        if node[0] in ("list", "set"):
            items: list[Node] = []
            for part in node[1]:
                items.extend(expand_signs(part))
            if len(items) == 1:
                node = items[0]
                continue
            return (node[0], tuple(items), *node[2:])
        if node[0] == "paren":
            node = node[1]
            continue
        if node[0] == "tuple" and node[1:3] == ("[", "]") and len(node[3]) == 1 and node[3][0][0] in SCALARS:
            node = node[3][0]
            continue
        if node[0] in ("mul", "div", "neg"):
            node = _scaled_matrix(node)
        if node[0] != "rel" and _has_pm(node):
            return ("list", tuple(expand_signs(node)), "or")
        return node


def _name_key(node: Node) -> str | None:
    """The name that the left side of an assignment gives: x, a_3, f() (whatever its argument), |AB|, CD."""
    if node[0] == "sym":
        return node[1]
    if node[0] == "call":
        return f"{node[1]}()" if all(part[0] == "sym" for part in node[2]) else repr(node)
    if node[0] == "mul" and all(part[0] == "sym" for part in node[1]):
        return "".join(part[1] for part in node[1])
    if node[0] == "tuple":
        names = [_name_key(part) for part in node[3]]
        return None if None in names else "(" + ",".join(names) + ")"
    if node[0] in ("fn", "div", "ratio", "neg", "pow"):
        return repr(node) if symbols(node) else None
    return None


def assignment(node: Node) -> tuple[str, Node] | None:
    """(name, value) of "x = 5", "f(x) = …", "x = 5 ≈ …", "x ∈ …"; None for other relations."""
    if node[0] != "rel":
        return None
    terms, ops = node[1], node[2]
    if ops == ("=",) and terms[1][0] == "sym" and not symbols(terms[0]) and symbols(terms[1]):
        return terms[1][1], terms[0]  # 5 = x
    if ops == ("~",) and node[1][0][0] == "sym":
        return node[1][0][1], terms[1]
    if ops[0] not in ("=", "in") or any(op not in ("=", "~") for op in ops[1:]):
        return None
    name = _name_key(terms[0])
    if name is None:
        return None
    exact = [term for term, op in zip(terms[1:], ops, strict=True) if op != "~"]
    value = exact[-1]
    if symbols(terms[0]) & symbols(value) and terms[0][0] != "call":
        return None
    return name, value


_FUNCTION_NAMES = frozenset({"y", "f()", "g()", "h()"})


def _relations(answer: Node, gold: Node, depth: int):
    if answer[0] != "rel" and gold[0] != "rel":
        return NotImplemented
    mine, theirs = assignment(answer), assignment(gold)
    if mine and theirs:
        calls = [node[1][0] for node in (answer, gold) if node[1][0][0] == "call"]
        if len(calls) == 2 and calls[0][2] != calls[1][2]:
            return _equations(answer, gold) or False  # f(n) = n^3 is not f(x) = n^3
        functions = {mine[0], theirs[0]} <= _FUNCTION_NAMES  # y = 2x + 1 for f(x) = 2x + 1
        if mine[0] == theirs[0] or (functions and "y" in (mine[0], theirs[0])):
            verdict = nodes_equal(mine[1], theirs[1], depth + 1)
            if verdict:
                return True
        both = _equations(answer, gold)
        return both if both is not None else False
    if theirs and answer[0] != "rel":
        return nodes_equal(answer, theirs[1], depth + 1)
    if mine and gold[0] != "rel":
        return nodes_equal(mine[1], gold, depth + 1)
    if answer[0] == gold[0] == "rel":
        verdict = _equations(answer, gold)
        if verdict is not None:
            return verdict
        sets = _set_of(answer), _set_of(gold)
        if None not in sets:
            return symbols(answer) == symbols(gold) and _same_sets(*sets)
        return _chains(answer, gold, depth)
    if answer[0] == "rel":
        if answer[2] == ("=",) and _zero(answer[1][1]) and symbols(answer) and symbols(answer) == symbols(gold):
            return nodes_equal(answer[1][0], gold, depth + 1)  # "p(x) = 0" for the polynomial p(x)
        value = _stated_value(answer)
        if value is not None:
            return nodes_equal(value, gold, depth + 1)
        if gold[0] == "tuple" or gold[0] in ("union", "inter", "minus", "reals", "set"):
            return NotImplemented
        return NotImplemented if gold[0] in ("list",) else False
    return NotImplemented


def _stated_value(node: Node) -> Node | None:
    """The value that "2 + 2 = 4" or "sqrt 2 ~ 1.41" states: the last part that is not an approximation."""
    terms, ops = node[1], node[2]
    if any(op not in ("=", "~") for op in ops):
        return None
    return next(term for term, op in zip(reversed(terms), (*reversed(ops), "="), strict=True) if op == "=")


def _equations(answer: Node, gold: Node) -> bool | None:
    """Two equations with the same variables: is one side difference a multiple of the other at all test points?"""
    if answer[2] != ("=",) or gold[2] != ("=",):
        return None
    if any(term[0] not in SCALARS for term in (*answer[1], *gold[1])):
        return None
    if symbols(answer) != symbols(gold):
        return False
    if not symbols(gold):
        return bool(_expressions(answer[1][0], gold[1][0]) and _expressions(answer[1][1], gold[1][1]))
    mine = ("add", (answer[1][0], ("neg", answer[1][1])))
    theirs = ("add", (gold[1][0], ("neg", gold[1][1])))
    factor = None
    agreed = 0
    for point in range(POINTS):
        evaluate = Evaluator(point)
        try:
            a, b = complex(evaluate(mine)), complex(evaluate(theirs))
        except (Undecided, OverflowError):
            continue
        if abs(a) < 1e-9 or abs(b) < 1e-9:
            return None if abs(a) < 1e-9 and abs(b) < 1e-9 else False
        if factor is None:
            factor = a / b
        elif abs(a / b - factor) > 1e-7 * abs(factor):
            return False
        agreed += 1
    return True if agreed >= 3 else None


def _chains(answer: Node, gold: Node, depth: int) -> bool | None:
    """Chains of relations, term by term, read from the left or from the right."""
    flip = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
    if len(answer[1]) != len(gold[1]):
        return False
    mirrored = (tuple(reversed(answer[1])), tuple(flip.get(op, op) for op in reversed(answer[2])))
    for terms, ops in ((answer[1], answer[2]), mirrored):
        if ops == gold[2] and all(nodes_equal(a, b, depth + 1) for a, b in zip(terms, gold[1], strict=True)):
            return True
    return False


def _congruences(answer: Node, gold: Node, depth: int):
    if "mod" not in (answer[0], gold[0]):
        return NotImplemented
    if answer[0] != gold[0]:
        return False
    return _ordered((answer[1], answer[2]), (gold[1], gold[2]), depth)


def _ratios(answer: Node, gold: Node, depth: int):
    if "ratio" not in (answer[0], gold[0]):
        return NotImplemented
    if answer[0] == gold[0] == "ratio":
        if len(answer[1]) != len(gold[1]):
            return False
        if all(nodes_equal(a, b, depth + 1) for a, b in zip(answer[1], gold[1], strict=True)):
            return True
        if any(_zero(part) for part in (*answer[1], *gold[1])):
            return False  # 12:00 is a time
        heads = answer[1][0], gold[1][0]
        verdicts = [
            _expressions(("mul", (a, heads[1])), ("mul", (b, heads[0])))
            for a, b in zip(answer[1][1:], gold[1][1:], strict=True)
            if a[0] in SCALARS and b[0] in SCALARS
        ]
        return len(verdicts) == len(gold[1]) - 1 and all(verdicts)
    if any(_marked(node, "pct") or _unit_of(node) is not None for node in (answer, gold)):
        return False  # 13:1 is no 13 %, and no 13 days
    left, right = (("div", *node[1]) if node[0] == "ratio" and len(node[1]) == 2 else node for node in (answer, gold))
    if "ratio" in (left[0], right[0]):
        return NotImplemented if "rel" in (left[0], right[0]) else False
    if any(_zero(part) for node in (answer, gold) if node[0] == "ratio" for part in node[1]):
        return False
    if left[0] in SCALARS and right[0] in SCALARS:
        return _expressions(left, right)
    return NotImplemented


def _zero(node: Node) -> bool:
    return node[0] == "num" and node[1] == 0


# -- sets of reals ----------------------------------------------------------------------------------------------------

_INFINITE = float("inf")


def _endpoint(node: Node) -> float | Fraction | None:
    sign = 1
    while node[0] in ("neg", "paren"):
        sign, node = (-sign if node[0] == "neg" else sign), node[1]
    if node == ("sym", "infty"):
        return sign * _INFINITE
    if symbols(node) or node[0] not in SCALARS:
        return None
    try:
        value = Evaluator()(node)
    except Undecided:
        return None
    if isinstance(value, Fraction):
        return sign * value
    return sign * value.real if abs(value.imag) < 1e-12 else None


def _interval(node: Node) -> list[tuple] | None:
    """[(low, high, closed below, closed above)] of a bracket of two constants."""
    low, high = (_endpoint(part) for part in node[3])
    if low is None or high is None or low > high:
        return None
    return [(low, high, node[1] == "[", node[2] == "]")]


def _set_of(node: Node) -> list[tuple] | None:
    """A set of reals as sorted, disjoint intervals; None where the tree is none."""
    kind = node[0]
    if kind == "reals":
        return [(-_INFINITE, _INFINITE, False, False)]
    if kind == "empty":
        return []
    if kind == "tuple" and len(node[3]) == 2:
        return _interval(node)
    if kind == "set" and len(node[1]) <= MAX_ITEMS:
        points = [_endpoint(part) for part in node[1]]
        return None if None in points else _merge([(value, value, True, True) for value in points])
    if kind == "union":
        left, right = _set_of(node[1]), _set_of(node[2])
        return None if left is None or right is None else _merge(left + right)
    if kind == "inter":
        left, right = _set_of(node[1]), _set_of(node[2])
        return None if left is None or right is None else _merge(_intersection(left, right))
    if kind == "minus":
        left, right = _set_of(node[1]), _set_of(node[2])
        return None if left is None or right is None else _merge(_intersection(left, _complement(right)))
    if kind == "rel":
        return _solved(node)
    if kind == "list" and all(part[0] == "rel" for part in node[1]):
        parts = [_set_of(part) for part in node[1]]
        if None in parts:
            return None
        meet = parts[0]
        for part in parts[1:]:
            meet = _merge(_intersection(meet, part))
        join = _merge([piece for part in parts for piece in part])
        if node[2] == "or" or not meet:
            return join
        return meet
    return None


def _unsigned(node: Node) -> Node:
    """ "-x > -1" as "x < 1"; others as they are."""
    if not any(term[0] == "neg" and _variable(term[1]) for term in node[1]) or any(op in ("in", "~") for op in node[2]):
        return node
    flip = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
    terms = tuple(term[1] if term[0] == "neg" else ("neg", term) for term in node[1])
    return ("rel", terms, tuple(flip.get(op, op) for op in node[2]))


def _variable(node: Node) -> str | None:
    if node[0] == "sym" and symbols(node):
        return node[1]
    if node[0] == "call" and all(part[0] == "sym" for part in node[2]):
        return f"{node[1]}()"
    if node[0] == "fn" and node[1] == "abs" and node[2][0][0] == "sym":
        return f"|{node[2][0][1]}|"
    return None


def _solved(node: Node) -> list[tuple] | None:
    """The solution set of "a < x ≤ b", "x ≠ a", "x ∈ …" for one bare variable."""
    node = _unsigned(node)
    terms, ops = node[1], node[2]
    names = [_variable(term) for term in terms]
    if sum(name is not None for name in names) != 1:
        return None
    at = next(index for index, name in enumerate(names) if name is not None)
    if ops == ("in",):
        return _set_of(terms[1]) if at == 0 else None
    pieces = [(-_INFINITE, _INFINITE, False, False)]
    for index, op in enumerate(ops):
        left, right = terms[index], terms[index + 1]
        if index == at:
            bound = _endpoint(right)
        elif index + 1 == at:
            bound = _endpoint(left)
            op = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(op, op)
        else:
            return None
        if bound is None:
            return None
        if op in ("<", "<="):
            piece = [(-_INFINITE, bound, False, op == "<=")]
        elif op in (">", ">="):
            piece = [(bound, _INFINITE, op == ">=", False)]
        elif op == "!=":
            piece = _complement([(bound, bound, True, True)])
        elif op == "=":
            piece = [(bound, bound, True, True)]
        else:
            return None
        pieces = _intersection(pieces, piece)
    if names[at].startswith("|"):
        positive = _intersection(pieces, [(0, _INFINITE, True, False)])
        pieces = positive + [(-high, -low, high_closed, low_closed) for low, high, low_closed, high_closed in positive]
    return _merge(pieces)


def _intersection(left: list[tuple], right: list[tuple]) -> list[tuple]:
    found = []
    for a in left:
        for b in right:
            low = max(a[0], b[0])
            high = min(a[1], b[1])
            low_closed = (a[2] or a[0] < low) and (b[2] or b[0] < low)
            high_closed = (a[3] or a[1] > high) and (b[3] or b[1] > high)
            if low < high or (low == high and low_closed and high_closed):
                found.append((low, high, low_closed, high_closed))
    return found


def _complement(pieces: list[tuple]) -> list[tuple]:
    rest = [(-_INFINITE, _INFINITE, False, False)]
    for low, high, low_closed, high_closed in pieces:
        sides = []
        if low > -_INFINITE:
            sides.append((-_INFINITE, low, False, not low_closed))
        if high < _INFINITE:
            sides.append((high, _INFINITE, not high_closed, False))
        rest = _intersection(rest, sides)
    return rest


def _merge(pieces: list[tuple]) -> list[tuple]:
    merged: list[tuple] = []
    for piece in sorted(pieces, key=lambda item: (item[0], not item[2])):
        if merged:
            low, high, low_closed, high_closed = merged[-1]
            if piece[0] < high or (piece[0] == high and (piece[2] or high_closed)):
                if piece[1] > high or (piece[1] == high and piece[3]):
                    merged[-1] = (low, piece[1], low_closed, piece[3])
                continue
        merged.append(piece)
    return merged


def _same_sets(left: list[tuple], right: list[tuple]) -> bool:
    def same(a, b) -> bool:
        if a in (_INFINITE, -_INFINITE) or b in (_INFINITE, -_INFINITE):
            return a == b
        return close(a if isinstance(a, Fraction) else complex(a), b if isinstance(b, Fraction) else complex(b))

    return len(left) == len(right) and all(
        same(a[0], b[0]) and same(a[1], b[1]) and a[2:] == b[2:] for a, b in zip(left, right, strict=True)
    )


def _is_set(node: Node) -> bool:
    if node[0] in ("union", "inter", "minus", "reals", "empty"):
        return True
    if node[0] == "rel":
        return any(op != "=" for op in node[2])
    if node[0] == "list":
        return all(part[0] == "rel" and part[2] != ("=",) for part in node[1])
    return node[0] == "tuple" and len(node[3]) == 2


def _intervals(answer: Node, gold: Node, depth: int):
    """Intervals, unions and inequalities as sets of reals."""
    if not (_is_set(answer) and _is_set(gold)) or answer[0] == gold[0] == "tuple":
        return NotImplemented
    left, right = _set_of(answer), _set_of(gold)
    if left is None or right is None:
        if answer[0] == gold[0] and answer[0] in ("union", "inter", "minus"):
            direct = nodes_equal(answer[1], gold[1], depth + 1) and nodes_equal(answer[2], gold[2], depth + 1)
            crossed = answer[0] != "minus" and nodes_equal(answer[1], gold[2], depth + 1) and nodes_equal(answer[2], gold[1], depth + 1)
            return bool(direct or crossed) or None
        return NotImplemented if "list" in (answer[0], gold[0]) else None
    if symbols(answer) and symbols(gold) and symbols(answer) != symbols(gold):
        return False
    return _same_sets(left, right)


# -- tuples, lists, matrices ------------------------------------------------------------------------------------------


def _records(items: tuple[Node, ...]) -> list[dict[str, Node]] | None:
    """ "p = 5, q = 2; p = 7, q = 2" as records; None where an item is no assignment."""
    pairs = [assignment(item) for item in items]
    if any(pair is None for pair in pairs):
        return None
    records: list[dict[str, Node]] = [{}]
    for name, value in pairs:
        if name in records[-1]:
            records.append({})
        records[-1][name] = value
    return records


def _names_differ(left: tuple[Node, ...], right: tuple[Node, ...]) -> bool:
    """Do both collections name variables, and other ones? Subscripts aside: x_1 = 2, x_2 = 3 is x = 2, x = 3."""
    names = [{re.sub(r"_.*", "", pair[0]) for pair in map(assignment, items) if pair} for items in (left, right)]
    return bool(names[0] and names[1] and names[0] != names[1])


def _values(items: tuple[Node, ...]) -> tuple[Node, ...]:
    """Items of a list with their names taken off ("x = 1, 2" is 1, 2); records of several names become tuples."""
    records = _records(items)
    if records is not None and len(records) > 1 and len(records[0]) > 1 and len({tuple(record) for record in records}) == 1:
        return tuple(("tuple", "(", ")", tuple(record.values())) for record in records)
    values = []
    for item in items:
        pair = assignment(item)
        value = pair[1] if pair else item
        if pair and value[0] == "list":
            values.extend(value[1])
        else:
            values.append(value)
    return tuple(values)


def _matching(left: tuple[Node, ...], right: tuple[Node, ...], depth: int) -> bool | None:
    """Do two unordered collections hold the same values? Repetitions count only where both have as many items."""
    if len(left) > MAX_ITEMS or len(right) > MAX_ITEMS:
        return None
    if len(left) != len(right):
        left, right = (_distinct(items, depth) for items in (left, right))
    if len(left) != len(right):
        return False
    undecided = False
    rest = list(right)
    for item in left:
        verdicts = [nodes_equal(item, other, depth + 1) for other in rest]
        if True in verdicts:
            rest.pop(verdicts.index(True))
        elif None in verdicts:
            undecided = True
        else:
            return False
    return None if undecided else True


def _distinct(items: tuple[Node, ...], depth: int) -> tuple[Node, ...]:
    kept: list[Node] = []
    for item in items:
        if not any(nodes_equal(item, other, depth + 1) for other in kept):
            kept.append(item)
    return tuple(kept)


def _ordered(left: tuple[Node, ...], right: tuple[Node, ...], depth: int) -> bool | None:
    if len(left) != len(right) or len(left) > MAX_ITEMS:
        return False
    undecided = False
    for a, b in zip(left, right, strict=True):
        verdict = nodes_equal(a, b, depth + 1)
        if verdict is None:
            undecided = True
        elif not verdict:
            return False
    return None if undecided else True


def _collections(answer: Node, gold: Node, depth: int):
    kinds = {answer[0], gold[0]}
    if not kinds & {"tuple", "list", "set", "empty"}:
        return NotImplemented
    if answer[0] == gold[0] == "tuple":
        same_brackets = answer[1:3] == gold[1:3]
        if _names_differ(answer[3], gold[3]):
            return False
        if len(gold[3]) == 2 and not same_brackets:
            return False
        return _ordered(_values(answer[3]), _values(gold[3]), depth)
    if gold[0] == "list" and gold[2] == "or" and answer[0] in SCALARS:  # one value, written in two ways
        first = gold[1][0]
        if all(part[0] in SCALARS and nodes_equal(part, first, depth + 1) for part in gold[1][1:]):
            return nodes_equal(answer, first, depth + 1)
        return False
    if kinds <= {"list", "set"}:
        if _names_differ(answer[1], gold[1]):
            return False
        left, right = _records(answer[1]), _records(gold[1])
        if left and right and len(left) == len(right) == 1 and len(left[0]) > 1:
            mine, theirs = left[0], right[0]
            if set(mine) == set(theirs):
                return _ordered(tuple(mine[name] for name in theirs), tuple(theirs.values()), depth)
            return False
        named = [record for record in (left, right) if record and len(record) == 1 and len(record[0]) > 1]
        if len(named) == 1 and answer[0] == gold[0] == "list":
            return _ordered(_values(answer[1]), _values(gold[1]), depth)
        return _matching(_values(answer[1]), _values(gold[1]), depth)
    if "tuple" in kinds and "list" in kinds:
        if answer[0] == "list" and answer[2] == "or":
            return False  # "2 or 3" is no point
        if answer[0] == "tuple" and answer[1:3] == ("[", "]"):
            return _matching(_values(answer[3]), _values(gold[1]), depth)  # a data list for a bare list
        left, right = (_values(node[3] if node[0] == "tuple" else node[1]) for node in (answer, gold))
        if any(part[0] == "tuple" for part in (left[0], right[0])) and len(left) != len(right):
            return False
        return _ordered(left, right, depth)
    if "matrix" in kinds and "tuple" in kinds:
        return NotImplemented
    return False


def _data_rows(node: Node) -> tuple[tuple[Node, ...], ...] | None:
    """The rows of [[1, 2], [3, 4]]; None for other trees."""
    if node[0] != "tuple" or node[1:3] != ("[", "]"):
        return None
    rows = tuple(part[3] if part[0] == "tuple" and part[1:3] == ("[", "]") else () for part in node[3])
    return rows if all(rows) and len({len(row) for row in rows}) == 1 else None


def _scaled_matrix(node: Node) -> Node:
    """A number times a matrix, or a matrix over a number, as the matrix; others as they are."""
    sign = 1
    inner = node
    while inner[0] in ("neg", "paren"):
        sign, inner = (-sign if inner[0] == "neg" else sign), inner[1]
    if inner[0] == "matrix":
        matrix, factor = inner, ("num", Fraction(1), 0)
    elif inner[0] == "mul" and sum(part[0] == "matrix" for part in inner[1]) == 1:
        matrix = next(part for part in inner[1] if part[0] == "matrix")
        rest = tuple(part for part in inner[1] if part is not matrix)
        factor = rest[0] if len(rest) == 1 else ("mul", rest)
    elif inner[0] == "div" and inner[1][0] == "matrix":
        matrix, factor = inner[1], ("div", ("num", Fraction(1), 0), inner[2])
    else:
        return node
    if inner is node and inner[0] == "matrix":
        return node
    if factor[0] not in SCALARS or any(part[0] not in SCALARS for row in matrix[1] for part in row):
        return node
    return ("matrix", tuple(tuple(_times(factor, part, sign) for part in row) for row in matrix[1]))


def _times(factor: Node, part: Node, sign: int) -> Node:
    product: Node = ("mul", (factor, part))
    if is_literal(factor) and is_literal(part):
        try:
            value = Evaluator()(product)
        except Undecided:
            value = None
        if isinstance(value, Fraction):
            return ("num", sign * value, 999)
    return product if sign > 0 else ("neg", product)


def _matrices(answer: Node, gold: Node, depth: int):
    if "matrix" not in (answer[0], gold[0]):
        return NotImplemented
    shapes = []
    for node in (answer, gold):
        if node[0] == "matrix":
            shapes.append(node[1])
        elif rows := _data_rows(node):
            shapes.append(rows)
        elif node[0] == "tuple" and len(node[3]) > 1:
            shapes.append(tuple((part,) for part in node[3]))
        else:
            return False
    left, right = shapes
    if answer[0] != gold[0] and not (_data_rows(answer) or _data_rows(gold)):  # a tuple for a column or a row
        right = tuple((part,) for row in right for part in row) if 1 in (len(right), len(right[0])) else right
        left = tuple((part,) for row in left for part in row) if 1 in (len(left), len(left[0])) else left
    if len(left) != len(right) or len(left[0]) != len(right[0]) or len(left) * len(left[0]) > MAX_ITEMS * 4:
        return False
    return (
        _ordered(tuple(part for row in left for part in row), tuple(part for row in right for part in row), depth)
        if len(left) * len(left[0]) <= MAX_ITEMS
        else None
    )


# -- words ------------------------------------------------------------------------------------------------------------


def _choice(text: str) -> tuple[str, str, bool] | None:
    """(letter, the words after it, is the letter set off by a bracket, stop or colon?) of a choice."""
    if len(text) > 300:
        return None
    match = _CHOICE.match(" ".join(text.split()))
    return (match.group(1), word_key(match.group(3)), bool(set(match.group(2)) & set(").:]"))) if match else None


def _choices(answer: str, gold: str) -> bool | None:
    """Letters of a multiple choice: "(B)" for "B"; the letter alone for "(B) 12"; None where the gold is no choice."""
    theirs = _choice(gold)
    if theirs is None:
        return None
    marked = re.search(r"[A-J]\s*[).:\]}]", gold) is not None
    if theirs[1] and not marked:
        return None
    answer = _OPTION.sub("", answer)
    mine = _choice(answer)
    if mine is None:
        return True if marked and theirs[1] and _plain_words(answer) == theirs[1] else None
    if mine[0] != theirs[0]:
        return None
    if not mine[1] or mine[1] == theirs[1]:
        return True
    return True if mine[2] and not theirs[1] else None


def _plain_words(text: str) -> str:
    try:
        words = word_key(clean(text))
    except Unparsed:
        words = word_key(text)
    return _SAME_WORDS.get(words, words)


def _clock(text: str) -> tuple[int, int, str] | None:
    """(hour, minute, "a", "p" or "") of a time of day."""
    if len(text) > 40 or ":" not in text:
        return None
    match = _CLOCK.fullmatch(re.sub(r"\\(?:text|mathrm)\s*\{([^{}]*)\}", r"\1", text).replace("~", " ").replace("$", "").strip(" ."))
    return (int(match[1]), int(match[2]), (match[3] or "").lower()) if match else None


def _words(answer: str, gold: str) -> bool:
    """Word answers: the same words; yes and true, no and false; a sentence that opens with "Yes," for Yes."""
    left, right = _plain_words(answer), _plain_words(gold)
    if left == right:
        return True
    if right in _YES:
        if left in _YES:
            return _YES[left] == _YES[right]
        try:
            opening = clean(answer)[:80]
        except Unparsed:
            opening = answer.strip()[:80]
        head = re.match(
            r"\W*(?:(yes|no|true|false)\b\s*(?:[,.;:!-]|$)|(yes)\s+(?!and\b|or\b|no\b|if\b|but\b)[a-z])", opening, re.IGNORECASE
        )
        if head:
            return _YES[(head.group(1) or head.group(2)).lower()] == _YES[right]
    return False


def compare(answer: str, gold: str) -> tuple[str, str]:
    """Compare two answers; returns (verdict, note).

    verdict is `EQUAL`, `DIFFERENT` or `UNDECIDED`; note says for the undecided whether the answer, the gold or neither could
    be read ("answer", "gold", "both", "").
    """
    if " ".join(gold.lower().split()).strip(" .$") in NO_GOLD:
        return UNDECIDED, "no gold"
    key = string_key(gold)
    golds = readings(gold)
    words_only = bool(golds) and golds[0][0] == "text"
    if key and string_key(answer) == key:
        return EQUAL, ""
    if not string_key(answer):
        return UNDECIDED, "answer"
    choice = _choices(answer, gold)
    if choice:
        return EQUAL, ""
    clocks = _clock(answer), _clock(gold)
    if None not in clocks and (clocks[0][2] or clocks[1][2]):
        same = clocks[0][:2] == clocks[1][:2] and (clocks[0][2] == clocks[1][2] or not clocks[0][2] or not clocks[1][2])
        return (EQUAL if same else DIFFERENT), ""
    answers = readings(answer)
    if words_only or (answers and answers[0][0] == "text" and not golds):
        if any(reading[0] != "text" for reading in answers) and any(reading[0] != "text" for reading in golds):
            pass
        else:
            return (EQUAL, "") if _words(answer, gold) else (DIFFERENT, "")
    undecided = False
    commas = [bool(_COMMA_DECIMAL.fullmatch(text.strip().strip("$"))) for text in (answer, gold)]
    for mine in answers:
        for theirs in golds:
            if all(commas) and mine[0] in SCALARS and theirs[0] in SCALARS:
                continue  # two lists of two: -2,1 is not -2,10
            verdict = nodes_equal(mine, theirs)
            if verdict:
                return EQUAL, ""
            undecided |= verdict is None
    if not golds:
        return UNDECIDED, "both" if not answers else "gold"
    if not answers:
        return UNDECIDED, "answer"
    return (UNDECIDED, "") if undecided else (DIFFERENT, "")
