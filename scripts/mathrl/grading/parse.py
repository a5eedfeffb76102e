r"""Answers to trees: a recursive-descent parser for the mathematics that stands in a box.

A node is a tuple whose first item names its kind:

    ("num", Fraction, places)      a written number; places = digits after the point
    ("sym", name)                  a variable or an opaque word
    ("add", items) ("mul", items) ("div", a, b) ("pow", a, b) ("neg", a) ("fact", a)
    ("fn", name, args)             sin, log, sqrt, abs, binom …
    ("op", name, bounds, body)     a sum, product, integral or limit; never worked out
    ("call", name, args)           f(x): an unknown function
    ("pm", a, b, sign)             a ± b; a may be None
    ("pct", a) ("deg", a)          50 %, 45°
    ("unit", a, name)              4 ft
    ("tuple", open, close, items)  (1, 2), [0, 1)
    ("list", items, joiner)        1, 2 or 3; unordered
    ("set", items)                 \{1, 2\}
    ("rel", terms, ops)            x = 5, 0 < x \le 1
    ("union"|"inter"|"minus", a, b)
    ("mod", a, modulus)            n \equiv 1 \pmod{4}
    ("ratio", items) ("matrix", rows) ("based", digits, base) ("text", words) ("reals",) ("empty",)

The parser works on a bounded number of tokens and a bounded depth, and it evaluates nothing.
"""

from __future__ import annotations

import contextlib
import re
from fractions import Fraction
from functools import lru_cache

from mathrl.grading import rewrite
from mathrl.grading.latex import Unparsed, clean, tokenize, word_key

Node = tuple
MAX_DEPTH = 40
MAX_DIGITS = 1_000

