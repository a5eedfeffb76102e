r"""An answer's readings: the trees it may stand for, likeliest first.

Most answers have one. "1,234" is a number or a list, "1,22" a list or a decimal comma, "xy" a word or a product.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

from mathrl.grading import nodes as n
from mathrl.grading.atoms import FUNCTIONS, GREEK
from mathrl.grading.latex import Unparsed, clean, word_key
from mathrl.grading.numbers import is_hedge
from mathrl.grading.parser import parse
from mathrl.grading.units import UNITS
from mathrl.grading.words import TABLES
from mathrl.text import number_words

CACHED_CHARS = 200
"""Readings of longer answers are not kept, so that the cache stays small."""

_ALL_REALS = re.compile(r"(?:set of )?(?:all|any|every) (?:real(?: number)?s?)|real numbers|reals")
_ALL_BUT = re.compile(
    r"(?:all|any|every) real(?: number)?s? (?:except|but|other than|excluding|besides|not equal to) (.{1,80})", re.IGNORECASE
)
_NO_SOLUTION = re.compile(
    r"(?:there (?:is|are) )?no (?:real )?(?:solutions?|roots?)(?: exists?)?|empty set|empty|none|no such \w+(?: exists?)?"
)
_WORDS = re.compile(r"(?:[Aa]\s+(?=[A-Za-z]{4})|I\s+(?=[a-z]{2}))?[A-Za-z]{2,}(?:[\s'-]+[A-Za-z]+)*\s*")
_APPLIED = re.compile(r"(?:arc)?(?:sin|cos|tan|cot|sec|csc|sinh|cosh|tanh|ln|log|exp|sqrt)(?:\s+[a-z]{1,2}){1,3}\s*")
_MATHS_WORDS = FUNCTIONS | GREEK | {"pi", "infty", "infinity", "inf", "oo"}
_LETTERS = re.compile(r"[a-z]{2}|[b-df-hj-np-tv-z]{3}|abc|abd|bcd|acd|[A-Z]{2}")

_BRACKETS = re.compile(r"\\[{}]|[()\[\]]")
_GROUPS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,]|,\s*\d)|(?<![\d.,])\d{1,2}(?:,\d{2})+,\d{3}(?![\d,]|,\s*\d)")
_SPACED = re.compile(r"(?<![\d.,/^_])\d{1,3}(?: \d{3})+(?![\d/ ])")
_POINT_GROUPS = re.compile(r"([-+]?)(\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:\.\d{3})+(?=,))(?:,(\d+))?(\D*)")
_DECIMAL_COMMA = re.compile(r"([-+]?)(\d+),(\d+)(e[-+]?\d{1,3})?(\D*)", re.IGNORECASE)
_MIXED = re.compile(r"(?<![\d.}/^_])(\d{1,9})[ -](\d{1,9})\s*/\s*(\d{1,9})(?![\d.^])")
_BARRED = re.compile(r"(\d{0,30})\.(\d{0,30})\\(?:bar|dot|overset\{\.\})\s*\{?(\d{1,30})\}?(?:(\d{0,10})\\dot\s*\{?(\d)\}?)?")
_DOTTED = re.compile(r"(\d{0,30})\.(\d{0,12}?)(\d{1,6}?)\3{2,9}(?:\s*\\ldots|\.\.\.)")
_ARGUMENT = r"\s*(\{[^{}]{1,20}\}|\w)"
_CHOOSE = re.compile(rf"(?<![A-Za-z\\])(?:⟦C⟧|C)\s*(?:_{_ARGUMENT}\s*\^{_ARGUMENT}|\^{_ARGUMENT}\s*_{_ARGUMENT})")
_NUMBER_BEFORE = re.compile(r"(?:^|[A-Za-z]{2}\s+|[:,;$]\s*)(-?[\d.(][\d.+*/^() -]*)$")
_NUMBERED = re.compile(r"(?:\(\s*\d{1,2}\s*\)\s*){2,12}")
_REMAINDER = re.compile(r"(\d{1,15})\s*[,;]?\s*⟦?\s*(?:with )?(?:r|rem|remainder)\.?(?: of)?\s*⟧?\s*(\d{1,15})", re.IGNORECASE)
_LEAD = re.compile(
    r"^(?:(?:final\s+)?answer(?:\s+is)?\s*[:=]?|the\s+(?:final\s+)?answer\s+is\s*:?|therefore,?|thus,?|so,?|is|approximately|about|exactly"
    r"|=|:|(?!(?:yes|true|false)\b)[A-Za-z]{3,15}(?:\s[a-z]{3,15})?\s*:)\s+(?=\S)",
    re.IGNORECASE,
)
_HEAD = r"\s*[,;]?\s*\(?\s*⟦?\s*[,;(]?\s*(?:(?:where|for|with|and|,)\s*)*(?:(?:all|any|every|some|an)\s*)?"
_WHOLE_BEFORE = re.compile(_HEAD + r"integers?\s*(?:values? of)?\s*⟧?\s*([A-Za-z])\s*⟦?\)?⟧?$")
_WHOLE_AFTER = re.compile(
    _HEAD
    + r"⟧?\s*(?<![A-Za-z\\])([A-Za-z])\s*(?:\\in\s*(?:\\bb)?Z|⟦?\s*(?:is|are|be|∈|in)\s+(?:(?:an|any|some)\s+)?integers?\s*⟧?)\s*⟦?\)?⟧?$"
)
"""What says that a letter counts: "where k is an integer", "(k \\in \\mathbb{Z})", "for integer n"."""
MAX_SAID = 100
"""That is said in the last so many characters: on longer texts the patterns would be slow."""
_BROKEN = re.compile(r"(?<!\$)\$(?!\$)[ \t]*\n|\\\([ \t]*\n")
"""Inline mathematics does not span lines."""
_NO_CHAIN = re.compile(r"[<>]|\\(?:le|ge|ne|in|approx|equiv)(?![a-z])|[,;]|\.\s+[A-Z]")

_UNIT = (
    "|".join(sorted((re.escape(name) for name in UNITS if name.isalpha() and name != "omega"), key=len, reverse=True))
    + r"|[kcmMGnp]?(?:m|g|s|J|N|W|V|A|K|L|Hz|Pa|eV|mol|T|F|C)|erg|AU|pc|ly|k?\\Omega|\\mu\s*[A-Za-z]{1,2}|\\mathring\{A\}|\\AA"
)
_UNIT_POWER = r"(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d))?"
_UNIT_TAIL = re.compile(
    rf"(?P<head>(?:.*[\d}})])|\\pi)(?P<gap>\s*)(?P<unit>(?:{_UNIT}){_UNIT_POWER}"
    rf"(?:\s*(?:/|\\cdot|\*|\bper\b|\s)\s*\(?(?:{_UNIT}){_UNIT_POWER}\)?){{0,5}})\.?"
)
_LONE_LETTERS = "msgJNWVKLA"
_PIECE = rf"\d+(?:\.\d+)?\s*⟦?\s*(?:{_UNIT})\s*⟧?"
_COMPOUND = re.compile(rf"-?{_PIECE}(?:\s*(?:,|and|⟦and⟧|\s)\s*{_PIECE}){{1,3}}\.?")
"""5 ft 3 in, 1 hour and 30 minutes."""
_PIECES = re.compile(rf"(\d+(?:\.\d+)?)\s*⟦?\s*({_UNIT})(?![A-Za-z])")
_PURE_NUMBER = re.compile(r"[-+]?[\d.,]+(?:\s*(?:\\times|\\cdot|\*)\s*10\s*\^\s*(?:\{\s*-?\d+\s*\}|-?\d+))?|[-+]?[\d.]+[eE][-+]?\d+")
_UNIT_VECTORS = (n.Sym(r"\veci"), n.Sym(r"\vecj"), n.Sym(r"\veck"))


def readings(text: str) -> tuple[n.Node, ...]:
    """All readings of an answer, likeliest first; empty where there is none. An answer of letters alone is a word first."""
    return _readings_cached(text) if len(text) <= CACHED_CHARS else _readings(text)


def _readings(text: str) -> tuple[n.Node, ...]:
    try:
        cleaned = clean(text)
    except Unparsed:
        return ()
    if not cleaned:
        return ()
    words = _word_readings(cleaned.strip("⟦⟧ "))
    if words:
        return words
    lead = _LEAD.match(cleaned)
    if lead and not _BROKEN.search(text):
        cleaned = cleaned[lead.end() :].strip()
    said = _WHOLE_BEFORE.sub(r", \1 \\in \\bbZ ", cleaned[-MAX_SAID:])
    cleaned = cleaned[:-MAX_SAID] + _WHOLE_AFTER.sub(r", \1 \\in \\bbZ ", said)
    trees = [node for candidate in _writings(cleaned.removeprefix(r"\approx").strip()) if (node := _parsed(candidate))]
    found = list(dict.fromkeys(node for node in trees if not is_hedge(node))) if trees else _last_part(cleaned)
    inside = re.fullmatch(r"⟦([^⟦⟧]*)⟧", cleaned)
    if inside and (not found or (isinstance(found[0], n.Sym) and len(found[0].name) > 1)):
        return readings(inside[1]) or (n.Text(word_key(inside[1])),)
    return tuple(found)


_readings_cached = lru_cache(maxsize=8192)(_readings)
clear_cache = _readings_cached.cache_clear


def _word_readings(plain: str) -> tuple[n.Node, ...]:
    """Readings of letters alone: number words, words for sets, words; and a product of two or three letters."""
    if "⟦" in plain or not _WORDS.fullmatch(plain):
        return _all_but(plain)
    words = word_key(plain)
    number = number_words.fraction(plain)
    if number is not None:
        top, bottom = n.Num(Fraction(number[0])), n.Num(Fraction(number[1]))
        return (top if number[1] == 1 else n.Div(top, bottom), n.Text(words))
    if _NO_SOLUTION.fullmatch(words):
        return (n.Text(words), n.Empty())
    if _ALL_REALS.fullmatch(words):
        return (n.Text(words), n.Reals())
    if _LETTERS.fullmatch(plain) and plain.lower() not in _MATHS_WORDS | TABLES["no product"].keys():
        return (n.Text(words), n.Mul(tuple(map(n.Sym, plain))))
    if plain in _MATHS_WORDS or _APPLIED.fullmatch(plain) or re.search(r"\b(?:and|or)\b", words):
        return ()
    return (n.Text(words),)


def _all_but(plain: str) -> tuple[n.Node, ...]:
    r"""All real numbers except 4: the real line without a point."""
    match = _ALL_BUT.fullmatch(plain.replace("⟦", " ").replace("⟧", " ").strip())
    rest = _parsed(re.sub(r"^[a-z]\s*=", "", match[1])) if match else None
    if rest is None:
        return ()
    return (n.SetOp("minus", n.Reals(), n.Braces(rest.items if isinstance(rest, n.Items) else (rest,))),)


def _parsed(text: str) -> n.Node | None:
    try:
        return _dots(_vector(parse(text)))
    except (Unparsed, RecursionError, ValueError, ArithmeticError, IndexError, AttributeError):
        return None


def _writings(text: str) -> Iterator[str]:
    """The text with its numbers in the grammar's writing, in each way they can be read."""
    if _NUMBERED.fullmatch(text):  # (1)(3) names statements, it is no product
        text = ", ".join(re.findall(r"\d+", text))
    if remainder := _REMAINDER.fullmatch(text):
        yield f"W({remainder[1]},{remainder[2]})"
    if groups := _POINT_GROUPS.fullmatch(text):
        sign, whole, decimals, tail = groups.groups()
        yield f"{sign}{whole.replace('.', '')}.{decimals or 0}{tail}"
    text = _DOTTED.sub(_repeating, _BARRED.sub(_repeating, text))
    text = _outside_brackets(_SPACED, text)
    text = _MIXED.sub(lambda m: m[0] if "-" in m[0] else rf"{m[1]}\frac{{{m[2]}}}{{{m[3]}}}", text)
    joined = _outside_brackets(_GROUPS, text)
    if len(joined) <= 120 and _COMPOUND.fullmatch(joined):
        yield ("-" if joined[0] == "-" else "") + " ".join(f"{number} ⟦{unit}⟧" for number, unit in _PIECES.findall(joined))
    yield from filter(None, (_unit_tail(joined), joined))
    if joined != text and not re.search(r",\s*0\d\d", text):  # no list has 000 in it
        yield text
    comma = _DECIMAL_COMMA.fullmatch(text)
    two = comma and comma[3] == "0" and not comma[5].strip()  # 2,0 is 2 and 0: nobody writes a whole number so
    if comma and not two and (len(comma[3]) != 3 or len(comma[2]) > 3 or comma[2].startswith("0") or comma[4]):
        yield "{}{}.{}{}{}".format(*(part or "" for part in comma.groups()))
    if scientific := re.fullmatch(r"([-+]?\d+)([eE][-+]\d{1,3})", text):
        yield f"{scientific[1]}.0{scientific[2]}"
    if "C" in joined and (chosen := _CHOOSE.sub(_binomial, joined)) != joined:
        yield chosen
    if r"\vec" in joined:
        yield re.sub(r"\\vec([ijk])(?![A-Za-z])", r" \1 ", joined)


