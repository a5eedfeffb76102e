r"""Answers to trees: a recursive-descent parser for the mathematics that stands in a box. Nodes are in nodes.py."""

from __future__ import annotations

from fractions import Fraction

from mathrl.grading import nodes as n
from mathrl.grading.atoms import FUNCTIONS, GREEK, OPENS_FACTOR, Atoms, nested
from mathrl.grading.latex import Unparsed, tokenize, word_key
from mathrl.grading.units import MULTIPLIERS, POWERS, changes_value, is_known, size_of, without_comparison
from mathrl.text.number_words import ONES

_RELATIONS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "!=", r"\le": "<=", r"\ge": ">=", r"\ne": "!=",
    r"\in": "in", r"\rightarrow": "->", r"\approx": "~", r"\equiv": "=", r"\doteq": "~", r"\ll": "<", r"\gg": ">",
}  # fmt: skip
_SET_OPERATORS = {r"\cup": "union", r"\cap": "inter", r"\setminus": "minus", "U": "union"}
_CONNECTIVES = {r"\wedge": "and", r"\vee": "or"}
_PERCENT = frozenset({"percent", "pct", "percentage", "percents"})
_DEGREE = frozenset({"degree", "degrees", "deg"})
_NUMERIC = n.Num | n.Neg | n.Factorial | n.Percent | n.Degrees | n.Paren | n.Div | n.Pow | n.Add | n.Mul | n.Fn
_TIMES, _OVER = ("*", r"\cdot", r"\times", r"\bullet"), ("/", r"\div")
_SCALES = {"F": "fahrenheit", "C": "celsius"}
_BASES = {word: str(value) for word, value in ONES.items() if 2 <= value <= 10}
_SIGNS = {r"\pm": 1, r"\mp": -1, "+": None, "-": None}


