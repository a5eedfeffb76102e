r"""The problem as part of the judgement: what may be left out, and what was only copied.

A formula of the problem is no answer to it. An answer that is equal to the gold does not pass if it, or a part of it, stands
in the problem, is by itself equal to the gold or to a part of it, and the gold is written otherwise. How it is written: up to
the order of terms and factors, brackets, and products with one. Numbers of the gold's own form (18, $18, 18.0) pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import chain, islice, product

from mathrl.grading import nodes as n
from mathrl.grading.choices import same_choice, same_words
from mathrl.grading.compare import Comparison
from mathrl.grading.conditions import assignment
from mathrl.grading.expressions import canonical
from mathrl.grading.latex import string_key
from mathrl.grading.numbers import How, is_finished
from mathrl.grading.readings import readings
from mathrl.grading.value import close, constant
from mathrl.grading.words import TABLES

MAX_PROBLEM_CHARS = 6_000
"""So much of a problem is read, from its end (where the question stands)."""
MAX_FORMULAS = 60
_SETS_OFF = re.compile(
    r"\\(?:[^A-Za-z{}]|(?:text(?:bf|it|rm|sf|sc|sl|tt|md|up|normal)?|mathrm|[mh]box|operatorname\*?|newline|"
    + "|".join(command.removeprefix("\\") for command, same in TABLES["command"].items() if not same)
    + r")(?![A-Za-z]))"
)
"""Commands for fonts, sizes and spaces, and the stroke of an escaped mark."""
MIN_COPIED_WORDS = 5
"""So many words around a number are a piece of the problem's text, and no unit or name of a thing."""
ROUNDED_GOLDS = frozenset({"minerva_math"})
"""Benchmarks whose decimal golds are rounded results of a calculation, so that a more precise answer passes."""

_FORMULA = re.compile(
    r"\$\$(.+?)\$\$|(?<!\\)\$(.+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]|\\begin\{align\*?\}(.+?)\\end\{align\*?\}", re.DOTALL
)
_SPLIT = re.compile(
    r"\\\\|\\q?quad|\\text\s*\{[^{}]*\}|\\(?:mbox|textrm)\s*\{[^{}]*\}|;|&|(?<=[^\d]),(?=\s)|\\left\\\{|\\begin\{[a-z]*\*?\}|\\end\{[a-z]*\*?\}"
)
_PLAIN = re.compile(r"\d+ \d+/\d+|[-(\[\\]*[\dA-Za-z\\√(][^\s,;:?!。，？]*(?:\s*[-+*/=<>^]\s*[^\s,;:?!。，？]+)+|[-(]*\d[\d./]*%?\)*")
_SPEAKS_OF = {
    "percent": re.compile(r"%|percent|per cent|百分"),
    "interval": re.compile(r"\bintervals?\b|\brange of|\bdomain\b|\binequalit"),
    "degrees": re.compile(r"\\circ|°|degree|angle|\\ang|∠|度|角|rotat|latitude|longitude|arc|polar|phase|argument"),
}


@lru_cache(maxsize=1024)
def how_to_compare(problem: str | None, benchmark: str = "") -> How:
    """What a problem and its benchmark say about the comparison of answers."""
    how = How(rounded=benchmark in ROUNDED_GOLDS)
    if not problem:
        return how
    text = problem[-MAX_PROBLEM_CHARS:].lower()
    found = {name: bool(pattern.search(text)) for name, pattern in _SPEAKS_OF.items()}
    return replace(how, **found, problem=text)


@lru_cache(maxsize=512)
def _formulas(problem: str, fold: bool = False) -> frozenset[n.Node]:
    """All trees, and parts of trees, that stand in a problem, in canonical writing; fold: with their numbers worked out."""
    found: set[n.Node] = set()
    for text in _texts(problem[-MAX_PROBLEM_CHARS:]):
        for reading in readings(text)[:2]:
            if not isinstance(reading, n.Text):
                found.update(n.walk(canonical(reading, fold)))
    return frozenset(found)


