"""Equality accuracy: of the equalities between numbers that a response writes down, the share that is true.

A cheap process metric, named for what it is: it sees `3 * 4 = 12`, not reasoning. Only plain arithmetic is checked (digits,
+ − × ÷ ^, fractions, brackets, percent); everything else is left out of the count and shows in the coverage. Each equality
counts once, however often a response repeats it. Numbers are exact fractions with a budget; nothing from a response is
evaluated as code.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from mathrl.text.reasoning_steps import reasoning_steps

MAX_SIDE = 120  # characters of one side
MAX_BITS = 4096  # size of any intermediate number
MAX_POWER = 512
MAX_EQUALITIES = 200  # per response: a loop of repeated lines must not cost time

_CLEAN: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(r"(?<=\d)\s*(?=\\[dt]?frac)"), "¿"),  # 2½ or 2 × ½: not decided here
    (re.compile(r"^\s*\d+[.)]\s+(?=\S)"), ""),
    (re.compile(r"(?<=\d)\s*x\s*(?=\d)"), "*"),
    (re.compile(r"<<[^<>]*>>"), ""),
    (re.compile(r"\\[()\[\]]"), " "),
    (re.compile(r"\\(?:left|right|displaystyle|,|;|:|!| )"), " "),
    (re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])|[×·∙]"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])|÷"), "/"),
    (re.compile(r"[−–]"), "-"),
    (re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)"), r"((\1)/(\2))"),
    (re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s*\{[^{}]*\}"), " "),
    (re.compile(r"=\s*\\boxed\s*\{([^{}]*)\}"), r"= \1"),
    (re.compile(r"\\boxed(?![a-zA-Z])"), ";"),
    (re.compile(r"\\[%$]"), lambda found: found.group()[1:]),
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), ""),
    (re.compile(r"[$£€]"), ""),
]
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_BEFORE = re.compile(r"(?:[\d+\-*/^()%\s]|\.(?=\d))*$")  # the arithmetic at the end of what stands left of a sign
_AFTER = re.compile(r"(?:[\d+\-*/^()%\s]|\.(?=\d))*")  # … and at the start of what stands right of it
_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+|\*\*|[+\-*/^()%])")


class _NotArithmetic(Exception):
    """This side is no plain arithmetic, or too large to be worth it."""


@dataclass(frozen=True)
class StepCheck:
    """One reasoning step: `checked` equalities that stand in it for the first time in the response, and `true` ones of them."""

    checked: int
    true: int
    first_wrong: str | None = None


@dataclass(frozen=True)
class EqualityCheck:
    """`checked` different equalities of a response, `true` ones, the text of the first wrong one, and all that step by step."""

    checked: int = 0
    true: int = 0
    first_wrong: str | None = None
    steps: tuple[StepCheck, ...] = field(default=(), repr=False)

    @property
    def wrong_step(self) -> int | None:
        """Number (from 0) of the first reasoning step with a false equality."""
        return next((place for place, step in enumerate(self.steps) if step.true < step.checked), None)


def check_equalities(response: str) -> EqualityCheck:
    """Check every equality between two pieces of plain arithmetic in `response`; `a = b = c` counts as a = b and b = c.

    Not counted: a bare number on both sides (`12 = 12`), twice the same text (`2 + 3 = 2 + 3`), what was written before. A
    result that is written with d decimals is true if the exact one rounds to it; with two decimals or more it may also be cut off.
    """
    return check_steps(reasoning_steps(response))


def check_steps(steps: list[str]) -> EqualityCheck:
    """The same of a response that is cut into its steps already."""
    seen: set[tuple[str, str]] = set()
    checks: list[StepCheck] = []
    for step in steps:
        found = StepCheck(0, 0)
        if "=" in step and len(seen) < MAX_EQUALITIES:
            found = _check_step(step, seen)
        checks.append(found)
    wrong = next((check.first_wrong for check in checks if check.first_wrong), None)
    return EqualityCheck(sum(check.checked for check in checks), sum(check.true for check in checks), wrong, tuple(checks))


def _check_step(step: str, seen: set[tuple[str, str]]) -> StepCheck:
    """One step's equalities that are not `seen` yet; they are added there."""
    checked = true = 0
    wrong = None
    for left, right in _equalities(step):
        key = (re.sub(r"\s", "", left), re.sub(r"\s", "", right))
        if key in seen or key[0] == key[1]:
            continue
        verdict = _holds(left, right)
        if verdict is None:
            continue
        seen.add(key)
        checked += 1
        true += verdict
        if not verdict and wrong is None:
            wrong = re.sub(r"\(\((\d+)\)/\((\d+)\)\)", r"\1/\2", f"{left} = {right}")
        if len(seen) >= MAX_EQUALITIES:
            break
    return StepCheck(checked, true, wrong)