FUNCTIONS = frozenset(
    (  # noqa: SIM905
        "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth ln log exp sqrt abs det gcd lcm max min arg asin acos atan"
    ).split()
)
_ALIAS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_GREEK = frozenset(
    (  # noqa: SIM905
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega "
        "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar Re Im aleph nabla partial"
    ).split()
)
_RELATIONS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "!=", r"\le": "<=", r"\ge": ">=", r"\ne": "!=",
    r"\in": "in", r"\rightarrow": "->", r"\approx": "~", r"\equiv": "=", r"\doteq": "~", r"\ll": "<", r"\gg": ">",
}  # fmt: skip
_OPERATORS = frozenset({"sum", "prod", "int", "iint", "oint", "lim"})
UNITS = {
    name: canonical
    for canonical, names in {
        "m": "m meter meters metre metres", "cm": "cm centimeter centimeters centimetre centimetres", "mm": "mm millimeter millimeters",
        "km": "km kilometer kilometers kilometre kilometres", "ft": "ft foot feet", "in": "in inch inches", "yd": "yd yard yards",
        "mi": "mi mile miles", "g": "g gram grams", "kg": "kg kilogram kilograms", "lb": "lb lbs pound pounds", "oz": "oz ounce ounces",
        "s": "s sec secs second seconds", "min": "min mins minute minutes", "h": "h hr hrs hour hours", "day": "day days",
        "week": "week weeks", "month": "month months", "year": "year years yr yrs", "l": "l liter liters litre litres",
        "ml": "ml milliliter milliliters", "gal": "gal gallon gallons", "dollar": "dollar dollars usd", "cent": "cent cents",
        "euro": "euro euros", "yuan": "yuan rmb", "mph": "mph", "kmh": "kmh kph kmph", "rad": "rad radian radians", "n": "n newton newtons",
        "j": "j joule joules", "w": "w watt watts", "v": "v volt volts", "hz": "hz hertz", "pa": "pa pascal pascals", "k": "k kelvin",
        "celsius": "celsius",
        "fahrenheit": "fahrenheit", "acre": "acre acres",
    }.items()
    for name in names.split()
}  # fmt: skip
_NO_UNITS = frozenset(
    (  # noqa: SIM905
        "or and if not more less than least most times plus minus to mod greater fewer base squared cubed factorial over from "
        "unless except between either any all some none for where when with is are"
    ).split()
)
"""Words that change a value or join two: text that holds one is no unit."""
_MULTIPLIERS = {"dozen": 12, "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PERCENT = frozenset({"percent", "pct", "percentage", "percents"})
_DEGREE = frozenset({"degree", "degrees", "deg"})
_NUMBER_WORDS = {
    word: value
    for value, word in enumerate(
        (  # noqa: SIM905
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
            "eighteen nineteen twenty"
        ).split()
    )
}

_ALL_REALS = frozenset(
    {"all real numbers", "all reals", "all real", "real numbers", "any real number", "every real number", "set of all real numbers"}
)
_NO_SOLUTION = frozenset({"no solution", "no solutions", "no real solution", "no real solutions", "empty set", "empty"})


def _number(text: str) -> Node:
    if len(text) > MAX_DIGITS:
        raise Unparsed("a number of more digits than the budget")
    whole, _, decimals = text.partition(".")
    return ("num", Fraction(int((whole + decimals) or "0"), 10 ** len(decimals)), len(decimals))


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]):
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.in_abs = 0

    # -- tokens -------------------------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
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

    # -- lists and relations --------------------------------------------------------------------------------------

    def connective(self) -> str | None:
        kind, text = self.peek()
        if kind == "op" and text in ",;":
            return ","
        if kind in ("word", "text"):
            word = word_key(text)
            if word in ("and", "or"):
                return word
        if kind == "cmd" and text in (r"\wedge", r"\vee"):
            return "and" if text == r"\wedge" else "or"
        return None

    def items(self) -> tuple[list[Node], str]:
        """Items up to a closing token, and what joined them ("," where several did)."""
        self.descend()
        found: list[Node] = []
        joiner = ","
        while True:
            mark = self.connective()
            while mark:
                joiner = mark if mark != "," else joiner
                self.at += 1
                mark = self.connective()
            kind, text = self.peek()
            if kind == "end" or (kind == "op" and text in ")]}") or (kind, text) == ("cmd", r"\}"):
                break
            found.append(self.relation())
            kind, text = self.peek()
            if kind == "end" or (kind == "op" and text in ")]}") or (kind, text) == ("cmd", r"\}"):
                break
            if self.connective() is None:
                raise Unparsed(f"unexpected {text}")
        self.depth -= 1
        return found, joiner

    def relation(self) -> Node:
        self.descend()
        terms = [self.set_expression()]
        ops: list[str] = []
        while True:
            kind, text = self.peek()
            if kind not in ("op", "cmd") or text not in _RELATIONS:
                break
            self.at += 1
            op = _RELATIONS[text]
            if op in "<>" and self.accept("="):
                op += "="
            ops.append(op)
            if self.peek()[0] == "end" and op == "=":  # "x =" with nothing after it
                raise Unparsed("nothing after =")
            terms.append(self.set_expression())
        self.depth -= 1
        node = ("rel", tuple(terms), tuple(ops)) if ops else terms[0]
        return ("mod", node, self.argument()) if self.accept(r"\pmod") else node

    def set_expression(self) -> Node:
        left = self.ratio()
        while True:
            kind, text = self.peek()
            if kind == "cmd" and text in (r"\cup", r"\cap", r"\setminus"):
                self.at += 1
                name = {r"\cup": "union", r"\cap": "inter", r"\setminus": "minus"}[text]
                left = (name, left, self.ratio())
            elif kind == "word" and text == "U" and left[0] in ("tuple", "union", "set"):
                self.at += 1
                left = ("union", left, self.ratio())
            else:
                return left

    def ratio(self) -> Node:
        parts = [self.sum()]
        while self.peek() == ("op", ":"):
            self.at += 1
            parts.append(self.sum())
        return ("ratio", tuple(parts)) if len(parts) > 1 else parts[0]

    # -- expressions ----------------------------------------------------------------------------------------------

    def sum(self) -> Node:
        self.descend()
        terms: list[Node] = []
        kind, text = self.peek()
        sign = "+"
        if (kind, text) in (("op", "+"), ("op", "-"), ("cmd", r"\pm"), ("cmd", r"\mp")):
            self.at += 1
            sign = text
            if text == "+" and self.accept("-"):
                sign = r"\pm"  # "+-5" is how plain text writes it
        node = self.term()
        if sign == "-":
            node = ("neg", node)
        elif sign in (r"\pm", r"\mp"):
            node = ("pm", None, node, 1 if sign == r"\pm" else -1)
        terms.append(node)
        while True:
            kind, text = self.peek()
            if (kind, text) == ("op", "+") or (kind, text) == ("op", "-"):
                self.at += 1
                if text == "+" and self.peek() == ("op", "/") and self.peek(1) == ("op", "-"):  # +/-
                    self.at += 2
                    left = terms[0] if len(terms) == 1 else ("add", tuple(terms))
                    terms = [("pm", left, self.term(), 1)]
                    continue
                term = self.term()
                terms.append(("neg", term) if text == "-" else term)
            elif kind == "cmd" and text in (r"\pm", r"\mp"):
                self.at += 1
                left = terms[0] if len(terms) == 1 else ("add", tuple(terms))
                terms = [("pm", left, self.term(), 1 if text == r"\pm" else -1)]
            else:
                break
        self.depth -= 1
        return terms[0] if len(terms) == 1 else ("add", tuple(terms))

    def term(self) -> Node:
        self.descend()
        node = self.factor()
        while True:
            kind, text = self.peek()
            if (kind, text) in (("op", "*"), ("cmd", r"\cdot"), ("cmd", r"\times"), ("cmd", r"\bullet")):
                self.at += 1
                node = _product(node, self.signed_factor())
            elif (kind, text) in (("op", "/"), ("cmd", r"\div")):
                self.at += 1
                node = ("div", node, self.signed_factor())
            elif kind in ("text", "word") and self.unit_follows(node):
                node = self.unit(node)
            elif self.starts_factor():
                right = self.factor()
                node = _juxtapose(node, right)
            else:
                break
        self.depth -= 1
        return node

    def signed_factor(self) -> Node:
        if self.accept("-"):
            return ("neg", self.signed_factor()) if self.peek() != ("op", "-") else self._refuse("--")
        if self.accept("+"):
            return self.factor()
        return self.factor()

    def _refuse(self, why: str) -> Node:
        raise Unparsed(why)

    def starts_factor(self) -> bool:
        kind, text = self.peek()
        if kind == "num":
            return True
        if kind == "word":
            return word_key(text) not in ("and", "or")
        if kind == "text":
            return False
        if kind == "op":
            return text in "({[" or (text == "|" and not self.in_abs)
        if kind == "cmd":
            if text == r"\|" and self.in_abs:
                return False
            return (
                text
                in (
                    r"\frac",
                    r"\sqrt",
                    r"\pi",
                    r"\infty",
                    r"\binom",
                    r"\dbinom",
                    r"\tbinom",
                    r"\lfloor",
                    r"\lceil",
                    r"\|",
                    r"\begin",
                    r"\{",
                    r"\overline",
                    r"\repeating",
                    r"\bbR",
                    r"\veci",
                    r"\vecj",
                    r"\veck",
                )
                or text[1:] in FUNCTIONS
                or text[1:] in _OPERATORS
                or text[1:] in _GREEK
            )
        return False

    def unit_follows(self, node: Node) -> bool:
        """A word after a value that is a unit and not a factor."""
        kind, text = self.peek()
        if kind == "text":
            words = word_key(text)
            return words not in ("and", "or") and len(words.split()) <= 4
        word = text.lower()
        if not _is_numeric(node):
            return False
        if word in ("and", "or"):
            return False
        if word in _PERCENT or word in _DEGREE or word in _MULTIPLIERS or (len(word) > 1 and word in UNITS):
            return True
        next_kind, next_text = self.peek(1)
        return (
            len(word) >= 3
            and word not in FUNCTIONS
            and word not in _GREEK
            and word not in ("pi", "infty")
            and (next_kind in ("end", "word") or (next_kind == "op" and next_text in ",;"))
        )

    def unit(self, node: Node) -> Node:
        kind, text = self.take()
        words = [text.lower()] if kind == "word" else word_key(text).split()
        while kind == "word" and self.peek()[0] == "word" and self.connective() is None and len(words) < 4:
            words.append(self.take()[1].lower())
        if words and words[0] in _MULTIPLIERS:
            node = (
                ("num", node[1] * _MULTIPLIERS[words[0]], 0)
                if node[0] == "num"
                else ("mul", (node, ("num", Fraction(_MULTIPLIERS[words[0]]), 0)))
            )
            words = words[1:]
        if not words:
            return node
        if words[0] in _PERCENT and len(words) == 1:
            return ("pct", node)
        if words[0] in _DEGREE:
            return ("deg", node)
        if _NO_UNITS & set(words) or words[0][0].isdigit():
            raise Unparsed("words that are no unit")
        name = " ".join(words)
        while True:
            if self.peek() == ("op", "^"):
                self.at += 1
                name += "^" + _plain(self.argument())
            elif self.peek() == ("op", "/") and self.peek(1)[0] in ("text", "word"):
                self.at += 1
                name += "/" + word_key(self.take()[1])
            elif self.peek()[0] == "text" and self.connective() is None:
                name += " " + word_key(self.take()[1])
            else:
                break
        return ("unit", node, name) if node[0] != "unit" else ("unit", node[1], f"{node[2]} {name}")

    def factor(self) -> Node:
        node = self.atom()
        while True:
            kind, text = self.peek()
            if (kind, text) == ("op", "^") or (kind, text) == ("op", "**"):
                self.at += 1
                if self.peek() == ("cmd", r"\circ"):
                    self.at += 1
                    node = self.degree(node)
                elif self.peek() == ("op", "{") and self.peek(1) == ("cmd", r"\circ") and self.peek(2) == ("op", "}"):
                    self.at += 3
                    node = self.degree(node)
                else:
                    exponent = self.argument(signed=True)
                    node = ("pow", node, exponent)
            elif (kind, text) == ("op", "!"):
                self.at += 1
                node = ("fact", node)
            elif (kind, text) in (("op", "%"), ("cmd", r"\%")):
                self.at += 1
                node = ("pct", node)
            elif (kind, text) == ("cmd", r"\circ") and _is_numeric(node):
                self.at += 1
                node = self.degree(node)
            elif (kind, text) == ("op", "'") and node[0] in ("sym", "call"):
                self.at += 1
                node = (node[0], node[1] + "'", *node[2:])
                if node[0] == "sym" and self.peek() == ("op", "("):  # f'(0) is no product
                    mark = self.at
                    self.at += 1
                    found, _ = self.items()
                    if self.peek() == ("op", ")") and found:
                        self.at += 1
                        node = ("call", node[1], tuple(found))
                    else:
                        self.at = mark
            elif (kind, text) == ("op", "_"):
                self.at += 1
                node = self.subscript(node)
            else:
                return node

    def degree(self, node: Node) -> Node:
        if self.peek() in (("word", "F"), ("word", "C"), ("text", "F"), ("text", "C")):
            self.at += 1
            return ("unit", node, {"F": "fahrenheit", "C": "celsius"}[self.tokens[self.at - 1][1]])
        return ("deg", node)

    def subscript(self, node: Node) -> Node:
        label = self.label().strip("()")
        if node[0] == "num" and node[2] == 0:
            bases = {
                "two": "2",
                "three": "3",
                "four": "4",
                "five": "5",
                "six": "6",
                "seven": "7",
                "eight": "8",
                "nine": "9",
                "ten": "10",
            }
            base = bases.get(label, label)
            if not base.isdigit() or len(base) > 3:
                raise Unparsed("a number with a subscript that is no base")
            return ("based", str(node[1].numerator), int(base)) if base != "10" else node
        if node[0] == "tuple" and node[1:3] == ("(", ")") and len(node[3]) == 1 and label.isdigit():
            inner = node[3][0]
            if inner[0] == "num" and inner[2] == 0:
                return ("based", str(inner[1].numerator), int(label)) if label != "10" else inner
        if node[0] == "sym":
            return ("sym", f"{node[1]}_{label}")
        raise Unparsed("a subscript on an expression")

    def label(self) -> str:
        """The text of a subscript."""
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
            if (kind, text) == ("op", "{"):
                depth += 1
            elif (kind, text) == ("op", "}"):
                depth -= 1
                if depth == 0:
                    return "".join(parts)
            parts.append(word_key(text) if kind == "text" else text)

    def argument(self, signed: bool = False) -> Node:
        r"""One LaTeX argument: a braced group, or the next token (\frac12, x^2)."""
        kind, text = self.peek()
        if (kind, text) == ("op", "{"):
            return self.group()
        if kind == "num" and not signed:
            digit, rest = text[0], text[1:]
            if digit == ".":
                raise Unparsed("a fraction without a numerator")
            if rest and "." not in rest:
                self.tokens[self.at] = ("num", rest)
            else:
                self.at += 1
                return _number(text)
            return _number(digit)
        if signed and (kind, text) in (("op", "-"), ("op", "+")):
            self.at += 1
            inner = self.argument(signed=True)
            return ("neg", inner) if text == "-" else inner
        if kind == "word" and len(text) > 1 and text not in FUNCTIONS and text not in _GREEK and text != "pi":
            self.tokens[self.at] = ("word", text[1:])
            return _symbol(text[0])
        return self.atom()

    def group(self) -> Node:
        self.expect("{")
        found, joiner = self.items()
        self.expect("}")
        if not found:
            raise Unparsed("an empty group")
        return found[0] if len(found) == 1 else ("list", tuple(found), joiner)

    def atom(self) -> Node:
        self.descend()
        node = self._atom()
        self.depth -= 1
        return node

    def _atom(self) -> Node:
        kind, text = self.take()
        if kind == "num":
            exponent = re.fullmatch(r"[eE](\d{1,3})", self.peek()[1] + self.peek(1)[1]) if self.peek()[1] in ("e", "E") else None
            if exponent and self.peek(1)[0] == "num":
                self.at += 2
                return _scaled(_number(text), int(exponent.group(1)))
            if self.peek()[1] in ("e", "E") and self.peek(1)[1] in ("-", "+") and self.peek(2)[0] == "num" and "." in text:
                sign, digits = self.peek(1)[1], self.peek(2)[1]
                if digits.isdigit() and len(digits) <= 3:
                    self.at += 3
                    return _scaled(_number(text), int(sign + digits))
            return _number(text)
        if kind == "word":
            return self.word(text)
        if kind == "text":
            words = word_key(text)
            if not words:
                raise Unparsed("an empty text")
            return ("sym", words) if len(words) > 1 else _symbol(text.strip())
        if kind == "op":
            return self.operator(text)
        if kind == "cmd":
            return self.command(text)
        raise Unparsed("the end, where a value was expected")

    def operator(self, text: str) -> Node:
        if text == "{":
            self.at -= 1
            return self.group()
        if text in "([":
            outer, self.in_abs = self.in_abs, 0
            found, _ = self.items()
            self.in_abs = outer
            close = self.expect(")", "]")
            if not found:
                raise Unparsed("empty brackets")
            if len(found) == 1 and text == "(" and close == ")" and found[0][0] not in ("tuple",):
                if found[0][0] == "num" and self.peek() == ("op", "_"):
                    return ("tuple", "(", ")", tuple(found))
                return found[0] if found[0][0] != "num" else ("paren", found[0])
            if len(found) == 1 and text == "[" and close == "]" and (found[0][0] == "matrix" or self.at < len(self.tokens)):
                return found[0]
            return ("tuple", text, close, tuple(found))
        if text == "|":
            self.in_abs += 1
            inner = self.sum()
            self.in_abs -= 1
            self.expect("|")
            return ("fn", "abs", (inner,))
        if text in "+-":
            inner = self.factor()
            return ("neg", inner) if text == "-" else inner
        raise Unparsed(f"unexpected {text}")

    def word(self, text: str) -> Node:
        lower = text.lower()
        if text in FUNCTIONS or (lower in FUNCTIONS and len(text) > 2):
            return self.function(lower)
        if lower in ("pi", "infty", "infinity", "inf", "oo"):
            return ("sym", "pi" if lower == "pi" else "infty")
        if text in _GREEK and len(text) > 2:
            return ("sym", text)
        if lower in _NUMBER_WORDS and len(text) > 2:
            return ("num", Fraction(_NUMBER_WORDS[lower]), 0)
        if len(text) == 1:
            at_zero = [token[1] for token in self.tokens[self.at : self.at + 3]] == ["(", "0", ")"]  # y(0) is no product
            if (text in "fghFGHWO" or at_zero) and self.peek() == ("op", "("):
                mark = self.at
                self.at += 1
                found, _ = self.items()
                if self.peek() == ("op", ")") and found:
                    self.at += 1
                    return ("call", text, tuple(found))
                self.at = mark
            return _symbol(text)
        split = re.fullmatch(r"([A-Za-z]?)(sin|cos|tan|ln|log|exp|sqrt|pi)([A-Za-z]?)", text)
        if split:
            before, name, after = split.groups()
            rest = [("word", part) for part in (name, after) if part]
            self.tokens[self.at : self.at] = rest
            if before:
                return _product(_symbol(before), self.factor())
            return self.factor()
        if len(text) <= 3:
            self.tokens[self.at : self.at] = [("word", letter) for letter in text[1:]]
            return _symbol(text[0])
        return ("sym", text)

    def function(self, name: str) -> Node:
        name = _ALIAS.get(name, name)
        power: Node | None = None
        base: Node | None = None
        while self.peek() in (("op", "^"), ("op", "_")):
            if self.take()[1] == "^":
                power = self.argument(signed=True)
            else:
                base = self.argument()
        kind, text = self.peek()
        if (kind, text) == ("op", "(") or (kind, text) == ("op", "["):
            close = ")" if text == "(" else "]"
            self.at += 1
            outer, self.in_abs = self.in_abs, 0
            args, _ = self.items()
            self.in_abs = outer
            self.expect(close)
        elif (kind, text) == ("op", "{"):
            args = [self.group()]
        else:
            args = [self.bare_argument(name)]
        if not args:
            raise Unparsed("a function of nothing")
        if base is not None:
            if name != "log":
                raise Unparsed("a function with a subscript")
            args = [*args, base]
        node: Node = ("fn", name, tuple(args))
        if power is not None:
            if power == ("neg", ("num", Fraction(1), 0)) and name in ("sin", "cos", "tan"):
                return ("fn", "arc" + name, tuple(args))
            node = ("pow", node, power)
        return node

    def bare_argument(self, name: str) -> Node:
        """What an unbracketed function applies to: the following factors, up to an operator or another function."""
        self.descend()
        negative = self.accept("-")
        node = self.factor()
        while self.starts_factor() and name != "sqrt":
            kind, text = self.peek()
            if (kind == "cmd" and text[1:] in FUNCTIONS) or (kind == "word" and text in FUNCTIONS) or (kind == "op" and text == "("):
                break
            node = _juxtapose(node, self.factor())
        if self.peek() == ("op", "/") and name not in ("sqrt",) and self.peek(1)[0] == "num" and node == ("sym", "pi"):
            self.at += 1
            node = ("div", node, self.factor())
        self.depth -= 1
        return ("neg", node) if negative else node

    def command(self, text: str) -> Node:
        name = text[1:]
        if name == "frac":
            top = self.argument()
            bottom = self.argument()
            return ("div", top, bottom)
        if name == "sqrt":
            degree: Node | None = None
            if self.peek() == ("op", "["):
                self.at += 1
                degree = self.sum()
                self.expect("]")
            if self.peek() == ("op", "("):
                self.at += 1
                inner = self.sum()
                self.expect(")")
            else:
                inner = self.argument()
            return ("fn", "sqrt", (inner,)) if degree is None else ("fn", "root", (inner, degree))
        if name == "repeating":
            top, bottom = self.argument(), self.argument()
            return ("num", top[1] / bottom[1], 999)
        if name == "pi":
            return ("sym", "pi")
        if name == "infty":
            return ("sym", "infty")
        if name in _OPERATORS:
            return self.big_operator(name)
        if name in ("binom", "dbinom", "tbinom"):
            return ("fn", "binom", (self.argument(), self.argument()))
        if name in FUNCTIONS:
            return self.function(name)
        if name in _GREEK:
            return ("sym", name)
        if name in ("lfloor", "lceil"):
            inner = self.sum()
            self.expect(r"\rfloor" if name == "lfloor" else r"\rceil")
            return ("fn", name[1:], (inner,))
        if name == "|":
            self.in_abs += 1
            inner = self.sum()
            self.in_abs -= 1
            self.expect(r"\|")
            return ("fn", "norm", (inner,))
        if name == "{":
            built = self.set_builder()
            if built is not None:
                return built
            found, _ = self.items()
            self.expect(r"\}")
            return ("set", tuple(found)) if found else ("empty",)
        if name == "emptyset":
            return ("empty",)
        if name in ("bbR", "bbZ", "bbN", "bbQ", "bbC"):
            return ("reals",) if name == "bbR" else ("sym", name)
        if name in ("veci", "vecj", "veck"):
            return ("sym", text)
        if name == "begin":
            return self.environment()
        if name == "overline":
            return ("sym", "overline " + self.label())
        if name in ("angle", "triangle", "bar"):
            return self.factor()
        if name in ("pm", "mp"):
            return ("pm", None, self.factor(), 1 if name == "pm" else -1)
        raise Unparsed(f"the command {text}")

    def set_builder(self) -> Node | None:
        r"""What follows the opening brace of \{x \mid x > 0\}, as the conditions on x; None where it is no such set."""
        saved = self.at, self.depth, self.in_abs, list(self.tokens)
        self.in_abs = 1  # so that the bar does not open an absolute value
        try:
            element = self.relation()
            if self.accept("|"):
                self.in_abs = 0
                conditions, joiner = self.items()
                self.expect(r"\}")
                self.in_abs = saved[2]
                parts = [*([element] if element[0] == "rel" else []), *conditions]
                if conditions and (element[0] == "rel" or element[0] == "sym"):
                    return parts[0] if len(parts) == 1 else ("list", tuple(parts), "or" if joiner == "or" else "and")
        except Unparsed:
            pass
        self.at, self.depth, self.in_abs, self.tokens = saved
        return None

    def big_operator(self, name: str) -> Node:
        """A sum, product, integral or limit: ("op", name, bounds, body), never worked out."""
        bounds: list[Node] = []
        while self.peek() in (("op", "_"), ("op", "^")):
            mark = self.take()[1]
            bounds.append(("tuple", mark, mark, (self.argument(signed=True),)))
        body = self.sum() if "int" in name else self.term()
        return ("op", name, tuple(sorted(bounds, key=repr)), body)

    def environment(self) -> Node:
        name = self.label() if self.peek() == ("op", "{") else ""
        if name.rstrip("*") not in ("pmatrix", "bmatrix", "matrix", "vmatrix", "Bmatrix", "array", "smallmatrix"):
            raise Unparsed(f"the environment {name}")
        if name == "array" and self.peek() == ("op", "{"):
            self.label()
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            kind, text = self.peek()
            if kind == "end":
                raise Unparsed("a matrix without an end")
            if (kind, text) == ("cmd", r"\end"):
                self.at += 1
                self.label()
                break
            if (kind, text) == ("cmd", "\\\\"):
                self.at += 1
                if row:
                    rows.append(tuple(row))
                row = []
            elif (kind, text) == ("op", "&") or (kind, text) == ("cmd", r"\hline"):
                self.at += 1
            else:
                row.append(self.relation())
        if row:
            rows.append(tuple(row))
        if not rows or len({len(line) for line in rows}) != 1:
            raise Unparsed("a matrix of uneven rows")
        if name == "vmatrix":
            return ("fn", "det", (("matrix", tuple(rows)),))
        return ("matrix", tuple(rows))