def _texts(problem: str) -> Iterator[str]:
    for match in islice(_FORMULA.finditer(problem), MAX_FORMULAS):
        formula = next(filter(None, match.groups()))
        pieces = [piece for piece in _SPLIT.split(formula) if piece and piece.strip()]
        yield from dict.fromkeys((formula, *pieces, *(side for piece in pieces for side in piece.split("="))))
    for match in _PLAIN.findall(_FORMULA.sub(" ", problem))[:MAX_FORMULAS]:
        yield match.strip(".,")


def _flat(text: str) -> str:
    """The text without spaces and sizes: how a copy looks that no parser reads."""
    return re.sub(
        r"\\(?:left|right|displaystyle|,|;|!|:|\s)|[\s${}]|\\[()\[\]]", "", text.replace("dfrac", "frac").replace("tfrac", "frac")
    )


def _bare(node: n.Node) -> n.Node:
    """The value of an assignment, without unit, sign marks and brackets."""
    pair = assignment(node)
    node = pair[1] if pair else node
    while isinstance(node, n.Paren | n.Quantity | n.Percent | n.Degrees):
        node = node.inner
    return node


def _form(node: n.Node) -> str:
    _, node = n.signed(node)
    if isinstance(node, n.Num):
        return "mixed" if node.places is None else "decimal"
    return "fraction" if isinstance(node, n.Div) else "scaled" if isinstance(node, n.Mul) else type(node).__name__


def _is_alike(answer: n.Node, gold: n.Node) -> bool:
    """Two finished numbers of one form: both in digits, or both mixed. A percent sign beside the digits does not count."""
    mine, theirs = _bare(answer), _bare(gold)
    if not (is_finished(mine) and is_finished(theirs)) or _form(mine) != _form(theirs) or _form(mine) == "fraction":
        return False
    left, right = constant(mine), constant(theirs)
    return left is not None and right is not None and close(left, right)


def _is_trivial(node: n.Node) -> bool:
    bare = node.inner if isinstance(node, n.Neg) else node
    return isinstance(bare, n.Text) or (isinstance(bare, n.Sym) and bare.name not in n.CONSTANTS)


def _parts(node: n.Node) -> Iterator[n.Node]:
    """A gold and the parts that an answer may be compared with."""
    yield node
    match node:
        case n.Items(items=items) | n.Braces(items=items) | n.Bracket(items=items) | n.Rel(terms=items):
            yield from items


def is_sentence(answer: str, gold: str, problem: str) -> bool:
    """Is an answer a piece of the problem's own words, in which the right number happens to stand, and the gold no such piece?

    Capitals, marks and what only sets text off make no other piece of it, in whichever of the two it stands.
    """
    plain = _SETS_OFF.sub(" ", answer)
    if len(re.findall(r"[^\W\d_]{2,}", plain)) < MIN_COPIED_WORDS or "\\" in plain or string_key(answer) == string_key(gold):
        return False
    if _count(plain) == _count(gold) > 1:
        return False  # a list of words that the problem names
    return _letters_of(plain) in _letters_of(_SETS_OFF.sub(" ", problem[-MAX_PROBLEM_CHARS:])) and not _is_chosen(plain, gold)


def _count(text: str) -> int:
    """Parts of a list."""
    return len(re.split(r",|;|\band\b", text))


def _letters_of(text: str) -> str:
    """Its letters and digits alone, in lower case."""
    return re.sub(r"[\W_]", "", text).lower()


def _is_chosen(answer: str, gold: str) -> bool:
    """Is the gold one of the problem's choices, or words of it, as the answer says? Whoever is asked for those has to repeat them.

    A choice that is a formula is not: it may have been taken for one.
    """
    return "\\" not in answer and (same_choice(answer, gold) is True or same_words(answer, gold))