def _outside_brackets(pattern: re.Pattern, text: str) -> str:
    """Remove commas and spaces from the matches of `pattern` that lie in no bracket."""
    if not pattern.search(text):
        return text
    depths, depth, last = [], 0, 0
    for match in _BRACKETS.finditer(text):
        depths.append((last, match.start(), depth))
        depth += 1 if match.group()[-1] in "([{" else -1
        last = match.end()
    depths.append((last, len(text), depth))

    def joined(match: re.Match) -> str:
        level = next((level for begin, end, level in depths if begin <= match.start() < end), 1)
        return re.sub(r"[, ]", "", match.group()) if level <= 0 else match.group()

    return pattern.sub(joined, text)


def _binomial(match: re.Match) -> str:
    """C_n^k as a binomial coefficient; as it is where it may be the power of a constant (C_1^2)."""
    n, k = ((match[one] or match[other]).strip("{ }") for one, other in ((1, 4), (2, 3)))
    numbers = n.isdigit() and k.isdigit()
    return match[0] if n.isdigit() and (int(n[:4]) < 3 or (numbers and int(k[:4]) > int(n[:4]))) else rf"\binom{{{n}}}{{{k}}}"


def _repeating(match: re.Match) -> str:
    whole, fixed, block, *further = match.groups()
    block += "".join(part for part in further if part)
    top = int((whole + fixed + block) or "0") - int((whole + fixed) or "0")
    return rf"\repeating{{{top}}}{{{(10 ** len(block) - 1) * 10 ** len(fixed)}}}"