def _plain(node: Node) -> str:
    return str(node[1]) if node[0] in ("num", "sym") else "?"


def _fraction(top: int, bottom: int) -> Node:
    return ("div", ("num", Fraction(top), 0), ("num", Fraction(bottom), 0))


def _symbol(letter: str) -> Node:
    return ("sym", letter)


def _scaled(number: Node, exponent: int) -> Node:
    if abs(exponent) > 400:
        raise Unparsed("an exponent beyond the budget")
    return ("num", number[1] * Fraction(10) ** exponent, number[2] - exponent)


def _is_numeric(node: Node) -> bool:
    """No symbols but pi inside: something a unit can follow."""
    kind = node[0]
    if kind == "num":
        return True
    if kind == "sym":
        return node[1] in ("pi", "infty")
    if kind in ("neg", "fact", "pct", "deg", "paren"):
        return _is_numeric(node[1])
    if kind in ("div", "pow"):
        return _is_numeric(node[1]) and _is_numeric(node[2])
    if kind in ("add", "mul"):
        return all(_is_numeric(part) for part in node[1])
    if kind == "fn":
        return all(_is_numeric(part) for part in node[2])
    return False


def _product(left: Node, right: Node) -> Node:
    items = (*left[1], right) if left[0] == "mul" else (left, right)
    return ("mul", items)


