r"""Answer text to tokens: LaTeX and plain notation brought to one alphabet.

Everything here is a chain of linear replacements on a text of bounded length; nothing is evaluated.
"""

from __future__ import annotations

import re
from itertools import pairwise

from mathrl.grading import notation
from mathrl.grading.unicode import to_latex
from mathrl.grading.words import TABLES
from mathrl.text.boxes import BOX, boxes

MAX_ANSWER_CHARS = 2_000
"""Longer answers are compared as strings only."""
MAX_TOKENS = 600
"""An answer of more tokens is not parsed."""


class Unparsed(Exception):
    """The text is no answer this grammar knows; the message says why."""


_FORMATS = {command: same or " " for command, same in TABLES["command"].items()}
_FORMAT = re.compile(r"\\[A-Za-z]+")
_COMMANDS = (
    r"(?:d?frac|tfrac|sqrt|pi|left|right|ln|log|circ|text|boxed|cdot|times|theta|alpha|beta|gamma|chi|sum|infty|sin|cos|tan"
    r"|pm|le|ge|leq|geq|mathrm|begin|end|cup|in|infty|mathbb)"
)
_DOUBLED = re.compile(r"\\\\(?=" + _COMMANDS + r"(?![A-Za-z]))")
_BLACKBOARD = re.compile(r"\\mathbb\s*\{?\s*([RZNQC])\s*\}?")
_TEXT = re.compile(
    r"\\(?:text|textrm|textbf|textit|textnormal|textsf|texttt|mathrm|mbox|hbox|operatorname\*?|rm)\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
_MARK = re.compile(
    r"\\(?:tag\*?|label|hspace\*?|vspace\*?|phantom|hphantom|vphantom|color)\s*\{[^{}]*\}|\\(?:textcolor|f?colorbox)\s*\{[^{}]*\}(?:\s*\{[^{}]*\}(?=\s*\{))?|\\bbox\s*\[[^\]]*\]"
)
_TEXT_DIGITS = re.compile(r"⟦([\d.,]+|\s*\\?[$€£¥₹]\s*)⟧")
_WRAPPERS = re.compile(r"\$|\\[()\[\]]")
_SPACES = re.compile(r"(\\\\)|(?:\\[,;:> ]|~|\s)+")
_TAIL = re.compile(r"""["'`,.;:}\s]+$""")
_GLUED = re.compile(r"(?<=[\d)])(\s*)(or|and)(?=[A-Z(\d\\-])")
_THOUSANDS_TIGHT = re.compile(r"(?<=\d)(?:\{,\}|,\\!\s*|\\,|\\!|\\;|'(?=\d{3}(?!\d)))(?=\d{3}(?!\d))")
_DECORATION = re.compile(
    r"<\|[^|]{0,30}\|>|"
    r"</?[A-Za-z]{1,10}/?>|(?<![\w)}\]])\*\*|\*\*(?![\w({\\-])|(?<!\S)_{2,}(?=\S)|(?<=\S)_{2,}(?!\S)|```[a-z]*|^\s*[#*]+\s*(?=\S)|(?<=\w)\*\s*$|^\s*\$?\\therefore"
)
_NUMBER = r"-?\d[\d,]*(?:\.\d+)?(?:\s*(?:thousand|million|billion|trillion))?"
_CURRENCY = re.compile(r"(?:\bUS|\bU\.S\.|\bUSD)?\s*(\\[$€£¥₹]|(?<![A-Za-z])(?:Rs|USD|EUR|INR|RMB)\b\.?)\s*(" + _NUMBER + ")")
_CURRENCY_AFTER = re.compile(r"(?<=[\d}])\s*(\\[€£¥₹$])")
_CURRENCIES = TABLES["currency"]
_PRIMES = re.compile(r"\^\s*(?:\{\s*('{1,3})\s*\}|('{1,3}))")
_RUN_ON = re.compile(r"\\(pi|sin|cos|tan|sec|csc|cot|ln)(?!h\b|h[^a-z])([a-zA-Z]{1,2})(?![A-Za-z])")
"""A command and the variable after it without a space between them: \\pir, \\cosx."""
_SAID = r"\(?(?:(?:the )?(?:final )?answer|exactly|exact|altogether|in total|in all|total|respectively|approximately|approx\.?)\)?"
_AFTERTHOUGHT = re.compile(rf"(?<=[^\s,])\s*,?\s*(?:⟦\s*{_SAID}\s*⟧|{_SAID})\s*\.?\s*$")
_ADDED = re.compile(
    r"(?<=\S)\s*⟦?\s*\(\s*(?:or|i\.?e\.?,?|that is,?|equivalently,?|=|\\approx|approximately|about)\s*(?:⟧|\s)"
    r"([^()]*(?:\([^()]*\)[^()]*)*)⟦?\)⟧?\s*$"
    r"|,?\s*⟦?\s*,?\b(?:i\.e\.|that is|or equivalently|equivalently),?\s*⟧?\s+(.+)$"
)
"""A second writing of the answer, in brackets or behind "that is"."""


def unwrap_boxes(text: str) -> str:
    r"""Replace each ``\boxed{x}`` by ``x``, four deep; of one that is never closed the opening goes."""
    for _ in range(4):
        for start, end, content in reversed(boxes(text)):
            text = f"{text[:start]} {content} {text[end:]}"
    return BOX.sub(" ", text)


def _strip_tail(text: str) -> str:
    """Drop trailing punctuation, quotes and closing braces that nothing opened."""
    match = _TAIL.search(text, max(0, len(text) - 40))
    if match is None:
        return text
    tail = match.group()
    body = text[: len(text) - len(tail)]
    if body.endswith("\\"):  # an escaped brace or space belongs to the answer
        body, tail = body + tail[0], tail[1:]
    kept = ""
    surplus = text.count("{") - text.count("}")
    for char in tail:
        if char == "}" and surplus < 0:
            surplus += 1
        elif char == "}" or (char == "'" and not kept and body[-1:].isalpha() and text.count("'") % 2):
            kept += char
    return body + kept


def _drop_dress(text: str) -> str:
    """Without what only dresses an answer up: markdown, tags, colours, over-escaping, data structures around it."""
    text = notation.data(text)
    text = _MARK.sub(" ", _DECORATION.sub(" ", text))
    if r"\\begin" in text or (r"\begin" not in text and _DOUBLED.search(text)):
        text = re.sub(r"\\\\" if r"\\\\" in text else r"\\\\(?=[A-Za-z{}|,;!])", r"\\", text)
    text = notation.plain_names(notation.labelled_parts(notation.system(text.strip())))
    text = text.replace('"', " ").replace(r"\*", "*").replace("`", " ")
    return unwrap_boxes(_GLUED.sub(r"\1 \2 ", text))


def _currency(match: re.Match) -> str:
    return f" {match[2]}⟦{_CURRENCIES[match[1].rstrip('.')]}⟧"


_NAMES = "|".join(sorted((TABLES["function"].keys() - {"det"}) | {"Re", "Im", "lg", "tg", "ctg", "arctg", "cosec"}))
_FUNCTION = re.compile(rf"\\(?:operatorname\*?|mathrm|text|mathop)\s*\{{\s*({_NAMES})\s*\}}(?=\s*(?:[({{^_\\]|\w))")
"""A function whose name is set in roman letters."""
_ROMAN = re.compile(r"\\(?:mathrm|operatorname|text)\s*\{\s*([ie])\s*\}")
_TEXT_LEAD = re.compile(
    r"^\s*(?:⟦\s*(?:the )?(?:final )?(?:answer|ans|solution|result)\s*(?:is)?\s*[:=]?\s*⟧|\\rightarrow)\s*", re.IGNORECASE
)


def _mark_texts(text: str) -> str:
    r"""\text{…} as ⟦…⟧, so that words stay apart from products of letters; digits in text are digits."""
    text = _FUNCTION.sub(r" \\\1 ", _ROMAN.sub(r" \1 ", text))
    for _ in range(3):
        changed = _TEXT.sub(lambda m: "⟦" + m[1].replace("⟦", " ").replace("⟧", " ").strip("~ ") + "⟧", text)
        if changed == text:
            break
        text = changed
    text = re.sub(r"⟦([^⟦⟧]*)\$([^⟦⟧$]*)\$([^⟦⟧]*)⟧", r"⟦\1⟧ \2 ⟦\3⟧", text).replace("⟦⟧", " ")
    return _TEXT_DIGITS.sub(r" \1 ", text)


def clean(text: str) -> str:
    r"""Bring an answer to the alphabet of the tokenizer; raises `Unparsed` where the text is too long.

    Spacing commands, sizes, fonts, dollar signs and code fences go; Unicode mathematics becomes LaTeX; ``\text{…}``
    becomes ``⟦…⟧`` so that words stay apart from products of letters.
    """
    if len(text) > MAX_ANSWER_CHARS:
        raise Unparsed("longer than the budget")
    text = to_latex(text)
    if len(text) > 2 * MAX_ANSWER_CHARS:
        raise Unparsed("longer than the budget in LaTeX")
    text = re.sub(r"\s+", " ", text)  # long runs of spaces would make the patterns below slow
    text = _drop_dress(text)
    text = text.replace("...", r"\ldots ")
    if text.count("$") == 1 and re.match(r"\s*-?\$\s*\d", text):
        text = text.replace("$", r"\$")
    text = re.sub(r"\\q?quad", " ", re.sub(r"\\!", "", _THOUSANDS_TIGHT.sub("", text)))
    text = re.sub(r"\\(?:left|right)\s*\.", " ", text)
    text = _BLACKBOARD.sub(r"\\bb\1 ", text)
    text = _mark_texts(notation.unit_vectors(text))
    text = _FORMAT.sub(lambda m: _FORMATS.get(m[0], m[0]), text)
    if r"\$" in text or not text.isascii() or re.search("Rs|USD|EUR|INR|RMB", text):
        text = re.sub(r"(-)\s*(\\[$€£¥₹])", r"\2\1", text)
        text = _CURRENCY_AFTER.sub(lambda m: f"⟦{_CURRENCIES[m[1]]}⟧", _CURRENCY.sub(_currency, text))
        text = re.sub(r"\\[$€£¥₹]", " ", text)
    text = _RUN_ON.sub(r"\\\1 \2", _PRIMES.sub(r"\1\2", text))
    rows = r"\begin" in text
    text = re.sub(r"[.,;]\s*(?=\\\\|\\end|&)", " ", text) if rows else text.replace(r"\\", " , ").replace("&", " ")
    text = _WRAPPERS.sub(" ", text)
    text = _SPACES.sub(lambda m: m[1] or " ", text)
    text = re.sub(r"\\text\s*$", "", text)
    text = _TEXT_LEAD.sub("", text)
    text = _ADDED.sub(lambda m: f" or {m[1] or m[2]}", _AFTERTHOUGHT.sub("", _strip_tail(text.strip())))
    return text.rstrip("\\ ").lstrip()


def cleaned(text: str) -> str:
    """The text as `clean` makes it, or as it stands where it is too long."""
    try:
        return clean(text)
    except Unparsed:
        return " ".join(text.split())


def string_key(text: str) -> str:
    """The cleaned text without spaces, but for those between digits: equal keys mean the same writing."""
    return re.sub(r"\s+", "", re.sub(r"(?<=\d)\s+(?=\d)", "␣", cleaned(text)))


def word_key(text: str, articles: bool = False) -> str:
    """Words in lower case with single spaces, without punctuation and (by default) articles: how word answers are compared."""
    words = re.sub(r"[^\w\s+\-/<>=]", " ", text.replace("_", " ")).split()
    dropped = not articles and len(words) > 1 and max(map(len, words)) > 2
    pairs = pairwise([*words, ""])
    return " ".join(word for word, following in pairs if not (dropped and _is_article(word, following))).lower()


def _is_article(word: str, following: str) -> bool:
    """Is this the, an or a? A capital A is a name, as in "Player A" and "A wins", and so is an a with no word behind it."""
    return word.lower() in ("the", "an") or (word == "a" and following[:1].isalpha())


Token = tuple[str, str]
_TOKEN = re.compile(
    r"""(?P<num>\d+(?:\.\d+|\.(?=\s*[-+*/^)}]))?|\.\d+)
      |(?P<text>⟦[^⟦⟧]*⟧)
      |(?P<cmd>\\(?:[A-Za-z]+|.))
      |(?P<word>[A-Za-z]+)
      |(?P<op><=|>=|!=|==|\*\*|[-+*/^_=<>!|:;,()\[\]{}%'&?@\#])
      |(?P<space>\s+)""",
    re.VERBOSE,
)


def tokenize(text: str) -> list[Token]:
    """Tokens (kind, text) of a cleaned answer: num, text, cmd, word, op; raises `Unparsed` on anything else."""
    tokens: list[Token] = []
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
