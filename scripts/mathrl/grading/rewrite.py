r"""Answers in other people's notation, rewritten before they are parsed: data structures, labelled parts, systems, plain names.

Text in, text out; everything is a pattern or a JSON scanner on a text of bounded length, and nothing is evaluated.
"""

from __future__ import annotations

import json
import re

from mathrl.grading.words import ONES, SCALES, TENS

_QUOTED = re.compile(r"""["']""")
_NAME = re.compile(r"\\?(?:alpha|beta|gamma|delta|lambda|mu|theta|sigma|[A-Za-z])(?:_?\{?\d+\}?)?")
_ANSWER_KEYS = ("answer", "final_answer", "finalAnswer", "final answer", "result")
_GREEK_NAME = re.compile(r"^(?=(?:alpha|beta|gamma|delta|lambda|mu|theta|sigma)(?:_|$))")


def _refuse(text: str) -> str:
    raise ValueError(text)


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse)


def containers(text: str) -> str:
    """JSON or Python data with quotes in it: ['B', 'F'] as "B, F", {"alpha": 1, "beta": 4} as assignments; others as they are.

    An object with an "answer" stands for it. Names that are no variables are left out, and the values then keep their order.
    """
    start = text.lstrip()
    if not start.startswith(("{", "[")) or not _QUOTED.search(start):
        return text
    if '"' not in start:
        start = start.replace("'", '"')
    try:
        found, end = _DECODER.raw_decode(start)
    except (ValueError, RecursionError):
        return text
    if start[end:].strip(" \t\n,.;}]\"'`"):
        return text
    if isinstance(found, dict):
        named = next((key for key in _ANSWER_KEYS if key in found), None)
        if named is not None:
            found = found[named]
        elif len(found) == 1:
            ((name, value),) = found.items()
            found = {name: value} if _NAME.fullmatch(name) and isinstance(value, str) else value
    return _written(found) or text


def _written(found: object) -> str | None:
    """The data as an answer; None where it is nested deeper than a list of lists."""
    if isinstance(found, str):
        return found
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, list) and all(isinstance(part, str) for part in found):
        return ", ".join(found)
    if isinstance(found, list) and all(isinstance(part, list) and all(isinstance(item, str) for item in part) for part in found):
        return ", ".join(f"({', '.join(part)})" for part in found)
    if isinstance(found, dict) and found and all(isinstance(value, str) for value in found.values()):
        if all(_NAME.fullmatch(name) for name in found):
            return ", ".join(f"{_GREEK_NAME.sub(chr(92) * 2, name)} = {value}" for name, value in found.items())
        return f"({', '.join(found.values())})"
    return None


_LABEL = re.compile(r"(?:^|(?<=[\s,;.]))(?:\(([a-h]|[1-9])\)|([a-h])[.)])\s*(?=\S)")
_JOINT = re.compile(r"(?:[\s,;.]|\band\b)+$")


def labelled_parts(text: str) -> str:
    r""" "a. 3, b. 4" or "(1) 5; (2) 7" as the tuple of its parts; other texts, and parts that are lists themselves, as they are."""
    marks = list(_LABEL.finditer(text[:600])) if len(text) <= 600 else []
    if len(marks) < 2 or marks[0].start() != 0:
        return text
    labels = [match.group(1) or match.group(2) for match in marks]
    first = ord(labels[0])
    if labels[0] not in "a1" or labels != [chr(first + index) for index in range(len(labels))]:
        return text
    ends = [match.start() for match in marks[1:]] + [len(text)]
    parts = [_JOINT.sub("", text[match.end() : end]).strip() for match, end in zip(marks, ends, strict=True)]
    if not all(parts) or any(re.search(r"[,;]", part) for part in parts):
        return text
    return f"({', '.join(parts)})"


_SYSTEM = re.compile(
    r"\s*(?:\\left\s*)?(?P<brace>\\\{)?\s*\\begin\s*\{(?P<name>cases|array|aligned|gathered|matrix)\}\s*(?:\{[lcr| ]*\})?"
    r"(?P<rows>.*?)\\end\s*\{(?P=name)\}\s*(?:\\right\s*\.)?\s*[.,]?\s*",
    re.DOTALL,
)
_RELATED = re.compile(r"=|<|>|\\(?:le|ge|ne|leq|geq|neq|leqslant|geqslant)(?![a-z])")


