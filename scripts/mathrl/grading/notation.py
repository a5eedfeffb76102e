r"""Other people's notation in the grammar's own: data structures, systems in a brace, labelled parts, names of programs.

Text in, text out; everything is a pattern or a JSON scanner on a text of bounded length, and nothing is evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

_QUOTED = re.compile(r"""["']""")
_NAME = re.compile(r"\\?(?:alpha|beta|gamma|delta|lambda|mu|theta|sigma|[A-Za-z])(?:_?\{?\d+\}?)?")
_GREEK_NAME = re.compile(r"^(?=(?:alpha|beta|gamma|delta|lambda|mu|theta|sigma)(?:_|$))")
_ANSWER_KEYS = ("answer", "final_answer", "finalAnswer", "final answer", "result")
_REMAINS = re.compile(r"""^\s*[{"'`]*(?:json)?\s*\{?\s*["'](?:answer|final_answer)["']\s*:\s*(.*)$""", re.DOTALL)


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def data(text: str) -> str:
    """JSON or Python data with quotes in it: {"alpha": 1, "beta": 4} as assignments; others as they are.

    An object with an "answer" stands for it. Names that are no variables are left out, and the values then keep their order.
    """
    if not _QUOTED.search(text) or not text.lstrip().startswith(("{", "[", '"', "'", "`")):
        return text
    found, inner = _decoded(text.lstrip())
    if found is not None and not _QUOTED.search(inner):
        return inner
    if isinstance(found, dict):
        found = next((found[key] for key in _ANSWER_KEYS if key in found), found)
    match found:
        case str():
            return found
        case dict() if found and all(isinstance(value, str) for value in found.values()):
            if all(_NAME.fullmatch(name) for name in found):
                return ", ".join(f"{_GREEK_NAME.sub(chr(92) * 2, name)} = {value}" for name, value in found.items())
            return f"({', '.join(found.values())})"
    remains = _REMAINS.match(text)
    return remains[1] if remains else text


def _decoded(text: str) -> tuple[object, str]:
    """The data at the head of a text, its closing bracket added where it is cut off, and their writing; None where there are none."""
    if '"' not in text:
        text = text.replace("'", '"')
    for closing in ("", "}", "]"):
        try:
            found, end = _DECODER.raw_decode(text + closing)
        except (ValueError, RecursionError):
            continue
        return (found, text[:end]) if not (text + closing)[end:].strip(" \t\n,.;}]\"'`") else (None, "")
    return None, ""


_LABEL = re.compile(r"(?:^|(?<=[\s,;.]))(?:\(([a-h]|[1-9])\)|([a-h])[.)])\s*(?=\S)")
_JOINT = re.compile(r"(?:[\s,;.]|\band\b)+$")


def labelled_parts(text: str) -> str:
    r""" "a. 3, b. 4" or "(1) 5; (2) 7" as the tuple of its parts; other texts, and parts that are lists themselves, as they are."""
    marks = list(_LABEL.finditer(text)) if len(text) <= 600 else []
    if len(marks) < 2 or marks[0].start() != 0:
        return text
    labels = [match[1] or match[2] for match in marks]
    if labels[0] not in "a1" or labels != [chr(ord(labels[0]) + index) for index in range(len(labels))]:
        return text
    ends = [match.start() for match in marks[1:]] + [len(text)]
    parts = [_JOINT.sub("", text[match.end() : end]).strip() for match, end in zip(marks, ends, strict=True)]
    return f"({', '.join(parts)})" if all(part and not re.search(r"[,;]", part) for part in parts) else text


_SYSTEM = re.compile(
    r"\s*(?:\\left\s*)?(?P<brace>\\\{)?\s*\\begin\s*\{(?P<name>cases|array|aligned|gathered|matrix)\}\s*(?:\{[lcr| ]*\})?"
    r"(?P<rows>.*?)\\end\s*\{(?P=name)\}\s*(?:\\right\s*\.)?\s*[.,]?\s*",
    re.DOTALL,
)
_RELATED = re.compile(r"=|<|>|\\(?:le|ge|ne|leq|geq|neq|leqslant|geqslant)(?![a-z])")
_ALIGNED = re.compile(r"\s*&\s*(?==)|(?<==)\s*&\s*")


def system(text: str) -> str:
    r"""A brace around equations as their list: \begin{cases} x=1 \\ y=2 \end{cases} as "x=1, y=2". Piecewise functions stay."""
    if r"\begin" not in text or len(text) > 1_000:
        return text
    match = _SYSTEM.fullmatch(text.replace("$", " "))
    if match is None or (match["name"] not in ("cases", "aligned", "gathered") and not match["brace"]):
        return text
    rows = [_ALIGNED.sub("", row).strip().rstrip(",;.") for row in re.split(r"\\\\", match["rows"])]
    rows = [row for row in rows if row]
    if not rows or any("&" in row or not _RELATED.search(row) or r"\text" in row or "if " in row for row in rows):
        return text
    return ", ".join(rows)