def _opens_with_number(node: Node) -> bool:
    while node[0] in ("pow", "fact", "pct", "deg", "unit"):
        node = node[1]
    return node[0] == "num"


def _juxtapose(left: Node, right: Node) -> Node:
    r"""Two factors side by side: a mixed number (2\frac13), or a product; two bare numbers are no answer."""
    if left[0] == "num" and left[2] == 0 and right[0] == "div":
        top, bottom = right[1], right[2]
        if top[0] == "num" and bottom[0] == "num" and top[2] == bottom[2] == 0 and 0 < top[1] < bottom[1]:
            return ("num", left[1] + top[1] / bottom[1], 999)
    if right[0] in ("pct", "deg") and right[1][0] == "div" and left[0] == "num":
        mixed = _juxtapose(left, right[1])  # the sign belongs to the whole mixed number
        if mixed[0] == "num":
            return (right[0], mixed)
    if _opens_with_number(right) and left[0] in ("num", "div", "pct", "deg"):
        raise Unparsed("two numbers side by side")
    if right[0] == "num" and (left[1][-1] if left[0] == "mul" else left)[0] == "sym":
        raise Unparsed("a number after a letter")
    if left[0] in ("tuple", "set", "list") or right[0] in ("set", "list"):
        raise Unparsed("brackets side by side")
    if left[0] == "unit" or right[0] == "unit":
        raise Unparsed("a unit between factors")
    return _product(left, right)