def _equalities(step: str) -> Iterator[tuple[str, str]]:
    """Both sides of each equality sign of a step that has arithmetic on both. Rows of a display that begin with `=` go on."""
    text = re.sub(r"\\\\(?:\[[^\]]{0,10}\])?|\n", "\n", step[:4000].replace("&", " "))
    text = re.sub(r"\s*\n\s*(?==)", " ", text)
    for line in text.split("\n"):
        parts = _plain(line).replace("==", "=").split("=")
        for before, after in itertools.pairwise(parts):
            left, right = _left_side(before), _right_side(after)
            if left and right:
                yield left, right


def _left_side(text: str) -> str | None:
    """The arithmetic that ends `text`, or None where it is only the tail of an expression with letters (`x + 3`)."""
    found = _BEFORE.search(text)
    assert found is not None  # it matches the empty text, too
    side, rest = found.group(), text[: found.start()]
    if side.count(")") > side.count("("):  # the end of P(X=4) or (2,6,3)
        return None
    if rest:
        if not side[:1].isspace() and (rest[-1].isalnum() or rest[-1] in "_\\{}^<>!:≠≤≥¿"):
            return None
        side = side.strip()
        if side[:1] in ("+", "*", "/", "^", ")", "%"):
            return None
        word = re.search(r"[A-Za-z}\]]+\s*$", rest)
        if side.startswith("-") and (not re.match(r"-[\d(.]", side) or (word and len(word.group().strip()) == 1)):
            return None
    return _trim(side) or None


def _right_side(text: str) -> str | None:
    """The arithmetic that begins `text`, or None where it goes on with letters (`7x`, `3 + y`)."""
    found = _AFTER.match(text)
    assert found is not None  # it matches the empty text, too
    side, rest = found.group(), text[found.end() :]
    if side.endswith("(") and rest:  # a remark in brackets
        side, rest = side[:-1], "(" + rest
    if rest:
        if not side[-1:].isspace() and (rest[0].isalpha() or rest[0] in "_\\{^(¿"):
            return None
        if re.match(r"(?!a\b)[A-Za-z](?![A-Za-z])|\\(?:sqrt|pi|sin|cos|log|ln)", rest):
            return None
        if side.rstrip()[-1:] in ("+", "-", "*", "/", "^") or side.count("(") > side.count(")"):
            return None
    return _trim(side) or None


def _plain(line: str) -> str:
    """The line with LaTeX arithmetic in plain signs, without list numbers, thousands separators and currency."""
    for pattern, replacement in _CLEAN:
        line = pattern.sub(replacement, line)
    for _ in range(4):
        line, found = _FRACTION.subn(r"((\1)/(\2))", line)
        if not found:
            break
    return re.sub(r"\^\s*\{([^{}]*)\}", r"^(\1)", line)


def _holds(left: str, right: str) -> bool | None:
    """Is left = right? None where a side is no arithmetic or no side has an operation."""
    if len(left) > MAX_SIDE or len(right) > MAX_SIDE:
        return None
    if not (_has_operation(left) or _has_operation(right)):
        return None
    try:
        first, second = evaluate(left), evaluate(right)
    except _NotArithmetic:
        return None
    return first == second or _written_short(left, first, second) or _written_short(right, second, first)


