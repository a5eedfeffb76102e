r"""The small parts of an answer: numbers, letters, words, functions, commands, matrices.

`Atoms` reads one factor's worth of tokens; `parser.Parser` puts factors together. The parser works on a bounded number of
tokens and a bounded depth, and it evaluates nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Container
from fractions import Fraction
from typing import TypeVar, TypeVarTuple

from mathrl.grading import nodes as n
from mathrl.grading.latex import Token, Unparsed, word_key
from mathrl.grading.words import TABLES
from mathrl.text.number_words import ONES

MAX_DEPTH = 40
MAX_DIGITS = 1_000
FUNCTIONS, GREEK = frozenset(TABLES["function"]), frozenset(TABLES["greek"])
_OPERATORS = frozenset({"sum", "prod", "int", "iint", "oint", "lim"})
_ACCENTS = frozenset({"bar", "hat", "tilde", "dot", "ddot"})
_ALIAS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_VALUES = {"pi": n.PI, "infty": n.INFINITY, "emptyset": n.Empty(), "ldots": n.DOTS, "bbR": n.Reals()}
_VALUES |= {name: n.Sym(name) for name in ("bbZ", "bbN", "bbQ", "bbC")} | {f"vec{letter}": n.Sym(rf"\vec{letter}") for letter in "ijk"}
MAX_NUMBER_WORD = 12
"""Number words up to this one are read in formulas; larger ones where an answer is a number in words alone (`notation`)."""
_MATRICES = ("pmatrix", "bmatrix", "matrix", "vmatrix", "Bmatrix", "Vmatrix", "array", "smallmatrix", "cases")
_IF = ("if", "for", "when", "where", "otherwise", "else", "as")
_OPENING = ("frac", "binom", "lfloor", "lceil", "begin", "{", "repeating")
OPENS_FACTOR = {"(", "{", "["} | {f"\\{name}" for name in {*_OPENING, *_VALUES, *FUNCTIONS, *_OPERATORS, *GREEK, *_ACCENTS} - {"ldots"}}
"""Operators and commands with which a factor may begin; a bar may too, where none is open."""


A = TypeVar("A", bound="Atoms")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def nested(read: Callable[[A, *Ts], T]) -> Callable[[A, *Ts], T]:
    """A reader that counts the depth; raises `Unparsed` beyond `MAX_DEPTH`."""

    @functools.wraps(read)
    def counted(self: A, *arguments: *Ts) -> T:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unparsed("nested deeper than the budget")
        found = read(self, *arguments)
        self.depth -= 1
        return found

    return counted


def _number(text: str, exponent: int = 0) -> n.Num:
    if len(text) > MAX_DIGITS or abs(exponent) > 400:
        raise Unparsed("a number of more digits than the budget")
    whole, _, decimals = text.partition(".")
    return n.Num(Fraction(int((whole + decimals) or "0"), 10 ** len(decimals)) * Fraction(10) ** exponent, len(decimals) - exponent)


class Atoms:
    """A position in the tokens, and the readers of the smallest parts. `Parser` adds those that are only declared here."""

    items: Callable[[], tuple[list[n.Node], str]]
    relation: Callable[[], n.Node]
    sum: Callable[[], n.Node]
    term: Callable[[], n.Node]
    factor: Callable[[], n.Node]
    starts_factor: Callable[[], bool]
    juxtapose: Callable[[n.Node, n.Node], n.Node]

    def __init__(self, tokens: list[Token]):
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.in_abs = 0

    def peek(self, ahead: int = 0) -> Token:
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else ("end", "")

    def take(self) -> Token:
        self.at += 1
        return self.peek(-1)

    def sees(self, texts: Container[str]) -> bool:
        """Is what comes next one of these operators and commands?"""
        kind, text = self.peek()
        return kind in ("op", "cmd") and text in texts

    def one_of(self, texts: Container[str]) -> str | None:
        """Take an operator or a command if it is one of these."""
        return self.take()[1] if self.sees(texts) else None

    def accept(self, text: str) -> bool:
        """Take an operator or a command if it comes next."""
        return self.one_of((text,)) is not None

    def expect(self, *texts: str) -> str:
        text = self.one_of(texts)
        if text is None:
            raise Unparsed(f"expected {texts[0]}, found {self.peek()[1] or 'the end'}")
        return text

    def split(self, first: int = 1) -> str:
        """Take the first characters of a token and leave the rest."""
        kind, text = self.peek()
        self.tokens[self.at : self.at + 1] = [(kind, text[first:])] if text[first:] else []
        return text[:first]

    def label(self) -> str:
        """The text of a subscript or of a braced name."""
        if not self.accept("{"):
            kind, text = self.peek()
            if kind == "num" and text.isdigit():
                return self.split()
            self.at += 1
            return word_key(text) if kind == "text" else text
        depth, label = 1, ""
        while True:
            kind, text = self.take()
            if kind == "end":
                raise Unparsed("a subscript without an end")
            depth += (kind == "op") * ((text == "{") - (text == "}"))
            if not depth:
                return label
            label += word_key(text) if kind == "text" else text

    def argument(self, signed: bool = False, whole: bool = False) -> n.Node:
        r"""One LaTeX argument: a braced group, or the next token (\frac12, x^2). whole: take all digits of a number."""
        kind, text = self.peek()
        if (kind, text) == ("op", "{"):
            return self.group()
        if kind == "num" and not signed and not whole and "." not in text[1:]:
            return _number(self.split())
        return self.atom()

    def group(self) -> n.Node:
        self.expect("{")
        found, joiner = self.items()
        self.expect("}")
        if not found:
            raise Unparsed("an empty group")
        return found[0] if len(found) == 1 else n.Items(tuple(found), joiner)

    def inside(self) -> tuple[n.Node, ...]:
        """The items in a bracket, in which a bar opens an absolute value again."""
        outer, self.in_abs = self.in_abs, 0
        found, _ = self.items()
        self.in_abs = outer
        return tuple(found)

    def arguments_of_call(self) -> tuple[n.Node, ...] | None:
        """The arguments in brackets of an unknown function; None where what follows is no such thing."""
        mark = self.at
        found = self.inside() if self.accept("(") else ()
        if found and self.accept(")"):
            return found
        self.at = mark
        return None

    @nested
    def atom(self) -> n.Node:
        kind, text = self.take()
        match kind:
            case "num":
                return self.written_number(text)
            case "word":
                return self.word(text)
            case "text" if words := word_key(text):
                return n.Sym(words if len(words) > 1 else text.strip())
            case "op":
                return self.operator(text)
            case "cmd":
                return self.command(text[1:])
        raise Unparsed("the end, where a value was expected")

    def written_number(self, text: str) -> n.Node:
        """Digits, with an exponent of ten behind an e or E (1.2e5, 1.2e-5)."""
        if self.peek()[1] in ("e", "E"):
            signed = self.peek(1)[1] in ("-", "+") and "." in text
            kind, digits = self.peek(1 + signed)
            if kind == "num" and re.fullmatch(r"\d{1,3}", digits):
                sign = -1 if signed and self.peek(1)[1] == "-" else 1
                self.at += 2 + signed
                return _number(text, sign * int(digits))
        return _number(text)

    def operator(self, text: str) -> n.Node:
        match text:
            case "{":
                self.at -= 1
                return self.group()
            case "(" | "[":
                return self.bracket(text)
            case "|":
                return self.absolute("|", "abs")
            case "-":
                return n.Neg(self.factor())
        raise Unparsed(f"unexpected {text}")

    def absolute(self, mark: str, name: str) -> n.Node:
        self.in_abs += 1
        inner = self.sum()
        self.in_abs -= 1
        self.expect(mark)
        return n.Fn(name, (inner,))

    def bracket(self, opening: str) -> n.Node:
        found = self.inside()
        closing = self.expect(")", "]")
        if not found:
            raise Unparsed("empty brackets")
        if len(found) == 1 and opening + closing == "()" and not isinstance(found[0], n.Bracket):
            if not isinstance(found[0], n.Num):
                return found[0]
            return n.Bracket("(", ")", found) if self.peek() == ("op", "_") else n.Paren(found[0])
        if len(found) == 1 and opening + closing == "[]" and (isinstance(found[0], n.Matrix) or self.at < len(self.tokens)):
            return found[0]
        return n.Bracket(opening, closing, found)

    def word(self, text: str) -> n.Node:
        lower = text.lower()
        if text in FUNCTIONS or (lower in FUNCTIONS and len(text) > 2):
            return self.function(lower)
        if lower in ("pi", "infty", "infinity", "inf", "oo"):
            return n.PI if lower == "pi" else n.INFINITY
        if ONES.get(lower, MAX_NUMBER_WORD + 1) <= MAX_NUMBER_WORD:
            return n.Num(Fraction(ONES[lower]))
        if len(text) == 1:
            at_zero = [token[1] for token in self.tokens[self.at : self.at + 3]] == ["(", "0", ")"]  # y(0) is no product
            found = self.arguments_of_call() if text in "fghFGHWO" or at_zero else None
            return n.Sym(text) if found is None else n.Call(text, found)
        split = re.fullmatch(r"([A-Za-z]?)(sin|cos|tan|ln|log|exp|sqrt|pi)([A-Za-z]?)", text)
        if split:
            before, *rest = split.groups()
            self.tokens[self.at : self.at] = [("word", word) for word in rest if word]
            return n.Mul((n.Sym(before), self.factor())) if before else self.factor()
        if len(text) <= 3 and text not in GREEK:
            self.tokens[self.at : self.at] = [("word", letter) for letter in text[1:]]
            return n.Sym(text[0])
        return n.Sym(text)

    def function(self, name: str) -> n.Node:
        name = _ALIAS.get(name, name)
        power = base = None
        while self.peek() in (("op", "^"), ("op", "_")):
            if self.take()[1] == "^":
                power = self.argument(signed=True)
            else:
                base = self.argument()
        args = self.function_arguments(name)
        if not args or (base is not None and name != "log"):
            raise Unparsed("a function of nothing, or with a subscript")
        if power == n.Neg(n.ONE) and name in ("sin", "cos", "tan"):
            return n.Fn("arc" + name, args)
        node = n.Fn(name, args if base is None else (*args, base))
        return node if power is None else n.Pow(node, power)

    def function_arguments(self, name: str) -> tuple[n.Node, ...]:
        for opening, closing in ("()", "[]"):
            if self.accept(opening):
                args = self.inside()
                self.expect(closing)
                return args
        return (self.group() if self.peek() == ("op", "{") else self.bare_argument(name),)

    @nested
    def bare_argument(self, name: str) -> n.Node:
        """What an unbracketed function applies to: the following factors, up to an operator or another function."""
        negative = self.accept("-")
        node = self.factor()
        while self.starts_factor() and name != "sqrt":
            kind, text = self.peek()
            if text.removeprefix("\\") in FUNCTIONS or (kind, text) == ("op", "("):
                break
            node = self.juxtapose(node, self.factor())
        if self.peek() == ("op", "/") and name != "sqrt" and self.peek(1)[0] == "num" and node == n.PI:
            self.at += 1
            node = n.Div(node, self.factor())
        return n.Neg(node) if negative else node

    def command(self, name: str) -> n.Node:
        if name in _VALUES:
            return _VALUES[name]
        if name in FUNCTIONS and name != "sqrt":
            return self.function(name)
        if name in _OPERATORS:
            return self.big_operator(name)
        if name in GREEK:
            return n.Sym(name)
        if name in _ACCENTS:
            return self.accent(name)
        match name:
            case "frac":
                return n.Div(self.argument(), self.argument())
            case "sqrt":
                return self.root()
            case "binom":
                return n.Fn("binom", (self.argument(), self.argument()))
            case "{":
                return self.braces()
            case "begin":
                return self.environment()
        return self.rare_command(name)

    def rare_command(self, name: str) -> n.Node:
        match name:
            case "repeating":
                match self.argument(whole=True), self.argument(whole=True):
                    case n.Num(value=top), n.Num(value=bottom):
                        return n.Num(top / bottom, None)
            case "lfloor" | "lceil":
                inner = self.sum()
                self.expect(rf"\r{name[1:]}")
                return n.Fn(name[1:], (inner,))
            case "|":
                return self.absolute(r"\|", "norm")
        raise Unparsed(f"the command {name}")

    def root(self) -> n.Node:
        degree = None
        if self.accept("["):
            degree = self.sum()
            self.expect("]")
        inner = self.argument(whole=True)  # nobody writes \sqrt13 for 3
        return n.Fn("sqrt", (inner,)) if degree is None else n.Fn("root", (inner, degree))

    def accent(self, name: str) -> n.Node:
        r"""\bar z is another variable than z; \overline{AB} is the segment AB."""
        label = self.label()
        return n.Mul(tuple(map(n.Sym, label))) if name == "bar" and re.fullmatch(r"[A-Z]{2,3}", label) else n.Sym(f"{name} {label}")

    def big_operator(self, name: str) -> n.Node:
        bounds = []
        while self.peek() in (("op", "_"), ("op", "^")):
            bounds.append((self.take()[1], self.argument(signed=True, whole=True)))
        body = self.sum() if "int" in name else self.term()
        return n.BigOp(name, tuple(sorted(bounds, key=lambda bound: bound[0])), body)

    def braces(self) -> n.Node:
        built = self.set_builder()
        if built is not None:
            return built
        found, _ = self.items()
        self.expect(r"\}")
        return n.Braces(tuple(found)) if found else n.Empty()

    def set_builder(self) -> n.Node | None:
        r"""What follows the opening brace of \{x \mid x > 0\}: its conditions on x, or a `Builder`; None where it is no such set."""
        saved = self.at, self.depth, self.in_abs, list(self.tokens)
        self.in_abs = 1  # so that the bar does not open an absolute value
        try:
            element = self.relation()
            self.expect("|")
            self.in_abs = 0
            conditions, joiner = self.items()
            self.expect(r"\}")
            self.in_abs = saved[2]
            if conditions and isinstance(element, n.Rel | n.Sym):
                parts = [*([element] if isinstance(element, n.Rel) else []), *conditions]
                return parts[0] if len(parts) == 1 else n.Items(tuple(parts), "or" if joiner == "or" else "and")
            if conditions:
                return n.Builder(element, tuple(conditions))
        except Unparsed:
            pass
        self.at, self.depth, self.in_abs, self.tokens = saved
        return None

    def environment(self) -> n.Node:
        name = self.label() if self.peek() == ("op", "{") else ""
        if name.rstrip("*") not in _MATRICES:
            raise Unparsed(f"the environment {name}")
        if name == "array" and self.peek() == ("op", "{"):
            self.label()
        rows = self.rows()
        if not rows or len({len(line) for line in rows}) != 1:
            raise Unparsed("a matrix of uneven rows")
        if name == "cases" or (len(rows[0]) == 2 and all(isinstance(row[1], n.Rel | n.Text) for row in rows)):
            return n.Piecewise(rows)
        return n.Fn("det", (n.Matrix(rows),)) if name == "vmatrix" else n.Matrix(rows)

    def rows(self) -> tuple[tuple[n.Node, ...], ...]:
        rows: list[tuple[n.Node, ...]] = [()]
        while True:
            kind, text = self.peek()
            if kind == "end":
                raise Unparsed("a matrix without an end")
            if text in ("\\\\", r"\end", r"\hline", "&", ",", "."):
                self.at += 1
                rows += [()] if text == "\\\\" else []
                if text == r"\end":
                    self.label()
                    return tuple(filter(None, rows))
            else:
                rows[-1] += (self.cell(kind, text),)

    def cell(self, kind: str, text: str) -> n.Node:
        words = word_key(text)
        if kind in ("text", "word") and words.split(" ")[0] in _IF:
            self.at += 1
            if self.peek()[1] in ("&", "\\\\", r"\end", "", "."):
                return n.Text("otherwise" if words == "else" else words)
            return self.cell(*self.peek())
        return self.relation()