_BRACKETS = re.compile(r"\\[{}]|[()\[\]]")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,]|,\s*\d)")
_SPACED = re.compile(r"(?<![\d.,/^_])\d{1,3}(?: \d{3})+(?![\d/ ])")
_DECIMAL_COMMA = re.compile(r"^([-+]?)(\d+),(\d+)(\D*)$")
_MIXED = re.compile(r"(?<![\d.}/^_])(\d{1,9})[ -](\d{1,9})\s*/\s*(\d{1,9})(?![\d.^])")
_REPEATING = re.compile(r"(\d{0,30})\.(\d{0,30})\\(?:overline|bar|dot|overset\{\.\})\s*\{?(\d{1,30})\}?")
_NUMBERED = re.compile(r"(?:\(\s*\d{1,2}\s*\)\s*){2,12}")
_DOTTED = re.compile(r"(\d{0,30})\.(\d{0,12}?)(\d{1,6}?)\3{2,9}(?:\s*\\ldots|\.\.\.)")
_LEAD = re.compile(
    r"^(?:(?:final\s+)?answer(?:\s+is)?\s*[:=]?|the\s+(?:final\s+)?answer\s+is\s*:?|therefore,?|thus,?|so,?|is|approximately|about|exactly|=|:|[A-Za-z]{3,15}(?:\s[a-z]{3,15})?\s*:)\s+(?=\S)",
    re.IGNORECASE,
)