class Parser(Atoms):
    """Lists, relations, sums, products and what stands behind a factor."""

    def connective(self) -> str | None:
        kind, text = self.peek()
        if kind == "op" and text in ",;":
            return ","
        if kind in ("word", "text") and word_key(text) in ("and", "or"):
            return word_key(text)
        return _CONNECTIVES.get(text) if kind == "cmd" else None

    def at_close(self) -> bool:
        kind, text = self.peek()
        return kind == "end" or (kind == "op" and text in ")]}") or (kind, text) == ("cmd", r"\}")

    @nested
    def items(self) -> tuple[list[n.Node], str]:
        """Items up to a closing token, and what joined them ("," where several did)."""
        found: list[n.Node] = []
        joiner = ","
        while True:
            while mark := self.connective():
                joiner = mark if mark != "," else joiner
                self.at += 1
            if self.at_close():
                break
            found.append(self.relation())
            if self.at_close():
                break
            if self.connective() is None:
                raise Unparsed(f"unexpected {self.peek()[1]}")
        return found, joiner

    @nested
    def relation(self) -> n.Node:
        terms = [self.set_expression()]
        ops: list[str] = []
        while self.peek()[0] in ("op", "cmd") and self.peek()[1] in _RELATIONS:
            ops.append(_RELATIONS[self.take()[1]])
            terms.append(self.set_expression())
        node = n.Rel(tuple(terms), tuple(ops)) if ops else terms[0]
        return n.Mod(node, self.argument(whole=True)) if self.accept(r"\pmod") else node

    def set_expression(self) -> n.Node:
        left = self.ratio()
        while self.peek()[1] in _SET_OPERATORS and (self.peek()[0] == "cmd" or isinstance(left, n.Bracket | n.SetOp | n.Braces)):
            left = n.SetOp(_SET_OPERATORS[self.take()[1]], left, self.ratio())
        return left

    def ratio(self) -> n.Node:
        parts = [self.sum()]
        while self.accept(":"):
            parts.append(self.sum())
        return n.Ratio(tuple(parts)) if len(parts) > 1 else parts[0]

    @nested
    def sum(self) -> n.Node:
        terms: tuple[n.Node, ...] = () if self.sees(_SIGNS) else (self.term(),)
        while text := self.one_of(_SIGNS):
            if text == "+" and not terms and self.accept("-"):
                text = r"\pm"  # "+-5" is how plain text writes it
            if sign := _SIGNS[text]:
                terms = (n.PlusMinus(n.total(terms) if terms else None, self.term(), sign),)
            else:
                terms += (n.Neg(self.term()) if text == "-" else self.term(),)
        return n.total(terms)

    @nested
    def term(self) -> n.Node:
        node = self.factor()
        while True:
            kind, _ = self.peek()
            if self.one_of(_TIMES):
                self.accept("+")
                node = _product(node, self.factor())
            elif self.one_of(_OVER):
                self.accept("+")
                node = n.Div(node, self.factor())
            elif kind in ("text", "word") and self.unit_follows(node):
                node = self.unit(node)
            elif kind == "num" and _is_quantity(node):
                node = self.compound(node)
            elif self.starts_factor():
                node = self.juxtapose(node, self.factor())
            else:
                break
        return node

    def starts_factor(self) -> bool:
        kind, text = self.peek()
        if kind in ("op", "cmd"):
            return not self.in_abs if text in ("|", r"\|") else text in OPENS_FACTOR
        return kind == "num" or (kind == "word" and word_key(text) not in ("and", "or"))

    def unit_follows(self, node: n.Node) -> bool:
        """A word after a value that is a unit and not a factor."""
        kind, text = self.peek()
        if kind == "text":
            words = word_key(text)
            return words not in ("and", "or") and len(words.split()) <= 5
        word = text.lower()
        if word in ("and", "or") or not _is_numeric(node):
            return False
        if (
            word in _PERCENT
            or word in _DEGREE
            or word.removesuffix("s") in MULTIPLIERS
            or (len(word) > 1 and (is_known(word) or word in POWERS))
        ):
            return True
        next_kind, next_text = self.peek(1)
        return (
            len(word) >= 3
            and word not in FUNCTIONS
            and word not in GREEK
            and word not in ("pi", "infty")
            and (next_kind in ("end", "word") or (next_kind == "op" and next_text in ",;"))
        )

    def unit(self, node: n.Node) -> n.Node:
        kind, text = self.take()
        words = [text.lower()] if kind == "word" else word_key(text).split()
        while kind == "word" and self.peek()[0] == "word" and self.connective() is None and len(words) < 5:
            words.append(self.take()[1].lower())
        while words and words[0].removesuffix("s") in MULTIPLIERS:
            factor = Fraction(MULTIPLIERS[words.pop(0).removesuffix("s")])
            node = n.Num(node.value * factor) if isinstance(node, n.Num) else n.Mul((node, n.Num(factor)))
        if not words:
            return node
        if words[0] in _PERCENT and len(words) == 1:
            return n.Percent(node)
        if words[0] in _DEGREE:
            return n.Quantity(node, _SCALES[words[1][0].upper()]) if words[1:] and words[1][0] in "cf" else n.Degrees(node)
        name = self.unit_name(" ".join(words))
        said = without_comparison(name) if isinstance(node, n.Num) else name
        if (changes_value(said) and size_of(name) is None) or name[0].isdigit():
            raise Unparsed("words that are no unit")
        return n.Quantity(node.inner, f"{node.unit} {name}") if isinstance(node, n.Quantity) else n.Quantity(node, name)

    def unit_name(self, name: str) -> str:
        """A unit with the powers and further units behind it: m/s^2."""
        while True:
            if self.accept("^"):
                power = self.argument(signed=True)
                number = power.inner if isinstance(power, n.Neg) else power
                sign = "" if number is power else "-"
                name += f"^{sign}{number.value}" if isinstance(number, n.Num) else "^?"
            elif self.peek() == ("op", "/") and self.peek(1)[0] in ("text", "word"):
                self.at += 1
                name += "/" + word_key(self.take()[1])
            elif self.peek()[0] == "text" and self.connective() is None:
                name += " " + word_key(self.take()[1])
            else:
                return name

    def compound(self, node: n.Node) -> n.Node:
        """5 ft 3 in: a quantity, and the rest of it in a smaller unit."""
        further = self.factor()
        if self.peek()[0] not in ("text", "word") or not self.unit_follows(further):
            raise Unparsed("a number behind a unit")
        further = self.unit(further)
        return n.Add((*(node.items if isinstance(node, n.Add) else (node,)), further))

    def factor(self) -> n.Node:
        node = self.atom()
        while True:
            if self.one_of(("^", "**")):
                node = self.power(node)
            elif self.accept("!"):
                node = n.Factorial(node)
            elif self.one_of(("%", r"\%")):
                node = n.Percent(node)
            elif _is_numeric(node) and self.accept(r"\circ"):
                node = self.degree(node)
            elif isinstance(node, n.Sym | n.Call) and self.accept("'"):
                node = self.prime(node)
            elif self.accept("_"):
                node = self.subscript(node)
            else:
                return node

    def power(self, node: n.Node) -> n.Node:
        if self.accept(r"\circ"):
            return self.degree(node)
        if [self.peek(ahead)[1] for ahead in range(3)] == ["{", r"\circ", "}"]:
            self.at += 3
            return self.degree(node)
        return n.Pow(node, self.argument(signed=True))

    def degree(self, node: n.Node) -> n.Node:
        kind, text = self.peek()
        if kind in ("word", "text") and text in _SCALES:
            self.at += 1
            return n.Quantity(node, _SCALES[text])
        return n.Degrees(node)

    def prime(self, node: n.Sym | n.Call) -> n.Node:
        if isinstance(node, n.Call):
            return n.Call(node.name + "'", node.args)
        args = self.arguments_of_call()  # f'(0) is no product
        return n.Sym(node.name + "'") if args is None else n.Call(node.name + "'", args)

    def subscript(self, node: n.Node) -> n.Node:
        label = self.label().strip("()")
        if isinstance(node, n.Sym):
            return n.Sym(f"{node.name}_{label}")
        if isinstance(node, n.Bracket) and len(node.items) == 1:
            node = node.items[0]
        if not isinstance(node, n.Num) or node.places != 0:
            raise Unparsed("a subscript on an expression")
        base = _BASES.get(label, label)
        if not base.isdigit() or len(base) > 3:
            raise Unparsed("a number with a subscript that is no base")
        return node if base == "10" else n.Based(str(node.value.numerator), int(base))

    def juxtapose(self, left: n.Node, right: n.Node) -> n.Node:
        r"""Two factors side by side: a mixed number (2\frac13), or a product; two bare numbers are no answer."""
        mixed = _mixed(left, right)
        if mixed is not None:
            return mixed
        if _opens_with_number(right) and isinstance(left, n.Num | n.Div | n.Percent | n.Degrees):
            raise Unparsed("two numbers side by side")
        last = left.items[-1] if isinstance(left, n.Mul) else left
        if isinstance(right, n.Num) and isinstance(last, n.Sym):
            raise Unparsed("a number after a letter")
        if isinstance(left, n.Bracket | n.Braces | n.Items) or isinstance(right, n.Braces | n.Items):
            raise Unparsed("brackets side by side")
        if isinstance(left, n.Quantity) or isinstance(right, n.Quantity):
            raise Unparsed("a unit between factors")
        return _product(left, right)