def system(text: str) -> str:
    r"""A brace around equations as their list: \begin{cases} x=1 \\ y=2 \end{cases} as "x=1, y=2". Piecewise functions stay."""
    if r"\begin" not in text or len(text) > 1_000:
        return text
    bare = text.replace("$", " ")
    match = _SYSTEM.fullmatch(bare)
    if match is None or (match["name"] not in ("cases", "aligned", "gathered") and not match["brace"]):
        return text
    rows = [re.sub(r"\s*&\s*(?==)|(?<==)\s*&\s*", "", row).strip().rstrip(",;.") for row in re.split(r"\\\\", match["rows"])]
    rows = [row for row in rows if row]
    if not rows or any("&" in row or not _RELATED.search(row) or r"\text" in row or "if " in row for row in rows):
        return text
    return ", ".join(rows)


_SET_COLON = re.compile(r"(\\(?:\{|lbrace)\s*[a-z]\s*(?:\\in\s*\\mathbb\s*\{?\s*[RZNQ]\s*\}?)?\s*)(?::|\\colon)")
_TIMES_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)")
_MODULE = re.compile(r"(?<![A-Za-z\\])(?:np|numpy|math|sympy|sp|cmath)\.(?=[a-z])")
_MATRIX_CALL = re.compile(r"^\s*(?:Matrix|array|matrix)\s*\((\s*\[.*\]\s*)\)\s*$", re.DOTALL)
_LOG_BASE = re.compile(r"(?<![A-Za-z\\])log(2|10)\s*\(")
_CUBE_ROOT = re.compile(r"(?<![A-Za-z\\])cbrt\s*\(")
_REPEATING_BRACKET = re.compile(r"(?<![\d.])(\d+\.\d*)\((\d{1,12})\)(?![\d.])")
_MOD_BRACKET = re.compile(
    r"(?:\\left\s*)?\(\s*\\?(?:(?:text|mathrm|operatorname)\s*\{\s*mod\s*\}|[bp]?mod)"
    r"(?:\s|\\ |~|\\,)*\{?\s*(\w{1,12})\s*\}?\s*(?:\\right\s*)?\)"
)
_MOD_BARE = re.compile(r"\\(?:bmod|mod|pmod)\s*\{?\s*(\w{1,12})\s*\}?|(?<=[\w)}\s])\s+mod\s+(\w{1,12})$")


def plain_names(text: str) -> str:
    r"""np.arcsin, log2(…), cbrt(…), 0.(3), (mod 4) and Matrix([[…]]) in LaTeX's words."""
    if ":" in text:
        text = _SET_COLON.sub(r"\1|", text)
    if "." in text:
        text = _MODULE.sub("", text)
        text = _REPEATING_BRACKET.sub(r"\1\\overline{\2}", text)
    if "(" in text:
        text = _MATRIX_CALL.sub(r"\1", text)
        text = _LOG_BASE.sub(r"\\log_{\1}(", text)
        text = _CUBE_ROOT.sub(r"\\sqrt[3](", text)
    if "^" in text:
        text = _TIMES_TEN.sub(r" \\times ", text)
    if "mod" in text:
        text = _MOD_BRACKET.sub(r"\\pmod{\1}", text)
        text = _MOD_BARE.sub(lambda m: rf"\pmod{{{m[1] or m[2]}}}", text)
    return text


_UNIT_VECTOR = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|hat|vec|widehat|overrightarrow|textbf)\s*(?:\{\s*)?"
    r"(?:\\(?:mathbf|hat|vec|boldsymbol|bm)\s*(?:\{\s*)?)?\\?(?P<name>[ijk])(?:math)?(?![A-Za-z])\s*(?P<close>\}*)"
)


def unit_vectors(text: str) -> str:
    r"""\mathbf{i}, \hat{\imath}, \vec j … as \veci, \vecj, \veck."""

    def marked(match: re.Match) -> str:
        opened = match.group().count("{")
        surplus = len(match["close"]) - opened
        return rf" \vec{match['name']} " + "}" * surplus if surplus >= 0 else match.group()

    return _UNIT_VECTOR.sub(marked, text) if "\\" in text else text


_PARTS = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10,
}  # fmt: skip


