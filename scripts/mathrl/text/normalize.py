# ruff: noqa: E501 - tables are read by lines
r"""What two spellings of one problem have in common: tokens without case, LaTeX dressing, punctuation and layout.

`tokens` splits a problem into words, numbers and operators. `$\dfrac{3}{4} \times N$` and `3/4 × n` differ in nothing but
spelling; what stays different is what a reader would call different: words, numbers, variables, operators.
"""

from __future__ import annotations

import re
import unicodedata

from mathrl.text.number_words import WORDS


def _words(text: str) -> list[str]:
    return text.split()


# Unicode that NFKC leaves alone, and what it means in a problem.
UNICODE = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": "*", "·": "*", "⋅": "*", "∙": "*", "∗": "*", "•": "*",
    "÷": "/", "⁄": "/", "∕": "/", "≤": "<=", "≥": ">=", "⩽": "<=", "⩾": ">=", "≦": "<=", "≧": ">=", "≠": "!=", "√": r"\sqrt ",
    "°": r"\degrees ", "∘": r"\degrees ", "∞": r"\infty ", "∠": r"\angle ", "△": r"\triangle ", "∆": r"\triangle ", "∈": r"\in ", "π": r"\pi ",
    "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\epsilon ", "θ": r"\theta ", "λ": r"\lambda ", "μ": r"\mu ",
    "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "φ": r"\phi ", "ω": r"\omega ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ",
    "⊥": r"\perp ", "∥": r"\parallel ", "∪": r"\cup ", "∩": r"\cap ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ",
    "“": '"', "”": '"', "‘": "'", "’": "'", "。": ".", "、": ",", "「": " ", "」": " ", "《": " ", "》": " ", "\u3000": " ", "→": r"\rightarrow ",
    "\u200b": "", "\u200c": "", "\u200d": "", "\ufeff": "", "\u00ad": "", "′": "'", "″": "''",
}  # fmt: skip
# Digits above and below the line, and fractions of one character: NFKC would join them to the number before (5³ is not 53).
SMALL = (
    {char: f"^{digit} " for digit, char in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
    | {char: f"_{digit} " for digit, char in enumerate("₀₁₂₃₄₅₆₇₈₉")}
    | {
        "½": " 1/2",
        "¼": " 1/4",
        "¾": " 3/4",
        "⅓": " 1/3",
        "⅔": " 2/3",
        "⅕": " 1/5",
        "⅖": " 2/5",
        "⅛": " 1/8",
        "⅜": " 3/8",
        "⅝": " 5/8",
        "⅞": " 7/8",
    }
)
# HTML in problems, in lower case.
HTML = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&nbsp;": " ", "<br>": " ", "<br/>": " ", "<br />": " "}
# LaTeX commands that only dress a formula, and those that say the same as another spelling.
DRESSING = frozenset(
    _words(
        "left right big bigg bigl bigr biggl biggr text textbf textit textrm textsc texttt mathrm mathbf mathit mathsf "
        "mathcal boldsymbol operatorname mbox hbox emph quad qquad displaystyle textstyle limits nolimits hspace vspace "
        "thinspace enspace space begin end mathop mathbb rm bf it underline noindent item itemize enumerate center "
        "nonumber dollar"
    )
)
SAME = {
    "frac": "/", "dfrac": "/", "tfrac": "/", "cfrac": "/", "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=",
    "lt": "<", "gt": ">", "ne": "!=", "neq": "!=", "times": "*", "cdot": "*", "ast": "*", "div": "/", "circ": "degrees", "degree": "degrees",
    "ldots": " ", "dots": " ", "cdots": " ", "dotsc": " ", "dotsb": " ", "colon": " ", "mid": "|", "vert": "|", "varphi": "phi", "varepsilon": "epsilon",
    "dbinom": "binom", "tbinom": "binom", "to": "rightarrow", "lbrace": " ", "rbrace": " ",
}  # fmt: skip
NUMBER_WORDS = {word: str(value) for word, value in WORDS.items()}
# Words without weight: they carry the sentence, not the problem.
LIGHT = frozenset(
    _words(
        "a an the of in on at to for from by with and or is are was were be been being it its this that these those "
        "there as if then so such let given suppose assume find determine compute calculate evaluate what which how "
        "many much value result answer please solve problem question following express your you we i he she they his "
        "her their do does did has have had will would can could should also each every any all not give form expressed "
        "write must put final box boxed step reasoning"
    )
)
# Groups of words that exclude each other: the first word of a cell stands for the others.
CONTRASTS = (
    (
        "largest greatest maximum maximal biggest highest most max maximize maximizes maximise",
        "smallest least minimum minimal lowest fewest min minimize minimizes minimise",
    ),
    ("odd", "even"),
    ("sin sine", "cos cosine", "tan tangent", "cot cotangent", "sec secant", "csc cosecant"),
    ("sum add total altogether plus", "difference subtract minus", "product multiply", "quotient divide ratio"),
    ("first", "last", "second", "third", "fourth", "fifth", "sixth", "half", "quarter"),
    ("increase increases increased increasing", "decrease decreases decreased decreasing"),
    ("area", "perimeter", "volume", "circumference"),
    ("inscribed", "circumscribed"),
    ("positive", "negative"),
    ("mean average", "median", "mode"),
    ("more", "less fewer"),
    ("before", "after"),
    ("left", "right"),
    ("spherical", "cylindrical", "polar", "rectangular"),
    ("arcsin", "arccos", "arctan"),
    ("domain", "range"),
    ("triangle", "quadrilateral", "pentagon", "hexagon", "heptagon", "octagon", "nonagon", "decagon"),
    ("horizontal", "vertical"),
    ("ascending", "descending"),
    ("convex", "concave"),
    ("gcd gcf hcf", "lcm"),
    ("hourly", "daily", "weekly", "monthly", "yearly annually annual"),
    ("hour hours", "day days", "week weeks", "month months", "year years", "minute minutes", "seconds"),
    (
        "monday mondays",
        "tuesday tuesdays",
        "wednesday wednesdays",
        "thursday thursdays",
        "friday fridays",
        "saturday saturdays",
        "sunday sundays",
    ),
    ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"),
    ("twice double doubled", "thrice triple tripled", "halved"),
    ("inside interior internal within", "outside exterior external"),
    ("gain gains gained profit", "loss lose loses lost"),
    ("discount reduction", "tax surcharge markup tip"),
    ("inclusive", "exclusive"),
    ("ordered", "unordered"),
    ("rational", "irrational"),
    ("prime primes", "composite composites"),
    ("above over", "below under"),
    ("north northern", "south southern", "east eastern", "west western"),
    ("upstream", "downstream"),
    ("clockwise", "counterclockwise anticlockwise"),
    ("with", "without"),
    ("always", "never", "sometimes"),
    ("all every each", "some", "none"),
    ("together", "separately"),
    ("older oldest", "younger youngest"),
    ("taller tallest longer longest", "shorter shortest"),
    ("faster fastest", "slower slowest"),
    ("cheaper cheapest", "dearer dearest"),
    ("heavier heaviest", "lighter lightest"),
    ("perpendicular", "parallel"),
    ("integer integers", "real reals", "complex"),
    ("radius radii", "diameter diameters"),
    ("length lengths", "width widths", "height heights", "depth"),
    ("cylinder", "cone", "sphere", "cube", "pyramid", "prism"),
    ("isosceles", "equilateral", "scalene", "right-angled"),
    ("square squares", "rectangle rectangles", "rhombus", "trapezoid trapezium", "parallelogram", "circle circles"),
    ("numerator", "denominator"),
    ("divisor divisors factor factors", "multiple multiples"),
    ("row rows", "column columns"),
    ("boys boy", "girls girl"),
    ("men man", "women woman"),
    ("adults adult", "children child kids"),
    ("buys bought buy", "sells sold sell"),
    ("same equal", "different unequal"),
    ("morning", "afternoon", "evening", "night"),
    ("units ones", "tens", "hundreds", "thousands"),
    ("true", "false"),
)
_CHOOSE = re.compile(r"\b(\d+) choose (\d+)\b")
OPERATORS = frozenset("+-*/=<>^!|%")

_DRAWING = re.compile(r"\[asy\].*?(?:\[/asy\]|$)", re.DOTALL | re.IGNORECASE)
_HTML = re.compile("|".join(HTML))
_BOLD = re.compile(r"(?<![\w*.,])\*\*(\d[\d.]*)\*\*(?![\w*]|[.,]\d)", re.ASCII)
_COMMA = re.compile(r"\{,\}|,\\!")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))", re.ASCII)
_COMMAND = re.compile(r"\\([a-z]+)")
_FRACTION = re.compile(r"\\[dtc]?frac *(\d) *(\d)", re.ASCII)
_HYPHEN = re.compile(r"(?<=[a-z0-9])-(?=[a-z]{2})|(?<=[a-z]{2}) --? (?=[a-z])|-{2,}", re.ASCII)
_TOKEN = re.compile(r"\d+(?:\.\d+)*|[a-z]+|[\u3000-\ud7ff]|[^\x00-\x7f\u3000-\ud7ff]+|[+\-*/=<>^!|%]", re.ASCII)