def _mixed(left: n.Node, right: n.Node) -> n.Node | None:
    match left, right:
        case n.Num(value=whole, places=0), n.Div(top=n.Num(value=top, places=0), bottom=n.Num(value=bottom, places=0)) if 0 < top < bottom:
            return n.Num(whole + top / bottom, None)
        case n.Num(), n.Percent(inner=n.Div() as part) | n.Degrees(inner=n.Div() as part):
            mixed = _mixed(left, part)  # the sign belongs to the whole mixed number
            return None if mixed is None else type(right)(mixed)
    return None


def _is_quantity(node: n.Node) -> bool:
    return isinstance(node, n.Quantity) or (isinstance(node, n.Add) and all(isinstance(part, n.Quantity) for part in node.items))


def _is_numeric(node: n.Node) -> bool:
    """No symbols but pi inside: something a unit can follow."""
    return all(isinstance(part, _NUMERIC) or part in (n.PI, n.INFINITY) for part in n.walk(node))


def _product(left: n.Node, right: n.Node) -> n.Node:
    return n.Mul((*left.items, right) if isinstance(left, n.Mul) else (left, right))


def _opens_with_number(node: n.Node) -> bool:
    while isinstance(node, n.Pow | n.Factorial | n.Percent | n.Degrees | n.Quantity):
        node = node.base if isinstance(node, n.Pow) else node.inner
    return isinstance(node, n.Num)


def parse(text: str) -> n.Node:
    """The tree of a cleaned answer; raises `Unparsed`, or RecursionError and ValueError where the budget ends."""
    parser = Parser(tokenize(text))
    found, joiner = parser.items()
    if parser.peek()[0] != "end":
        raise Unparsed(f"unexpected {parser.peek()[1]}")
    if not found:
        raise Unparsed("nothing")
    return found[0] if len(found) == 1 else n.Items(tuple(found), joiner)
