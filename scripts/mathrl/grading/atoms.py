r"""The small parts of an answer: numbers, letters, words, functions, commands, matrices.

`Atoms` reads one factor's worth of tokens; `parser.Parser` puts factors together. The parser works on a bounded number of
tokens and a bounded depth, and it evaluates nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from mathrl.grading.latex import Token, Unparsed, word_key
from mathrl.grading.nodes import (
    DOTS, INFINITY, ONE, PI, BigOp, Bracket, Braces, Builder, Call, Div, Empty, Fn, Items, Matrix, Mul, Neg, Node, Num, Paren,
    Piecewise, PlusMinus, Pow, Reals, Rel, Sym, Text,
)  # fmt: skip

MAX_DEPTH = 40
MAX_DIGITS = 1_000
FUNCTIONS = frozenset(
    (  # noqa: SIM905
        "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth ln log exp sqrt abs det gcd lcm max min arg asin acos atan"
    ).split()
)
_ALIAS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "ctg": "cot", "tg": "tan"}
GREEK = frozenset(
    (  # noqa: SIM905
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega "
        "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar Re Im aleph nabla partial"
    ).split()
)
OPERATORS = frozenset({"sum", "prod", "int", "iint", "oint", "lim"})
ACCENTS = frozenset({"bar", "hat", "tilde", "dot", "ddot"})
_SETS = {"bbR": Reals(), "bbZ": Sym("bbZ"), "bbN": Sym("bbN"), "bbQ": Sym("bbQ"), "bbC": Sym("bbC")}
_VALUES = {"pi": PI, "infty": INFINITY, "emptyset": Empty(), "ldots": DOTS} | _SETS | {f"vec{x}": Sym(rf"\vec{x}") for x in "ijk"}
_NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
_MATRICES = ("pmatrix", "bmatrix", "matrix", "vmatrix", "Bmatrix", "Vmatrix", "array", "smallmatrix", "cases")
_IF = ("if", "for", "when", "where", "otherwise", "else", "as")
OPENS_FACTOR = frozenset({r"\frac", r"\binom", r"\lfloor", r"\lceil", r"\|", r"\begin", r"\{", r"\repeating", r"\angle", r"\triangle"}) | {
    f"\\{name}" for name in (*_VALUES, *FUNCTIONS, *OPERATORS, *GREEK, *ACCENTS) if name != "ldots"
}
"""Commands with which a factor may begin."""


def number(text: str) -> Num:
    """A written number; raises `Unparsed` beyond `MAX_DIGITS`."""
    if len(text) > MAX_DIGITS:
        raise Unparsed("a number of more digits than the budget")
    whole, _, decimals = text.partition(".")
    return Num(Fraction(int((whole + decimals) or "0"), 10 ** len(decimals)), len(decimals))


def _scaled(written: Num, exponent: int) -> Num:
    if abs(exponent) > 400:
        raise Unparsed("an exponent beyond the budget")
    return Num(written.value * Fraction(10) ** exponent, (written.places or 0) - exponent)


class Atoms:
    """A position in the tokens, and the readers of the smallest parts."""

    items: Callable[[], tuple[list[Node], str]]
    relation: Callable[[], Node]
    sum: Callable[[], Node]
    term: Callable[[], Node]
    factor: Callable[[], Node]
    starts_factor: Callable[[], bool]
    juxtapose: Callable[[Node, Node], Node]

    def __init__(self, tokens: list[Token]):
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.in_abs = 0

    # -- tokens -------------------------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token:
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else ("end", "")

    def take(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def accept(self, *texts: str) -> bool:
        kind, text = self.peek()
        if text in texts and kind in ("op", "cmd"):
            self.at += 1
            return True
        return False

    def expect(self, *texts: str) -> str:
        kind, text = self.peek()
        if kind not in ("op", "cmd") or text not in texts:
            raise Unparsed(f"expected {texts[0]}, found {text or 'the end'}")
        self.at += 1
        return text

    def descend(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unparsed("nested deeper than the budget")

    def put_back(self, *words: str) -> None:
        """Put words in front of the remaining tokens."""
        self.tokens[self.at : self.at] = [("word", word) for word in words if word]

    # -- arguments ----------------------------------------------------------------------------------------------

    def label(self) -> str:
        """The text of a subscript or of a braced name."""
        if not self.accept("{"):
            kind, text = self.peek()
            if kind == "num" and len(text) > 1 and text.isdigit():
                self.tokens[self.at] = (kind, text[1:])
                return text[0]
            self.at += 1
            return word_key(text) if kind == "text" else text
        depth, parts = 1, []
        while True:
            kind, text = self.take()
            if kind == "end":
                raise Unparsed("a subscript without an end")
            if kind == "op" and text in "{}":
                depth += 1 if text == "{" else -1
                if not depth:
                    return "".join(parts)
            parts.append(word_key(text) if kind == "text" else text)

    def argument(self, signed: bool = False, whole: bool = False) -> Node:
        r"""One LaTeX argument: a braced group, or the next token (\frac12, x^2). whole: take all digits of a number."""
        kind, text = self.peek()
        if (kind, text) == ("op", "{"):
            return self.group()
        if kind == "num" and not signed and not whole and "." not in text[1:]:
            if text[0] == ".":
                raise Unparsed("a fraction without a numerator")
            if len(text) > 1:
                self.tokens[self.at] = ("num", text[1:])
            else:
                self.at += 1
            return number(text[0])
        if signed and kind == "op" and text in "+-":
            self.at += 1
            inner = self.argument(signed=True)
            return Neg(inner) if text == "-" else inner
        if kind == "word" and len(text) > 1 and text not in FUNCTIONS and text not in GREEK and text != "pi":
            self.tokens[self.at] = ("word", text[1:])
            return Sym(text[0])
        return self.atom()

    def group(self) -> Node:
        self.expect("{")
        found, joiner = self.items()
        self.expect("}")
        if not found:
            raise Unparsed("an empty group")
        return found[0] if len(found) == 1 else Items(tuple(found), joiner)

    def arguments_of_call(self) -> tuple[Node, ...] | None:
        """The arguments in brackets of an unknown function; None where what follows is no such thing."""
        if self.peek() != ("op", "("):
            return None
        mark = self.at
        self.at += 1
        found, _ = self.items()
        if self.peek() == ("op", ")") and found:
            self.at += 1
            return tuple(found)
        self.at = mark
        return None

    # -- atoms --------------------------------------------------------------------------------------------------

    def atom(self) -> Node:
        self.descend()
        kind, text = self.take()
        match kind:
            case "num":
                node = self.written_number(text)
            case "word":
                node = self.word(text)
            case "text":
                node = self.quoted(text)
            case "op":
                node = self.operator(text)
            case "cmd":
                node = self.command(text[1:])
            case _:
                raise Unparsed("the end, where a value was expected")
        self.depth -= 1
        return node

    def written_number(self, text: str) -> Node:
        """Digits, with an exponent of ten behind an e or E (1.2e5, 1.2e-5)."""
        if self.peek()[1] in ("e", "E", "e+", "E+"):
            sign, digits = "", self.peek(1)
            if digits[1] in ("-", "+") and "." in text:
                sign, digits = digits[1], self.peek(2)
            if digits[0] == "num" and re.fullmatch(r"\d{1,3}", digits[1]):
                self.at += 3 if sign else 2
                return _scaled(number(text), int(sign + digits[1]))
        return number(text)

    def quoted(self, text: str) -> Node:
        words = word_key(text)
        if not words:
            raise Unparsed("an empty text")
        return Sym(words) if len(words) > 1 else Sym(text.strip())

    def operator(self, text: str) -> Node:
        match text:
            case "{":
                self.at -= 1
                return self.group()
            case "(" | "[":
                return self.bracket(text)
            case "|":
                return self.absolute("|", "abs")
            case "+":
                return self.factor()
            case "-":
                return Neg(self.factor())
        raise Unparsed(f"unexpected {text}")

    def absolute(self, mark: str, name: str) -> Node:
        self.in_abs += 1
        inner = self.sum()
        self.in_abs -= 1
        self.expect(mark)
        return Fn(name, (inner,))

    def bracket(self, opening: str) -> Node:
        outer, self.in_abs = self.in_abs, 0
        found, _ = self.items()
        self.in_abs = outer
        closing = self.expect(")", "]")
        if not found:
            raise Unparsed("empty brackets")
        only = found[0] if len(found) == 1 else None
        if only is not None and opening + closing == "()" and not isinstance(only, Bracket):
            if isinstance(only, Num):
                return Bracket("(", ")", (only,)) if self.peek() == ("op", "_") else Paren(only)
            return only
        if only is not None and opening + closing == "[]" and (isinstance(only, Matrix) or self.at < len(self.tokens)):
            return only
        return Bracket(opening, closing, tuple(found))

    def word(self, text: str) -> Node:
        lower = text.lower()
        if text in FUNCTIONS or (lower in FUNCTIONS and len(text) > 2):
            return self.function(lower)
        if lower in ("pi", "infty", "infinity", "inf", "oo"):
            return PI if lower == "pi" else INFINITY
        if text in GREEK and len(text) > 2:
            return Sym(text)
        if lower in _NUMBER_WORDS:
            return Num(Fraction(_NUMBER_WORDS.index(lower)))
        if len(text) == 1:
            return self.letter(text)
        split = re.fullmatch(r"([A-Za-z]?)(sin|cos|tan|ln|log|exp|sqrt|pi)([A-Za-z]?)", text)
        if split:
            before, name, after = split.groups()
            self.put_back(name, after)
            return Mul((Sym(before), self.factor())) if before else self.factor()
        if len(text) <= 3:
            self.put_back(*text[1:])
            return Sym(text[0])
        return Sym(text)

    def letter(self, text: str) -> Node:
        at_zero = [token[1] for token in self.tokens[self.at : self.at + 3]] == ["(", "0", ")"]  # y(0) is no product
        found = self.arguments_of_call() if text in "fghFGHWO" or at_zero else None
        return Sym(text) if found is None else Call(text, found)

    # -- functions ----------------------------------------------------------------------------------------------

    def function(self, name: str) -> Node:
        name = _ALIAS.get(name, name)
        power: Node | None = None
        base: Node | None = None
        while self.peek() in (("op", "^"), ("op", "_")):
            if self.take()[1] == "^":
                power = self.argument(signed=True)
            else:
                base = self.argument()
        args = self.function_arguments(name)
        if base is not None:
            if name != "log":
                raise Unparsed("a function with a subscript")
            args = (*args, base)
        if power == Neg(ONE) and name in ("sin", "cos", "tan"):
            return Fn("arc" + name, args)
        return Fn(name, args) if power is None else Pow(Fn(name, args), power)

    def function_arguments(self, name: str) -> tuple[Node, ...]:
        kind, text = self.peek()
        if kind == "op" and text in "([":
            self.at += 1
            outer, self.in_abs = self.in_abs, 0
            args, _ = self.items()
            self.in_abs = outer
            self.expect(")" if text == "(" else "]")
        elif (kind, text) == ("op", "{"):
            args = [self.group()]
        else:
            args = [self.bare_argument(name)]
        if not args:
            raise Unparsed("a function of nothing")
        return tuple(args)

    def bare_argument(self, name: str) -> Node:
        """What an unbracketed function applies to: the following factors, up to an operator or another function."""
        self.descend()
        negative = self.accept("-")
        node = self.factor()
        while self.starts_factor() and name != "sqrt":
            kind, text = self.peek()
            if (kind == "cmd" and text[1:] in FUNCTIONS) or (kind == "word" and text in FUNCTIONS) or (kind == "op" and text == "("):
                break
            node = self.juxtapose(node, self.factor())
        if self.peek() == ("op", "/") and name != "sqrt" and self.peek(1)[0] == "num" and node == PI:
            self.at += 1
            node = Div(node, self.factor())
        self.depth -= 1
        return Neg(node) if negative else node

    # -- commands -----------------------------------------------------------------------------------------------

    def command(self, name: str) -> Node:
        if name in _VALUES:
            return _VALUES[name]
        if name in FUNCTIONS and name != "sqrt":
            return self.function(name)
        if name in OPERATORS:
            return self.big_operator(name)
        if name in GREEK:
            return Sym(name)
        if name in ACCENTS:
            return self.accent(name)
        match name:
            case "frac":
                return Div(self.argument(), self.argument())
            case "sqrt":
                return self.root()
            case "binom":
                return Fn("binom", (self.argument(), self.argument()))
            case "{":
                return self.braces()
            case "begin":
                return self.environment()
            case _:
                return self.rare_command(name)

    def rare_command(self, name: str) -> Node:
        match name:
            case "repeating":
                top, bottom = self.argument(whole=True), self.argument(whole=True)
                return Num(top.value / bottom.value, None)
            case "lfloor" | "lceil":
                inner = self.sum()
                self.expect(rf"\r{name[1:]}")
                return Fn(name[1:], (inner,))
            case "|":
                return self.absolute(r"\|", "norm")
            case "angle" | "triangle":
                return self.factor()
            case "pm" | "mp":
                return PlusMinus(None, self.factor(), 1 if name == "pm" else -1)
        raise Unparsed(f"the command {name}")

    def root(self) -> Node:
        degree: Node | None = None
        if self.accept("["):
            degree = self.sum()
            self.expect("]")
        if self.accept("("):
            inner = self.sum()
            self.expect(")")
        else:
            inner = self.argument(whole=True)  # nobody writes \sqrt13 for 3
        return Fn("sqrt", (inner,)) if degree is None else Fn("root", (inner, degree))

    def accent(self, name: str) -> Node:
        r"""\bar z is another variable than z; \overline{AB} is the segment AB."""
        label = self.label()
        if re.fullmatch(r"[A-Z]{2,3}", label) and name == "bar":
            return Mul(tuple(map(Sym, label)))
        return Sym(f"{name} {label}")

    def big_operator(self, name: str) -> Node:
        bounds: list[tuple[str, Node]] = []
        while self.peek() in (("op", "_"), ("op", "^")):
            mark = self.take()[1]
            bounds.append((mark, self.argument(signed=True, whole=True)))
        body = self.sum() if "int" in name else self.term()
        return BigOp(name, tuple(sorted(bounds, key=lambda bound: bound[0])), body)

    # -- sets and matrices --------------------------------------------------------------------------------------

    def braces(self) -> Node:
        built = self.set_builder()
        if built is not None:
            return built
        found, _ = self.items()
        self.expect(r"\}")
        return Braces(tuple(found)) if found else Empty()

    def set_builder(self) -> Node | None:
        r"""What follows the opening brace of \{x \mid x > 0\}: its conditions on x, or a `Builder`; None where it is no such set."""
        saved = self.at, self.depth, self.in_abs, list(self.tokens)
        self.in_abs = 1  # so that the bar does not open an absolute value
        try:
            element = self.relation()
            if self.accept("|"):
                self.in_abs = 0
                conditions, joiner = self.items()
                self.expect(r"\}")
                self.in_abs = saved[2]
                if conditions and isinstance(element, Rel | Sym):
                    parts = [*([element] if isinstance(element, Rel) else []), *conditions]
                    return parts[0] if len(parts) == 1 else Items(tuple(parts), "or" if joiner == "or" else "and")
                if conditions:
                    return Builder(element, tuple(conditions))
        except Unparsed:
            pass
        self.at, self.depth, self.in_abs, self.tokens = saved
        return None

    def environment(self) -> Node:
        name = self.label() if self.peek() == ("op", "{") else ""
        if name.rstrip("*") not in _MATRICES:
            raise Unparsed(f"the environment {name}")
        if name == "array" and self.peek() == ("op", "{"):
            self.label()
        rows = self.rows()
        if not rows or len({len(line) for line in rows}) != 1:
            raise Unparsed("a matrix of uneven rows")
        if name == "cases" or (len(rows[0]) == 2 and all(isinstance(row[1], Rel | Text) for row in rows)):
            return Piecewise(rows)
        return Fn("det", (Matrix(rows),)) if name == "vmatrix" else Matrix(rows)

    def rows(self) -> tuple[tuple[Node, ...], ...]:
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            kind, text = self.peek()
            if kind == "end":
                raise Unparsed("a matrix without an end")
            if kind == "cmd" and text in ("\\\\", r"\end"):
                self.at += 1
                rows += [tuple(row)] if row else []
                row = []
                if text == r"\end":
                    self.label()
                    return tuple(rows)
            elif (kind, text) in (("op", "&"), ("cmd", r"\hline"), ("op", ","), ("op", ".")):
                self.at += 1
            else:
                row.append(self.cell(kind, text))

    def cell(self, kind: str, text: str) -> Node:
        words = word_key(text)
        if kind in ("text", "word") and words.split(" ")[0] in _IF:
            self.at += 1
            if self.peek()[1] in ("&", "\\\\", r"\end", "end", "."):
                return Text("otherwise" if words in ("otherwise", "else") else words)
            return self.cell(*self.peek())
        return self.relation()