def _outside_brackets(pattern: re.Pattern, text: str) -> str:
    """Remove commas and spaces from the matches of `pattern` that lie in no bracket."""
    depths, depth, last = [], 0, 0
    for match in _BRACKETS.finditer(text):
        depths.append((last, match.start(), depth))
        depth += 1 if match.group()[-1] in "([{" else -1
        last = match.end()
    depths.append((last, len(text), depth))

    def joined(match: re.Match) -> str:
        for begin, end, level in depths:
            if begin <= match.start() < end:
                return re.sub(r"[, ]", "", match.group()) if level <= 0 else match.group()
        return match.group()

    return pattern.sub(joined, text)


def _repeating(match: re.Match) -> str:
    whole, fixed, block = match.groups()
    top = int((whole + fixed + block) or "0") - int((whole + fixed) or "0")
    bottom = (10 ** len(block) - 1) * 10 ** len(fixed)
    return rf"\repeating{{{top}}}{{{bottom}}}"


def _parse_tokens(text: str) -> Node:
    parser = _Parser(tokenize(text))
    if not parser.tokens:
        raise Unparsed("nothing")
    found, joiner = parser.items()
    if parser.peek()[0] != "end":
        raise Unparsed(f"unexpected {parser.peek()[1]}")
    if not found:
        raise Unparsed("nothing")
    return found[0] if len(found) == 1 else ("list", tuple(found), joiner)