def _unit_tail(text: str) -> str | None:
    r"""A number with a unit in bare letters ("9.8 m/s^2", "4\,\Omega") with the unit as text; None for other texts.

    One letter is a unit only where it is a usual one and after a space, or with a power behind a decimal, because 5x is a product.
    """
    match = _UNIT_TAIL.fullmatch(text) if len(text) <= 120 and "=" not in text else None
    if match is None or not _PURE_NUMBER.fullmatch(match["head"].strip()):
        return None
    unit = match["unit"].strip()
    letter, power, _ = unit.partition("^")
    measured = match["gap"] or (power and "." in match["head"])
    if len(letter.strip()) == 1 and (not measured or letter[0] not in _LONE_LETTERS):
        return None
    bare = re.sub(r"[\^{}()\\]", "", re.sub(r"\\cdot|\*", " ", re.sub(r"\\mu\s*", "micro ", unit)))
    return f"{match['head']} ⟦{' '.join(bare.split())}⟧"


def _last_part(text: str) -> list[n.Node]:
    """The last part of a chain of equations that cannot be read as a whole."""
    if "=" not in text or _NO_CHAIN.search(text):
        return []
    before, part = text.rsplit("=", 1)
    named = re.search(r"[A-Za-z\\⟦]", before) and not is_false_equation(before, part)  # 5 := 7 names nothing
    node = _parsed(part) if named else None
    bare = re.search(r"=\s*[A-Za-z]\s*$", before)
    return [] if node is None or (node == n.ZERO and not bare) else [node]  # "… = 0" says nothing without its left side