def number_in_words(words: str) -> tuple[int, int] | None:
    """(numerator, denominator) of "twenty-one", "two hundred and five", "half", "two thirds"; None for other words."""
    parts = words.lower().replace("-", " ").split()
    if not 1 <= len(parts) <= 12:
        return None
    if parts == ["half"] or parts == ["one", "half"] or parts == ["a", "half"]:
        return 1, 2
    if len(parts) == 2 and (parts[0] in ONES or parts[0] == "a"):
        bottom = _PARTS.get(parts[1]) or _PARTS.get(parts[1].removesuffix("s"))
        if bottom:
            return (1 if parts[0] == "a" else ONES[parts[0]]), bottom
    total, group, before = 0, 0, ""
    for index, word in enumerate(parts):
        if word in ONES and (before in ("", "hundred", "and", "scale") or (before == "tens" and 0 < ONES[word] < 10)):
            group, before = group + ONES[word], "ones" if ONES[word] < 10 else "teens"
        elif word in TENS and before in ("", "hundred", "and", "scale"):
            group, before = group + TENS[word], "tens"
        elif word == "hundred" and before == "ones" and 0 < group < 10:
            group, before = group * 100, "hundred"
        elif word in SCALES and before in ("ones", "teens", "tens", "hundred") and group and (not total or total % SCALES[word] == 0):
            if total and total // SCALES[word] < 1_000:
                return None
            total, group, before = total + group * SCALES[word], 0, "scale"
        elif word == "and" and before in ("hundred", "scale") and index + 1 < len(parts):
            before = "and"
        else:
            return None
    return total + group, 1


_BASE_UNIT = (
    r"(?:[kcmMGnp]?(?:m|g|s|J|N|W|V|A|K|L|l|Hz|Pa|eV|mol|T|F|C)|rad|min|hr|hrs|h|hours?|minutes?|seconds?|secs?|days?|years?|yr"
    r"|met(?:er|re)s?|kilomet(?:er|re)s?|centimet(?:er|re)s?|ft|feet|foot|inch(?:es)?|in|miles?|mi|yd|lbs?|erg|dyne?s?|AU|pc|ly|grams?|kilograms?"
    r"|k?\\Omega|\\mu\s*[A-Za-z]{1,2}|\\mathring\{A\}|\\AA)"
)
_UNIT_POWER = r"(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d))?"
_UNIT_TAIL = re.compile(
    rf"(?P<head>(?:.*[\d}})])|\\pi)(?P<gap>\s*)(?P<unit>{_BASE_UNIT}{_UNIT_POWER}"
    rf"(?:\s*(?:/|\\cdot|\*|\bper\b|\s)\s*\(?{_BASE_UNIT}{_UNIT_POWER}\)?){{0,5}})\.?"
)
_LONE_LETTERS = "msgJNWVKLA"
_PURE_NUMBER = re.compile(r"[-+]?[\d.,]+(?:\s*(?:\\times|\\cdot|\*)\s*10\s*\^\s*(?:\{\s*-?\d+\s*\}|-?\d+))?|[-+]?[\d.]+[eE][-+]?\d+")


def unit_tail(text: str) -> str | None:
    r"""A number with a unit in bare letters ("9.8 m/s^2", "5 kg m/s", "4\,\Omega") with the unit as text; None for other texts.

    One letter alone is a unit only after a space and only where it is a usual one, because 5x is a product.
    """
    if len(text) > 120 or "=" in text:
        return None
    match = _UNIT_TAIL.fullmatch(text)
    if match is None or not _PURE_NUMBER.fullmatch(match["head"].strip()):
        return None
    unit = match["unit"].strip()
    if len(unit) == 1 and (not match["gap"] or unit not in _LONE_LETTERS):
        return None
    bare = re.sub(r"\\mu\s*", "micro ", unit)
    bare = re.sub(r"\\(?:cdot)|\*", " ", bare)
    bare = re.sub(r"[\^{}()\\]", "", bare)
    return f"{match['head']} ⟦{' '.join(bare.split())}⟧"


_POINT = re.compile(r"[A-Z](?:_\{?\w\}?|')?\s*(\([^()]*,[^()]*\))")
_TO = re.compile(r"(\d{1,9}) to (\d{1,9})")


def named_point(text: str) -> str | None:
    """A(1, 2) without its name, "3 to 4" as a ratio; None for other texts."""
    match = _POINT.fullmatch(text) if len(text) <= 200 else None
    if match:
        return match[1]
    ratio = _TO.fullmatch(text)
    return f"{ratio[1]}:{ratio[2]}" if ratio else None