def _vector(node: Node) -> Node:
    r"""A sum of multiples of \veci, \vecj, \veck as the tuple of its components; raises `Unparsed` where it is none but holds one."""
    if "\\vec" not in repr(node):
        return node
    components: dict[str, Node] = {}
    for term in node[1] if node[0] == "add" else (node,):
        sign = 1
        while term[0] in ("neg", "paren"):
            sign, term = (-sign if term[0] == "neg" else sign), term[1]
        factors = term[1] if term[0] == "mul" else (term,)
        names = [part[1] for part in factors if part in _UNIT_VECTORS]
        rest = tuple(part for part in factors if part not in _UNIT_VECTORS)
        if len(names) != 1 or names[0] in components or "\\vec" in repr(rest):
            raise Unparsed("unit vectors in other than a sum")
        value = ("num", Fraction(1), 0) if not rest else rest[0] if len(rest) == 1 else ("mul", rest)
        components[names[0]] = ("neg", value) if sign < 0 else value
    size = 3 if r"\veck" in components else 2
    return ("tuple", "(", ")", tuple(components.get(name[1], ("num", Fraction(0), 0)) for name in _UNIT_VECTORS[:size]))


_UNIT_VECTORS = (("sym", r"\veci"), ("sym", r"\vecj"), ("sym", r"\veck"))
_WORDS = re.compile(r"(?:[Aa]\s+(?=[A-Za-z]{4}))?[A-Za-z]{2,}(?:[\s'-]+[A-Za-z]+)*\s*")
_APPLIED = re.compile(r"(?:arc)?(?:sin|cos|tan|cot|sec|csc|sinh|cosh|tanh|ln|log|exp|sqrt)(?:\s+[a-z]{1,2}){1,3}\s*")
_MATHS_WORDS = FUNCTIONS | _GREEK | {"pi", "infty", "infinity", "inf", "oo"}