def is_false_equation(before: str, behind: str) -> bool:
    """Is what stands before an equals sign, or the number directly before it, another number than the one behind it, or no solution?"""
    number = _NUMBER_BEFORE.search(before)
    if _PURE_NUMBER.fullmatch(before.strip()) and n.Empty() in readings(behind):
        return True
    nodes = [_parsed(f"{left} = {behind}") for left in (before, number[1] if number else "")]
    return any(node is not None and is_hedge(node) for node in nodes)


def _vector(node: n.Node) -> n.Node:
    r"""A sum of multiples of \veci, \vecj, \veck as the tuple of its components; raises `Unparsed` where it is none but holds one."""
    if not any(part in _UNIT_VECTORS for part in n.walk(node)):
        return node
    components: dict[n.Node, n.Node] = {}
    for term in node.items if isinstance(node, n.Add) else (node,):
        sign, term = n.signed(term)
        factors = term.items if isinstance(term, n.Mul) else (term,)
        names = [part for part in factors if part in _UNIT_VECTORS]
        rest = n.product(tuple(part for part in factors if part not in _UNIT_VECTORS))
        if len(names) != 1 or names[0] in components or any(part in _UNIT_VECTORS for part in n.walk(rest)):
            raise Unparsed("unit vectors in other than a sum")
        components[names[0]] = n.Neg(rest) if sign < 0 else rest
    size = 3 if _UNIT_VECTORS[2] in components else 2
    return n.Bracket("(", ")", tuple(components.get(name, n.ZERO) for name in _UNIT_VECTORS[:size]))


def _dots(node: n.Node) -> n.Node:
    """A list with dots between whole numbers in equal steps, written out; others as they are."""
    if not isinstance(node, n.Items | n.Braces) or n.DOTS not in node.items:
        return node
    at = node.items.index(n.DOTS)
    numbers = [part.value for part in (*node.items[:at], *node.items[at + 1 :]) if isinstance(part, n.Num)]
    if at < 2 or at == len(node.items) - 1 or len(numbers) != len(node.items) - 1:
        return node
    step = numbers[1] - numbers[0]
    count = (numbers[at] - numbers[0]) / step if step else Fraction(-1)
    if count.denominator != 1 or not at <= count <= 64 or any(numbers[k] != numbers[0] + k * step for k in range(at)):
        return node
    items = tuple(n.Num(numbers[0] + k * step) for k in range(int(count) + 1)) + node.items[at + 2 :]
    return n.Items(items, node.joiner) if isinstance(node, n.Items) else n.Braces(items)
