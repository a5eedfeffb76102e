r"""Answer text to tokens: LaTeX and plain notation brought to one alphabet.

Everything here is a chain of linear replacements on a text of bounded length; nothing is evaluated.
"""

from __future__ import annotations

import re
import unicodedata

from mathrl.grading import rewrite

MAX_ANSWER_CHARS = 2_000
"""Longer answers are compared as strings only."""
MAX_TOKENS = 600
"""An answer of more tokens is not parsed."""


class Unparsed(Exception):
    """The text is no answer this grammar knows; the message says why."""


_UNICODE = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ",
    "÷": r"\div ", "∕": "/", "⁄": "/", "√": r"\sqrt ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≡": r"\equiv ",
    "≈": r"\approx ", "±": r"\pm ", "∓": r"\mp ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ",
    "°": r"^{\circ}", "º": r"^{\circ}", "∘": r"\circ ", "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"', "…": r"\ldots ",
    "⟨": "(", "⟩": ")", "〈": "(", "〉": ")", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "π": r"\pi ", "∏": r"\prod ",
    "∑": r"\sum ", "∫": r"\int ", "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}",
    "¾": r"\frac{3}{4}", "⅛": r"\frac{1}{8}", "∠": "", "，": ",", "（": "(", "）": ")", "。": ".", "：": ":", "；": ";",
    "％": "%", "﹣": "-", "＋": "+", "＝": "=", "¥": "", "€": "", "£": "", "￥": "",
}  # fmt: skip
_UNICODE |= {chr(0x2460 + index): f"({index + 1})" for index in range(20)}  # circled numbers
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_SUBSCRIPT = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_GREEK = {chr(code): "\\" + unicodedata.name(chr(code)).split()[-1].lower() + " " for code in range(0x3B1, 0x3CA)}
_GREEK["λ"] = r"\lambda "
_TRANSLATE = str.maketrans({**_GREEK, **_UNICODE})

