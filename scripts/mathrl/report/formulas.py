"""LaTeX of problems and responses as MathML, made when the page is made: offline, and without a way for text to become markup.

latex2mathml writes what it does not know into its output unescaped, and takes `\\href` and `\\style`. So its string is never used: its
elements are copied into plain lists by a list of allowed tags and attributes, which the page's script turns into nodes, and
`markup` into escaped text. What it cannot read, what is not balanced, and what hides or links anything stays text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

Node = list[Any]  # [tag, attributes, *children]; a child is a Node or text

LONGEST = 500  # characters of a formula
MOST = 12_000  # formulas of a page: about 4 s and 1 MB
DEPTH = 40

_BRACED = r"\{(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})*\}"
PATTERN = (  # read by Python and by the page's script alike
    r"\$\$[^$]{1,500}\$\$|\\\[[\s\S]{1,500}?\\\]|\\\([\s\S]{1,500}?\\\)|"
    r"\$(?![\s$])[^$\n]{0,500}?[^\s$\\]\$(?!\d)|\\boxed\s?" + _BRACED
)
_FORMULA = re.compile(PATTERN)

# Children that a tag wants; None: any number.
_TAGS: dict[str, int | None] = {
    "mrow": None, "mi": None, "mn": None, "mo": None, "mtext": None, "mspace": None, "mstyle": None, "msqrt": None, "mpadded": None,
    "menclose": None, "mtable": None, "mtr": None, "mtd": None, "mfrac": 2, "msup": 2, "msub": 2, "mover": 2, "munder": 2, "mroot": 2,
    "msubsup": 3, "munderover": 3,
}  # fmt: skip
_ATTRIBUTES = {
    "mathvariant", "stretchy", "fence", "form", "displaystyle", "scriptlevel", "linethickness", "columnalign", "rowspacing",
    "columnspacing", "columnlines", "rowlines", "accent", "separator", "largeop", "movablelimits", "width", "minsize", "maxsize",
    "lspace", "rspace",
}  # fmt: skip
_SIZE = r"(?:\d?(?:\.\d{1,4})?)?[a-z-]{0,24}"  # below ten, and none that moves text over other text
_VALUE = re.compile(rf"{_SIZE}(?: {_SIZE}){{0,9}}", re.ASCII)
_REFUSED = re.compile(
    r"\\(?:href|url|style|class|(?:[hv]?phantom)|math[lrc]lap|(?:text)?color|colorbox|html\w*|rule|raisebox|smash|llap|rlap|#|require)\b"
)


class _NoFormula(Exception):
    """This is shown as text."""


def _delimited(found: str) -> tuple[str, bool]:
    """The LaTeX of a match of PATTERN, and whether it stands in a line of its own."""
    if found.startswith("\\boxed"):
        return found, False
    wide = found.startswith(("$$", "\\["))
    size = 1 if found.startswith("$") and not wide else 2
    return found[size:-size], wide


def _balanced(tex: str) -> bool:
    depth = deepest = 0
    for sign in re.findall(r"\\.|[{}]", tex):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        deepest = max(deepest, depth)
        if depth < 0:
            return False
    return depth == 0 and deepest <= DEPTH // 4


def _copy(element: Any, depth: int = 0) -> Node:
    """An element of latex2mathml as a Node; a tag that is not allowed, or with the wrong number of children, is none."""
    tag = element.tag
    if depth > DEPTH or tag not in _TAGS or (_TAGS[tag] is not None and len(element) != _TAGS[tag]):
        raise _NoFormula
    attributes = {k: v for k, v in element.attrib.items() if k in _ATTRIBUTES and _VALUE.fullmatch(v)}
    if tag == "menclose":  # browsers do not draw it: the page's style does
        tag, attributes = "mrow", {"class": "boxed" if element.get("notation") == "box" else "enclosed"}
    children: list[Any] = [_copy(child, depth + 1) for child in element]
    if tag == "mrow" and len(children) == 1 and not attributes:
        return children[0]
    text = html.unescape((element.text or "").strip("\n"))  # its texts are escaped already
    return [tag, attributes, *([text] if text else []), *children]


def to_node(found: str) -> Node | None:
    """MathML of a piece of text that PATTERN found, as a Node; None where it stays text."""
    tex, wide = _delimited(found)
    if not tex.strip() or len(tex) > LONGEST or _REFUSED.search(tex) or not _balanced(tex):
        return None
    try:
        from latex2mathml.converter import convert_to_element
    except ModuleNotFoundError:  # an environment that is older than the lock: formulas stay text
        return None
    try:
        made = convert_to_element(tex)
        children = [_copy(child) for child in made]
    except Exception:  # a parser before hostile text: whatever it raises, the text stays text
        return None
    return ["math", {"display": "block"} if wide else {}, *children]


def markup(node: Node | str) -> str:
    """A Node as escaped markup."""
    if isinstance(node, str):
        return html.escape(node)
    tag, attributes, *children = node
    told = "".join(f' {key}="{html.escape(value)}"' for key, value in attributes.items())
    return f"<{tag}{told}>{''.join(map(markup, children))}</{tag}>"


def as_markup(text: str) -> str:
    """Text as escaped markup, its formulas as MathML."""
    parts, done = [], 0
    for match in _FORMULA.finditer(text):
        node = to_node(match.group())
        if node:
            parts += [html.escape(text[done : match.start()]), markup(node)]
            done = match.end()
    return "".join([*parts, html.escape(text[done:])])


class Formulas:
    """The formulas of a page: each converted once, in the order in which they are met, until `MOST`."""

    pattern = PATTERN

    def __init__(self) -> None:
        self._nodes: dict[str, Node | None] = {}

    def note(self, texts: Iterable[str]) -> None:
        """Take the formulas of these texts in."""
        for text in texts:
            for match in _FORMULA.finditer(text):
                self._add(match.group())

    def note_answers(self, answers: Iterable[str]) -> None:
        """Take gold answers in, as `$…$`; plain numbers and words need no formula."""
        for answer in answers:
            if re.search(r"[\\^_{]", answer):
                self._add(f"${answer.strip('$')}$")

    def _add(self, found: str) -> None:
        if found not in self._nodes and len(self._nodes) < MOST:
            self._nodes[found] = to_node(found)

    def table(self) -> dict[str, Node]:
        """Node by text, for those that have one."""
        return {found: node for found, node in self._nodes.items() if node}