def readings(text: str) -> tuple[Node, ...]:
    r"""All readings of an answer, likeliest first; empty where there is none.

    Most answers have one. "1,234" is a number or a list, "1,22" a list or a decimal comma. An answer of letters alone is
    a word, never a product of letters.
    """
    return _readings_cached(text) if len(text) <= _CACHED_CHARS else _readings(text)


_CACHED_CHARS = 200


def _readings(text: str) -> tuple[Node, ...]:
    try:
        cleaned = clean(text)
    except Unparsed:
        return ()
    if not cleaned:
        return ()
    plain = cleaned.strip("⟦⟧ ")
    if "⟦" not in plain and _WORDS.fullmatch(plain):
        words = word_key(plain)
        number = rewrite.number_in_words(plain)
        if number is not None:
            value = ("num", Fraction(number[0]), 0) if number[1] == 1 else _fraction(*number)
            return (value, ("text", words))
        if words in _NO_SOLUTION:
            return (("text", words), ("empty",))
        if words in _ALL_REALS:
            return (("text", words), ("reals",))
        connected = re.search(r"\b(?:and|or)\b", words)
        if not (plain in _MATHS_WORDS or _APPLIED.fullmatch(plain) or words in ("infinity", "pi")) and not connected:
            return (("text", words),)
    texts = []
    lead = _LEAD.match(cleaned)
    if lead and not re.search(r"(?<!\$)\$(?!\$)[ \t]*\n|\\\([ \t]*\n", text):
        cleaned = cleaned[lead.end() :].strip()
    cleaned = cleaned.removeprefix(r"\approx").strip()
    if _NUMBERED.fullmatch(cleaned):  # (1)(3) names statements, it is no product
        cleaned = ", ".join(re.findall(r"\d+", cleaned))
    cleaned = _REPEATING.sub(_repeating, cleaned)
    cleaned = _DOTTED.sub(_repeating, cleaned)
    cleaned = _outside_brackets(_SPACED, cleaned)
    cleaned = _MIXED.sub(lambda m: rf"{m[1]}\frac{{{m[2]}}}{{{m[3]}}}" if "-" not in m[0] else m[0], cleaned)
    joined = _outside_brackets(_THOUSANDS, cleaned)
    texts.append(joined)
    if joined != cleaned and not re.search(r",\s*0\d\d", cleaned):  # no list has 000 in it
        texts.append(cleaned)
    comma = _DECIMAL_COMMA.match(cleaned)
    if comma and (len(comma[3]) != 3 or len(comma[2]) > 3 or comma[2].startswith("0")):
        texts.append(f"{comma[1]}{comma[2]}.{comma[3]}{comma[4]}")
    if scientific := re.fullmatch(r"([-+]?\d+)([eE][-+]\d{1,3})", cleaned):
        texts.append(f"{scientific[1]}.0{scientific[2]}")
    with_unit = rewrite.unit_tail(joined)
    texts += [text for text in (with_unit, rewrite.named_point(joined)) if text is not None]
    if r"\vec" in joined:
        texts.append(re.sub(r"\\vec([ijk])(?![A-Za-z])", r" \1 ", joined))
    found: list[Node] = []
    for candidate in texts:
        try:
            node = _vector(_parse_tokens(candidate))
        except (Unparsed, RecursionError, ValueError, ZeroDivisionError, OverflowError, IndexError):
            continue
        if node not in found:
            found.append(node)
    if not found and "=" in joined and not re.search(r"[<>]|\\(?:le|ge|ne|in|approx|equiv)(?![a-z])|[,;]", joined):
        with contextlib.suppress(Unparsed, RecursionError, ValueError, ArithmeticError, IndexError):
            before, part = joined.rsplit("=", 1)
            last = _parse_tokens(part)  # a chain whose last part can be read
            if last[:2] != ("num", 0) or re.search(r"=\s*[A-Za-z]\s*$", before):  # "… = 0" says nothing without its left side
                found.append(last)
    if not found and "⟦" in cleaned:
        inside = re.fullmatch(r"⟦([^⟦⟧]*)⟧", cleaned)
        if inside:
            found.append(("text", word_key(inside.group(1))))
    if len(found) == 1 and found[0][0] == "sym" and re.fullmatch(r"⟦[^⟦⟧]*⟧", cleaned) and len(found[0][1]) > 1:
        inner = readings(cleaned.strip("⟦⟧"))
        return inner or (("text", found[0][1]),)
    return tuple(found)


_readings_cached = lru_cache(maxsize=8192)(_readings)