_COMMANDS = (
    r"(?:d?frac|tfrac|sqrt|pi|left|right|ln|log|circ|text|boxed|cdot|times|theta|alpha|beta|gamma|chi|sum|infty|sin|cos|tan"
    r"|pm|le|ge|leq|geq|mathrm)"
)
_DOUBLED = re.compile(r"\\\\(?=" + _COMMANDS + r"(?![A-Za-z]))")
_SIZES = re.compile(
    r"\\(?:left|right|big[lr]?|Big[lr]?|bigg[lr]?|Bigg[lr]?|middle|displaystyle|textstyle|scriptstyle|limits|nolimits"
    r"|rm|bf|it)(?![A-Za-z])"
)
_NULL_DELIMITER = re.compile(r"\\(?:left|right)\s*\.")
_FONT = re.compile(r"\\(?:mathbf|mathit|mathsf|mathtt|mathcal|boldsymbol|bm|mathbb|vec|hat|overrightarrow|widehat|underline)(?![A-Za-z])")
_BLACKBOARD = re.compile(r"\\mathbb\s*\{?\s*([RZNQC])\s*\}?")
_TEXT = re.compile(r"\\(?:text|textrm|textbf|textit|textnormal|textsf|mathrm|mbox|hbox|operatorname\*?|rm)\s*\{([^{}]*)\}")
_TEXT_DIGITS = re.compile(r"⟦([\d.,]+)⟧")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_WRAPPERS = re.compile(r"\$|\\[()\[\]]")
_SPACES = re.compile(r"(\\\\)|\\(?:[,;:> ]|q?quad|hspace\{[^{}]*\}|enspace|thinspace|phantom\{[^{}]*\})|~|[\s ]+")
_JSON = re.compile(r"""^\s*[{"'`]*(?:json)?\s*\{?\s*["'](?:answer|final_answer)["']\s*:\s*(.*)$""", re.DOTALL)
_TAIL = re.compile(r"""["'`,.;:}\s]+$""")
_GLUED = re.compile(r"(?<=[\d)])(\s*)(or|and)(?=[A-Z(\d\\-])")
_THOUSANDS_TIGHT = re.compile(r"(?<=\d)(?:\{,\}|,\\!\s*|\\,|\\!)(?=\d{3}(?!\d))")
_FORMATS = {
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\leqslant": r"\le", r"\geqslant": r"\ge",
    r"\leq": r"\le", r"\geq": r"\ge", r"\neq": r"\ne", r"\lt": "<", r"\gt": ">", r"\lbrace": r"\{", r"\rbrace": r"\}",
    r"\lvert": "|", r"\rvert": "|", r"\vert": "|", r"\mid": "|", r"\langle": "(", r"\rangle": ")", r"\colon": ":",
    r"\ast": "*", r"\star": "*", r"\land": r"\wedge", r"\lor": r"\vee", r"\varnothing": r"\emptyset", r"\dots": r"\ldots",
    r"\cdots": r"\ldots", r"\varphi": r"\phi", r"\varepsilon": r"\epsilon", r"\vartheta": r"\theta", r"\lbrack": "[",
    r"\rbrack": "]", r"\degree": r"^{\circ}", r"\textdegree": r"^{\circ}", r"\euro": "", r"\pounds": "", r"\dollar": "",
    r"\imath": "i", r"\lg": r"\log_{10}", r"\percent": r"\%", r"\slash": "/", r"\simeq": r"\approx",
    r"\lparen": "(", r"\rparen": ")", r"\relax": "", r"\bigcup": r"\cup", r"\sim": r"\approx", r"\smallsetminus": r"\setminus",
    r"\backslash": r"\setminus", r"\prime": "'", r"\to": r"\rightarrow", r"\colonequals": "=",
}  # fmt: skip
_RUN_ON = re.compile(r"\\(pi|sin|cos|tan|sec|csc|cot|ln)(?!h\b|h[^a-z])([a-zA-Z]{1,2})(?![A-Za-z])")
"""A command and the variable after it without a space between them: \\pir, \\cosx."""
_FORMAT = re.compile(r"\\[A-Za-z]+")


def unwrap_boxes(text: str) -> str:
    r"""Replace each balanced ``\boxed{x}`` by ``x``."""
    for _ in range(4):
        match = _BOX.search(text)
        if match is None:
            return text
        depth, index = 1, match.end()
        while index < len(text) and depth:
            char = text[index]
            if char == "\\":
                index += 1
            elif char == "{":
                depth += 1
            elif char == "}":
                depth -= 1
            index += 1
        inner = text[match.end() : index - 1] if not depth else text[match.end() :]
        text = f"{text[: match.start()]} {inner} {text[index:]}"
    return text


def _strip_tail(text: str) -> str:
    """Drop trailing punctuation, quotes and closing braces that nothing opened."""
    while True:
        match = _TAIL.search(text[-40:])
        if match is None:
            return text
        tail = match.group()
        body = text[: len(text) - len(tail)]
        if body.endswith("\\"):  # an escaped brace or space belongs to the answer
            body, tail = body + tail[0], tail[1:]
        kept = ""
        surplus = text.count("{") - text.count("}")
        for char in tail:
            if char == "}" and surplus >= 0:
                kept += char
            elif char == "}":
                surplus += 1
            elif char == "'" and not kept:
                kept += char if body[-1:].isalpha() and text.count("'") % 2 else ""
        return body + kept