_MODULUS = r"(?:\s|\\ |~|\\,)*\{?\s*(\w{1,12})\s*\}?\s*"
_GROUPED = r"[^{}&]*(?:\{[^{}]*\}[^{}&]*)*"
_SIUNITX = re.compile(r"\\(?=[a-z])|[~.]")
_PLAIN: list[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (":", re.compile(r"(\\(?:\{|lbrace)\s*(?:[^{}:|]|\{[^{}]*\}){1,80}?)(?::|\\colon)(?!=)"), r"\1\\mid "),
    (".", re.compile(r"(?<![A-Za-z\\])(?:np|numpy|math|sympy|sp|cmath)\.(?=[a-z])"), ""),
    (".", re.compile(r"(?<![\d.])(\d+\.\d*)\((\d{1,12})\)(?![\d.])"), r"\1\\overline{\2}"),
    ("(", re.compile(r"(?<![A-Za-z\\])log(2|10)\s*\("), r"\\log_{\1}("),
    ("(", re.compile(r"(?<![A-Za-z\\])cbrt\s*\("), r"\\sqrt[3]("),
    ("^", re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)"), r" \\times "),
    ("mod", re.compile(r"(?:\\left\s*)?\(\s*\\?(?:(?:text|mathrm|operatorname)\s*\{\s*mod\s*\}|[bp]?mod)"
                       + _MODULUS + r"(?:\\right\s*)?\)"),
     r"\\pmod{\1}"),
    ("mod", re.compile(r"\\(?:mod|pmod)\s*\{?\s*(\w{1,12})\s*\}?|(?<=[\w)}\s])\s+mod\s+(\w{1,12})$"),
     lambda m: rf"\pmod{{{m[1] or m[2]}}}"),
    ("\\", re.compile(rf"\{{({_GROUPED})\\(over|choose)(?![A-Za-z])({_GROUPED})\}}|^({_GROUPED})\\(over|choose)(?![A-Za-z])(.*)$"),
     lambda m: rf"\{'frac' if (m[2] or m[5]) == 'over' else 'binom'}{{{m[1] or m[4]}}}{{{m[3] or m[6]}}}"),
    ("/", re.compile(r"\+\s*/\s*-"), r"\\pm "),
    ("_", re.compile(r"(?<![\w.\\])[1-9]\d{0,2}(?:\\?_\d{3})+(?![\d_])"), lambda m: re.sub(r"\D", "", m[0])),
    ("g", re.compile(r"(?<![A-Za-z\\{])(c?tg|arctg|lg)(?=\s*\(|\s+[a-z\d](?![A-Za-z]))"), r"\\\1 "),
    ("num", re.compile(r"\\num\s*\{([^{}]*)\}"), r" \1 "),
    ("ang", re.compile(r"\\ang\s*\{([^{}]*)\}"), r" \1^{\\circ} "),
    ("{", re.compile(r"\\(?:SI|qty)\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), lambda m: f" {m[1]} \\text{{ {_SIUNITX.sub(' ', m[2])} }}"),
    (".", re.compile(r"\b(sq|cu|hrs?|mins?|secs?|ft|in|lbs?|oz)\.(?=\s|$)"), r"\1"),
    ("root", re.compile(r"\\root\s*(\w|\{[^{}]*\})\s*\\of"), r"\\sqrt[\1]"),
    ("[", re.compile(r"^\s*([\[\]])([^\[\]]+[,;][^\[\]]+)([\[\]])\s*$"),  # ]3,5[
     lambda m: f"{'[' if m[1] == '[' else '('}{m[2]}{']' if m[3] == ']' else ')'}"),
    ("<", re.compile(r"^\s*<([^<>=]+,[^<>=]+)>\s*$"), r"(\1)"),
    ("to ", re.compile(r"^\s*(\d{1,9}) to (\d{1,9})\s*$"), r"\1:\2"),
    (  # a point with its name
        "(",
        re.compile(
            r"^(?:[\s$]|\\displaystyle|\\\()*[A-Z](?:_\{?\w\}?|')?\s*(?:\\left)?\s*(\([^(),]*,[^()\\]*(?:\\(?!right)[^()\\]*)*)"
            r"(?:\\right)?\s*\)(?:[\s$]|\\\))*$"
        ),
        r"\1)",
    ),
]  # fmt: skip


def plain_names(text: str) -> str:
    r"""np.arcsin, log2(…), cbrt(…), 0.(3), (mod 4), {a \over b}, \SI{5}{\meter}, \{x : x > 0\} in the grammar's words."""
    for mark, pattern, replacement in _PLAIN:
        if mark in text:
            text = pattern.sub(replacement, text)
    return text


_UNIT_VECTOR = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|hat|vec|widehat|overrightarrow|textbf)\s*(?:\{\s*)?"
    r"(?:\\(?:mathbf|hat|vec|boldsymbol|bm)\s*(?:\{\s*)?)?\\?(?P<name>[ijk])(?:math)?(?![A-Za-z])\s*(?P<close>\}*)"
)


def unit_vectors(text: str) -> str:
    r"""\mathbf{i}, \hat{\imath}, \vec j … as \veci, \vecj, \veck."""

    def marked(match: re.Match) -> str:
        surplus = len(match["close"]) - match[0].count("{")
        return rf" \vec{match['name']} " + "}" * surplus if surplus >= 0 else match[0]

    return _UNIT_VECTOR.sub(marked, text) if "\\" in text else text