def is_copied(answer: str, gold: str, problem: str, how: How) -> bool:
    """Is an answer that is equal to the gold only a formula of the problem, written otherwise than the gold?"""
    if string_key(answer) == string_key(gold):
        return False
    golds = readings(gold)[:2]
    answers = readings(answer)[:2]
    written = {canonical(node) for node in golds}
    if any(canonical(node) in written for node in answers) or any(_is_alike(a, g) for a in answers for g in golds):
        return False
    if not answers or not golds:
        return len(_flat(answer)) > 3 and _flat(answer) in _flat(problem[-MAX_PROBLEM_CHARS:]) and not _is_chosen(answer, gold)
    mine, theirs = answers[0], golds[0]
    if _is_division_left(mine, theirs, problem) or _is_rewritten(mine, theirs, problem, how):
        return True
    kept = {part for node in written for part in n.walk(node)}
    same = Comparison(how).same
    for node, fold in product(answers, (False, True)):
        formulas = _formulas(problem, fold)
        for part in chain(n.walk(node), n.walk(canonical(node, fold))):
            key = canonical(part, fold)
            if key in kept or _is_trivial(key) or key not in formulas or (fold and isinstance(key, n.Num)):
                continue
            if any(same(part, other) and not _is_alike(part, other) for theirs in golds for other in _parts(theirs)):
                return True
    return False


# Not a price that is reduced, a pizza that is divided into slices, nor a company that expands.
_REDUCE = re.compile(
    r"\b(?:lowest terms|simplest (?:form|terms|fraction)|(?:simplified|reduced) fraction|reduce|simplify|divide [^.?]{1,40}? by|"
    r"\d\W{0,3}divided by)\b",
    re.IGNORECASE,
)
_EXPAND = re.compile(r"\b(?:expand|expanded form|expansion|multiply [^.?]{0,40}?out)\b", re.IGNORECASE)


def _is_division_left(answer: n.Node, gold: n.Node, problem: str) -> bool:
    """Two numbers of the problem as a fraction that is still to be divided: 12/4, where 12 apples cost 4 dollars.

    2 of 8 slices as 2/8 are an answer, where the gold is a part of one itself and nobody asks for lowest terms. A number over
    minus one is one as well: 2/-1 for -2.
    """
    fraction, wanted = n.signed(_bare(answer))[1], n.signed(_bare(gold))[1]
    if not isinstance(fraction, n.Div):
        return False
    if isinstance(wanted, n.Div) and isinstance(value := constant(wanted), Fraction) and abs(value) < 1 and not _REDUCE.search(problem):
        return False
    match n.signed(fraction.top)[1], fraction.bottom:
        case n.Num(), n.Neg(inner=n.Num(value=1)):
            return True
    match n.signed(fraction.top)[1], n.signed(fraction.bottom)[1]:
        case n.Num(value=top), n.Num(value=bottom) if bottom not in (0, 1, (top / bottom).denominator):
            return {top, bottom} <= set(map(Fraction, re.findall(r"\d+(?:\.\d+)?", problem[-MAX_PROBLEM_CHARS:])))
    return False


def _is_rewritten(answer: n.Node, gold: n.Node, problem: str, how: How) -> bool:
    """Where the task is to work out a formula of the problem: is the answer that formula in another dress, with work still to be done?"""
    answer, gold = canonical(_bare(answer)), canonical(_bare(gold))
    if not (isinstance(answer, n.Scalar) and isinstance(gold, n.Scalar) and _does_less(answer, gold)):
        return False
    if gold in _formulas(problem):
        return False
    tasks = [found for found in _formulas(problem) if n.symbols(found) == n.symbols(gold) and _does_less(found, gold)]
    return any(_adds_nothing(answer, task, gold, problem) and Comparison(how).same(task, gold) for task in tasks)