def clean(text: str) -> str:
    r"""Bring an answer to the alphabet of the tokenizer; raises `Unparsed` where the text is too long.

    Spacing commands, sizes, fonts, dollar signs and code fences go; Unicode mathematics becomes LaTeX; ``\text{…}``
    becomes ``⟦…⟧`` so that words stay apart from products of letters.
    """
    if len(text) > MAX_ANSWER_CHARS:
        raise Unparsed("longer than the budget")
    if not text.isascii():
        text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda m: "^{" + m.group().translate(_SUPERSCRIPT) + "}", text)
        text = re.sub(r"[₀-₉]+", lambda m: "_{" + m.group().translate(_SUBSCRIPT) + "}", text)
        text = text.translate(_TRANSLATE)
        text = unicodedata.normalize("NFKC", text).replace("⟦", " ").replace("⟧", " ")
    text = re.sub(r"\s+", " ", text)  # long runs of spaces would make the patterns below slow
    text = rewrite.containers(text)
    json_answer = _JSON.match(text)
    if json_answer:
        text = json_answer.group(1)
    text = rewrite.plain_names(rewrite.labelled_parts(rewrite.system(text)))
    text = text.replace('"', " ").replace(r"\*", "*")
    text = _GLUED.sub(r"\1 \2 ", text)
    if "\\\\" in text and r"\begin" not in text:
        text = _DOUBLED.sub(lambda m: "\\", text)
    text = unwrap_boxes(text)
    text = text.replace(r"\$", " ").replace("```", " ").replace("...", r"\ldots ")
    text = _THOUSANDS_TIGHT.sub("", text)
    text = re.sub(r"\\!", "", text)
    text = _NULL_DELIMITER.sub(" ", text)
    text = _SIZES.sub(" ", text)
    text = _BLACKBOARD.sub(r"\\bb\1 ", text)
    text = _FONT.sub(" ", rewrite.unit_vectors(text))
    for _ in range(3):
        changed = _TEXT.sub(lambda m: "⟦" + m.group(1).replace("$", " ").strip() + "⟧", text)
        if changed == text:
            break
        text = changed
    text = _TEXT_DIGITS.sub(r" \1 ", text)
    text = _FORMAT.sub(lambda m: _FORMATS.get(m.group(), m.group()), text)
    text = re.sub(r"\^\s*(?:\{\s*('{1,3})\s*\}|('{1,3}))", r"\1\2", text)
    text = _RUN_ON.sub(r"\\\1 \2", text)
    if r"\begin" not in text:
        text = text.replace(r"\\", " , ")
        text = text.replace("&", " ")
    text = _WRAPPERS.sub(" ", text)
    text = _SPACES.sub(lambda m: m.group(1) or " ", text)
    text = re.sub(r"\\text\s*$", "", text)
    return _strip_tail(text.strip()).strip()


def string_key(text: str) -> str:
    """The cleaned text without spaces, but for those between digits: equal keys mean the same writing."""
    try:
        text = clean(text)
    except Unparsed:
        text = " ".join(text.split())
    return re.sub(r"\s+", "", re.sub(r"(?<=\d)\s+(?=\d)", "␣", text))


def word_key(text: str) -> str:
    """Words in lower case with single spaces, without punctuation: how word answers are compared."""
    words = re.sub(r"[^\w\s+\-/<>=]", " ", text.replace("_", " ").lower()).split()
    return " ".join(word for word in words if word not in ("the", "a", "an") or len(words) == 1)


_TOKEN = re.compile(
    r"""(?P<num>\d+(?:\.\d+|\.(?=\s*[-+*/^)}]))?|\.\d+)
      |(?P<text>⟦[^⟦⟧]*⟧)
      |(?P<cmd>\\(?:[A-Za-z]+|.))
      |(?P<word>[A-Za-z]+)
      |(?P<op><=|>=|!=|==|\*\*|[-+*/^_=<>!|:;,()\[\]{}%'&?@\#])
      |(?P<space>\s+)""",
    re.VERBOSE,
)


def tokenize(text: str) -> list[tuple[str, str]]:
    """Tokens (kind, text) of a cleaned answer: num, text, cmd, word, op, sp; raises `Unparsed` on anything else."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unparsed(f"character {text[position]!a}")
        position = match.end()
        kind = match.lastgroup or ""
        if kind == "space":
            continue
        tokens.append((kind, match.group().strip("⟦⟧").strip() if kind == "text" else match.group()))
        if len(tokens) > MAX_TOKENS:
            raise Unparsed("more tokens than the budget")
    return tokens
