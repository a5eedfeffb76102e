r"""SymPy's part of the contest's judge; runs in capped workers only (`contest_judge.py`).

The original reads a text with SymPy's LaTeX parser, else with SymPy's expression parser, else with latex2sympy, and takes the
first that does not fail; each has its quirks (the LaTeX parser stops silently where it understands no more). We use the
first as it is. The second ends in Python's `eval`: here its own rewriting is kept and the result is walked, never evaluated.
Of the third, a relative of the first that needs another antlr4, we rebuild what it adds on answers: spaces, leading zeros,
lists, matrices.
"""

from __future__ import annotations

import ast
import builtins
import operator
import re
from collections.abc import Callable
from typing import Any

import antlr4
import sympy
from antlr4.atn import ATNDeserializer as antlr_tables
from sympy.core.function import FunctionClass
from sympy.parsing.sympy_parser import standard_transformations, stringify_expr

from mathrl.evaluation.contest_judge import math_equal, near


def _load_latex_parser() -> Any:
    """SymPy's generated LaTeX parser; its tables are version 4, which the locked antlr4 (4.9, for hydra) cannot read by itself.

    Version 4 has the same numbers in the same order, as they are: without offsets, without an id, with one list of sets.
    """

    class TableReader(antlr_tables.ATNDeserializer):
        __slots__ = ("sets_read",)

        def reset(self, data: list[int]) -> None:
            self.data, self.pos, self.sets_read = data, 0, False  # type: ignore[misc]  # slots of the base, which mypy does not read

        def checkVersion(self) -> None:
            if self.readInt() != 4:
                raise ValueError("the tables of SymPy's LaTeX parser are not version 4")

        def checkUUID(self) -> None:
            self.uuid = antlr_tables.ADDED_UNICODE_SMP  # type: ignore[misc]  # likewise

        def readSets(self, atn: Any, sets: list, read: Callable[[], int]) -> None:
            if not self.sets_read:
                super().readSets(atn, sets, self.readInt)
            self.sets_read = True

    original = antlr4.ATNDeserializer
    if hasattr(antlr_tables, "SERIALIZED_UUID"):
        antlr4.ATNDeserializer = TableReader
    try:
        from sympy.parsing.latex import _parse_latex_antlr as loaded
    finally:
        antlr4.ATNDeserializer = original
    if loaded.LaTeXParser is None:
        raise ImportError("SymPy's LaTeX parser cannot be loaded")
    loaded.version = lambda package: "4.11"  # it asks for the version by name before it parses
    return loaded.parse_latex


parse_latex = _load_latex_parser()


class _Refused(Exception):
    """No expression, or one that is not walked."""


_NAMES = {name: getattr(sympy, name) for name in sympy.__all__} | {
    name: found for name, found in vars(builtins).items() if callable(found) and not isinstance(found, type)
}
_NAMES |= {"max": sympy.Max, "min": sympy.Min}
_MAKERS = (sympy.Symbol, sympy.Integer, sympy.Float, sympy.Rational, sympy.Function)
_CALLABLE = (sympy.sqrt, sympy.cbrt, sympy.root, sympy.Abs, sympy.exp, sympy.ln, abs)
_OPERATIONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitXor: operator.xor,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_CONTAINERS = {ast.Tuple: tuple, ast.List: list, ast.Set: set}


def parse_python(text: str) -> Any:
    """What SymPy's `parse_expr` makes of a text, for the expressions that it makes of numbers, letters and known functions."""
    code = stringify_expr(text, {}, _NAMES, standard_transformations)
    return _walk(ast.parse(code.lstrip(" \t"), mode="eval").body)


def _walk(node: ast.AST) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | complex() | None):
            return node.value
        case ast.Name():
            return _NAMES[node.id]
        case ast.UnaryOp():
            return _OPERATIONS[type(node.op)](_walk(node.operand))
        case ast.BinOp():
            return _OPERATIONS[type(node.op)](_walk(node.left), _walk(node.right))
        case ast.Compare(ops=[operation]):
            return _OPERATIONS[type(operation)](_walk(node.left), _walk(node.comparators[0]))
        case ast.Tuple() | ast.List() | ast.Set():
            return _CONTAINERS[type(node)](_walk(item) for item in node.elts)
        case ast.Call(keywords=[]):
            return _call(node)
    raise _Refused(type(node).__name__)


def _call(node: ast.Call) -> Any:
    """A call: of a maker of atoms on a text, or of a mathematical function on what was walked. Nothing else is called."""
    function = _walk(node.func)
    match node.args:
        case [ast.Constant(value=str() as text)] if function in _MAKERS:
            return function(text)
    arguments = [_walk(argument) for argument in node.args]
    known = isinstance(function, FunctionClass) or any(function is allowed for allowed in (*_MAKERS, *_CALLABLE))
    if not known or not all(isinstance(argument, sympy.Basic | int | float | complex) for argument in arguments):
        raise _Refused("a call")
    return function(*arguments)


_SPACE = re.compile(r"~|\$|\\,|\\q?quad|\\displaystyle")
_LEADING_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
_MATRIX = re.compile(r"(.*?)(?:\\times|\\cdot)?\\begin\{([pb]?matrix)\}(.*)\\end\{\2\}(?:\\\\.*)?")


def parse_loosely(text: str) -> Any:
    """What latex2sympy reads where SymPy's LaTeX parser fails."""
    text = _LEADING_ZEROS.sub("", _SPACE.sub(" ", text)).strip()
    matrix = _MATRIX.fullmatch(text)
    if r"\overline" in text:
        raise _Refused("a bar: to latex2sympy the name of a symbol, to the first parser a conjugate")
    if not matrix and re.fullmatch(r"\{.+,.+\}|\[.+,.+\]", text):
        return [parse_latex(part) for part in text[1:-1].split(",")]
    if not matrix:
        return parse_latex(text)
    rows = [[parse_latex(cell) for cell in row.split("&")] for row in matrix[3].split("\\\\") if row.strip()]
    factor = {"": 1, "-": -1}.get(matrix[1].strip())
    return (parse_latex(matrix[1]) if factor is None else factor) * sympy.Matrix(rows)


def _parse(text: str) -> Any:
    for parser in (parse_latex, parse_python, parse_loosely):
        for form in (text.replace("\\\\", "\\"), text):
            try:
                return parser(form)
            except Exception:
                continue
    return text


def _quietly(test: Callable[[], Any]) -> bool:
    """The original tries one test after the other; a test that fails says nothing."""
    try:
        return bool(test())
    except Exception:
        return False


def _rounded(matrix: Any) -> Any:
    return matrix.applyfunc(lambda cell: round(cell, 3))


def symbolic_equal(left: str, right: str) -> bool:
    """Equal as SymPy reads them: as printed, as expressions, as equations, as numbers within 1e-4, or as rounded matrices."""
    a, b = _parse(left), _parse(right)
    tests = (
        lambda: str(a) == str(b) or a == b,
        lambda: a.equals(b) or sympy.simplify(a - b) == 0,
        lambda: abs(a.lhs - a.rhs).equals(abs(b.lhs - b.rhs)),
        lambda: near(float(sympy.N(a)), float(sympy.N(b))),
        lambda: a.shape == b.shape and _rounded(a).equals(_rounded(b)),
    )
    return any(_quietly(test) for test in tests)


def math_equal_by_algebra(prediction: str, reference: str) -> bool:
    """The verdict on a pair that the text alone does not decide."""
    return math_equal(prediction, reference, symbolic_equal)