def _adds_nothing(answer: n.Node, task: n.Node, gold: n.Node, problem: str) -> bool:
    """Is an answer that does less than the gold no further than the problem's formula?

    A formula that is to be factored is as it was until the factors stand there; in others each bracket, division or root that is
    worked out counts, and what is shorter. One that is to be expanded is not, as long as a bracket is left.
    """
    if _EXPAND.search(problem) and any(map(_is_bracket_left, n.walk(answer))):
        return True
    if _wanted_factors(gold) > 1 and (not _tasks(task) or "factor" in problem.lower()):
        return True
    return _tasks(answer) >= _tasks(task) and _leaves(answer) >= _leaves(task)


def _is_bracket_left(part: n.Node) -> bool:
    return (isinstance(part, n.Mul) and any(isinstance(factor, n.Add) for factor in part.items)) or (
        isinstance(part, n.Pow) and isinstance(part.base, n.Add)
    )


def _tasks(node: n.Node) -> int:
    return sum(map(_is_task, n.walk(node)))


def _leaves(node: n.Node) -> int:
    """Letters and numbers, without exponents."""
    exponents = sum(isinstance(part, n.Pow) and isinstance(n.signed(part.exponent)[1], n.Num) for part in n.walk(node))
    return sum(isinstance(part, n.Num | n.Sym) for part in n.walk(node)) - exponents


def _wanted_factors(gold: n.Node) -> int:
    """The factors of a gold that is a product of brackets."""
    factored = isinstance(n.signed(gold)[1], n.Mul | n.Pow) and any(isinstance(part, n.Add) for part in n.walk(gold))
    return abs(_factors(gold)) if factored else 0


def _does_less(node: n.Node, gold: n.Node) -> bool:
    """Is a writing less worked out than the gold: fewer factors than a product, or more parts that are still to be worked out?"""
    wanted = _wanted_factors(gold)
    return abs(_factors(node)) < wanted if wanted > 1 else _tasks(node) > _tasks(gold)


def _factors(node: n.Node) -> int:
    """Factors that hold letters, each as often as it stands there, those of a divisor subtracted."""
    match node:
        case n.Neg(inner=inner) | n.Quantity(inner=inner):
            return _factors(inner)
        case n.Mul(items=items):
            return sum(map(_factors, items))
        case n.Pow(base=base, exponent=n.Num(value=Fraction(numerator=times, denominator=1))):
            return times * _factors(base)
        case n.Div(top=top, bottom=bottom):
            return _factors(top) - _factors(bottom)
    return 1 if n.symbols(node) else 0


def _letters(node: n.Node) -> list[n.Node]:
    """The letters that are factors, and those of which powers are."""
    factors = node.items if isinstance(node, n.Mul) else (node,)
    bases = [factor.base if isinstance(factor, n.Pow) else factor for factor in factors]
    return [base for base in bases if isinstance(base, n.Sym)]


def _is_task(part: n.Node) -> int:
    """Brackets to be multiplied out, letters to be divided by and to be collected, a fraction to be reduced, a square in a root."""
    match part:
        case n.Mul(items=items):
            brackets = [factor for factor in items if isinstance(factor, n.Add)]
            return bool(brackets) + (len(set(brackets)) < len(brackets)) + (len(set(_letters(part))) < len(_letters(part)))
        case n.Pow(base=n.Add(), exponent=n.Num(value=times)) if times > 1:
            return True
        case n.Pow(base=base, exponent=n.Neg() | n.Num() as power) if isinstance(power, n.Neg) or power.value < 0:
            return bool(n.symbols(base))
        case n.Div(top=n.Num(value=top), bottom=n.Num(value=bottom)):
            return bottom != 0 and (top / bottom).denominator != bottom
        case n.Div(top=top, bottom=bottom):
            return bool(n.symbols(bottom)) + (not set(_letters(top)).isdisjoint(_letters(bottom)))
        case n.Fn(name="sqrt", args=(inner,)) if not n.symbols(inner):
            return not (isinstance(inner, n.Num) and all(inner.value % (k * k) for k in range(2, 40)))
    return False