def fold(text: str) -> str:
    """Lower case, Unicode and LaTeX spellings made one, drawings left out; layout and punctuation stay."""
    text = without_drawings(text)
    if not text.isascii():
        text = "".join(SMALL.get(char, char) for char in text)
        text = unicodedata.normalize("NFKC", text).lower()
        text = "".join(UNICODE.get(char, char) for char in text)
    text = text.lower()
    if "&" in text or "<br" in text:
        text = _HTML.sub(lambda match: HTML[match.group()], text)
    if " choose " in text:
        text = _CHOOSE.sub(r"binom \1 \2", text)
    if "," in text:
        text = _THOUSANDS.sub("", _COMMA.sub(",", text))
    if "**" in text:
        text = _BOLD.sub(r"\1", text)
    if "\\" in text:
        text = _FRACTION.sub(r" \1/\2 ", text)
    if "-" in text:
        text = _HYPHEN.sub(" ", text)
    return _COMMAND.sub(_command, text) if "\\" in text else text


def without_drawings(text: str) -> str:
    """Leave out Asymptote code: two questions on one figure share it. (A text of nothing else keeps it.)"""
    if "[asy]" not in text.lower():
        return text
    return _DRAWING.sub(" ", text) or text


def drawings(text: str) -> str:
    """The Asymptote code of a problem without its mark, or an empty text."""
    return " ".join(code[5:] for code in _DRAWING.findall(text)) if "[asy]" in text.lower() else ""


def _command(match: re.Match[str]) -> str:
    name = match.group(1)
    return " " if name in DRESSING else f" {SAME.get(name, name)} "


def tokens(text: str) -> list[str]:
    """Words, numbers and operators of a problem, in order."""
    return [NUMBER_WORDS.get(token, token) for token in _TOKEN.findall(fold(text))]


def words(all_tokens: list[str]) -> list[str]:
    """The tokens that are words or numbers (what n-grams are made of)."""
    return [token for token in all_tokens if token not in OPERATORS]


def is_number(token: str) -> bool:
    """Does this token stand for a number?"""
    return token[0].isdigit()


def number_value(token: str) -> str:
    """One spelling per number: without leading zeros and without zeros at the end of decimals."""
    if "." in token:
        token = token.rstrip("0").rstrip(".")
    token = token.lstrip("0")
    return token if token[:1].isdigit() else "0" + token