def _trim(side: str) -> str:
    """Drop the full stop that ends a sentence and brackets without a partner at the rim."""
    side = side.strip().rstrip(".").strip()
    while side.startswith("(") and side.count("(") > side.count(")"):
        side = side[1:].strip()
    while side.endswith(")") and side.count(")") > side.count("("):
        side = side[:-1].strip()
    return side


def _has_operation(side: str) -> bool:
    return re.search(r"[+*/^%]|(?<=[\d)])\s*-", side) is not None


def _written_short(side: str, written: Fraction, exact: Fraction) -> bool:
    """Is this side a bare decimal number, and the exact value rounded to its last place, or cut off there?"""
    found = re.fullmatch(r"-?\s*\d*(?:\.(\d+))?\s*(%?)", side)
    if not found or not (found[1] or found[2]):
        return False
    decimals = len(found[1] or "") + (2 if found[2] else 0)
    unit = Fraction(1, 10**decimals)
    cut = decimals >= 2 and written * exact >= 0 and 0 <= abs(exact) - abs(written) < unit
    return cut or 2 * abs(exact - written) <= unit


def evaluate(text: str) -> Fraction:
    """Exact value of plain arithmetic; raises `_NotArithmetic` for anything else or beyond the budget."""
    tokens, place = [], 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if not found:
            if text[place:].strip():
                raise _NotArithmetic
            break
        tokens.append("^" if found.group(1) == "**" else found.group(1))
        place = found.end()
    parser = _Parser(tokens)
    value = parser.sum(0)
    if parser.place != len(tokens):
        raise _NotArithmetic
    return value


class _Parser:
    """Recursive descent over at most MAX_SIDE tokens."""

    def __init__(self, tokens: list[str]):
        self.tokens = tokens
        self.place = 0

    def peek(self) -> str | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self) -> str:
        token = self.peek()
        if token is None:
            raise _NotArithmetic
        self.place += 1
        return token

    def sum(self, depth: int) -> Fraction:
        if depth > 30:
            raise _NotArithmetic
        value = self.product(depth)
        while self.peek() in ("+", "-"):
            sign = self.take()
            other = self.product(depth)
            value = _small(value + other if sign == "+" else value - other)
        return value

    def product(self, depth: int) -> Fraction:
        value = self.signed(depth)
        while self.peek() in ("*", "/", "("):
            sign = self.peek()
            if sign != "(":  # (3)(4) and 3(4) multiply
                self.take()
            other = self.signed(depth)
            if sign == "/":
                if other == 0:
                    raise _NotArithmetic
                value = _small(value / other)
            else:
                value = _small(value * other)
        return value

    def signed(self, depth: int) -> Fraction:
        if self.peek() in ("+", "-"):
            if depth > 30:
                raise _NotArithmetic
            sign = -1 if self.take() == "-" else 1
            return sign * self.signed(depth + 1)
        return self.power(depth)

    def power(self, depth: int) -> Fraction:
        base = self.atom(depth)
        if self.peek() != "^":
            return base
        self.take()
        exponent = self.signed(depth + 1)
        if exponent.denominator != 1 or abs(exponent) > MAX_POWER or (base == 0 and exponent < 0):
            raise _NotArithmetic
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits * abs(int(exponent)) > MAX_BITS:
            raise _NotArithmetic
        return base ** int(exponent)

    def atom(self, depth: int) -> Fraction:
        token = self.take()
        if token == "(":
            value = self.sum(depth + 1)
            if self.take() != ")":
                raise _NotArithmetic
        elif token[0].isdigit() or token[0] == ".":
            value = Fraction(token)
        else:
            raise _NotArithmetic
        while self.peek() == "%":
            self.take()
            value /= 100
        return value


def _small(value: Fraction) -> Fraction:
    if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
        raise _NotArithmetic
    return value
