# ruff: noqa: E501 - tables are read by lines
r"""What a reader takes off a problem before comparing it: mark-up, lists, escapes, hints about the form of the answer; and what
is read as the same: `twenty-four` and 24, `x squared` and `x^2`, `3 plus x` and `3 + x`, `recieve` and `receive`.

Slower and bolder than `text.normalize`, and so for candidate pairs only: the search over all rows never sees it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Set

from mathrl.decontamination.meanings import NEGATIONS
from mathrl.text import number_words
from mathrl.text.normalize import CONTRASTS, LIGHT, NUMBER_WORDS, SMALL

NESTED = 4  # fractions within fractions
# A tag without attributes or with `name=value` ones: `a <b and c> d` holds none.
_ATTRIBUTES = r"(?:\s+[a-z-]+=[^<>]*|\s*/?)>"
_INLINE = re.compile(r"</?(?:i|b|u|em|strong|span)" + _ATTRIBUTES, re.IGNORECASE)
_BLOCK = re.compile(
    r"</?(?:p|div|li|ul|ol|br|h[1-6]|table|tbody|tr|td|pre|code|problem|question|exercise|task|statement|answer|solution|think)"
    + _ATTRIBUTES,
    re.IGNORECASE,
)
_FORUM = re.compile(r"\[/?(?:b|i|u|list|quote|hide|center)\]|\[\*\]")
_SMALL = re.compile(r"<(sup|sub)>([^<>]*)</\1>", re.IGNORECASE)
_ESCAPED = re.compile(r"(?<!\\)\\\\(?=[A-Za-z]{3})")
_LINE_FEED = re.compile(r"\\n(?=[A-Z\\\s\d$(*-]|$)")
_BROKEN_WORD = re.compile(r"(?<=[a-z]{2})-[ \t]*\n\s*(?=[a-z]{2})")
_BULLET = re.compile(r"^[ \t]*[-*•−–][ \t]+(?=\S)", re.MULTILINE)
_QUOTED = re.compile(r"^[ \t]*>[ \t]+", re.MULTILINE)
_FRACTION = re.compile(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*(?:\{([^{}]*)\}|(\d))")
_LABEL = re.compile(
    r"\A\W*(?:(?:problem|exercise|question|example|task)\s+#?\d+(?:\.\d+)*\s*[.:)]|(?:\d+[.)]\s*)?[\[(]\d+\s*(?:points?|pts|marks?)[\])]"
    r"|[\[(][^\[\]()$]{0,40}\b(?:19|20)\d\d\b[^\[\]()$]{0,20}[\])])\s+",
    re.IGNORECASE,
)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{(?:problem|exercise|question|example|task)\}", re.IGNORECASE)
_LINE_NUMBER = re.compile(r"^[ \t]*\(?(\d{1,2})[.)][ \t]+(?=\S)", re.MULTILINE)
_STARS = re.compile(r"(?<=[\w)}\]])\*\*(?=[\w({]|-\d)")
_POWER = re.compile(r"(?<![A-Za-z])([A-Za-z]|(?<!\d)\d+|[)}\]$])\s+(squared|cubed)\b")
# A number, a variable or a bracket on either side; `a` behind only where it is no article.
_LEFT = r"([\d)}\]$]|(?<![A-Za-z\\])[A-Za-z]|\\[a-z]+)"
_RIGHT = r"(?=[-\d($\\{]|[b-zB-HJ-Z](?![A-Za-z])|[aAI](?:[$)^=+,.-]| (?:plus|minus|times|equals)\b))"
_SIGNS = {"plus": "+", "minus": "-", "times": "*", "divided by": "/", "over": "/", "equals": "=", "is equal to": "=",
          "is less than": "<", "is greater than": ">"}  # fmt: skip
_SAID = re.compile(rf"{_LEFT}\s+({'|'.join(_SIGNS)})\s+{_RIGHT}")
_PERCENT = re.compile(r"\bper ?cent\b", re.IGNORECASE)
_TWICE = re.compile(r"\b(?:two|2) times(?= as\b| that\b| the\b)", re.IGNORECASE)
_SPACED_COMMA = re.compile(r"(?<=\d) ?\{ ?, ?\} ?(?=\d{3}(?!\d))")
_DIGIT_IN_WORD = re.compile(r"(?<![\\A-Za-z0-9_^])([A-Za-z]+)([01])([a-z]*)(?![A-Z0-9])")
_HYPHEN_AFTER_FORMULA = re.compile(r"(?:(?<=[\w})]\$)|(?<=\\\])|(?<=\d) )[-−‐](?=[A-Za-z]{3})")
_UNITS = re.compile(
    r"\b(?:(?P<km>kilomet(?:er|re)s?|kms?)|(?P<cm>centimet(?:er|re)s?|cms?)|(?P<mm>millimet(?:er|re)s?)|(?P<kg>kilograms?|kgs?)"
    r"|(?P<mph>miles (?:per|an) hour|mph)|(?P<lb>pounds?|lbs?)|(?P<oz>ounces?)|(?P<hour>hours?|hrs?)|(?P<minute>minutes?|mins?)"
    r"|(?P<foot>feet|foot|ft)|(?P<gallon>gallons?|gal)|(?P<dollar>dollars?|usd))\b",
    re.IGNORECASE,
)
_HINT = re.compile(
    r"(?!.*\d)\W*(?:please )?(?:express|give|write|round|enter|report|state|leave|format|simplify|present|provide)\b"
    r"[^?]*\b(?:answers?|result|nearest|lowest terms|simplest form)\b",
    re.IGNORECASE | re.DOTALL,
)
_BLANKS = re.compile(r"[ \t]{2,}")
_NUMERALS = "一二三四五六七八九十"
# 3分之1, 三分之一, 百分之20; no numbers of several ideographs: 二十分之一, 百分之二十五
_PARTS_OF = re.compile(rf"(?<![\d.{_NUMERALS}百千万])(\d+|[{_NUMERALS}百])分之(\d+(?:\.\d+)?|[{_NUMERALS}])(?![{_NUMERALS}百千万])")
_DOLLARS = re.compile(r"\${2,}")
# Accents are left out: `máximo` is one word of Latin letters, and a copy without them the same one.
_ACCENTS = {
    chr(code): base
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))
    if (base := unicodedata.normalize("NFD", chr(code))[0]).isascii()
}
# Digits, letters and signs in the width of ideographs and in the alphabets of mathematics, blanks of every width, and none at all.
_WIDE = {
    chr(code): same
    for code in (*range(0xFF01, 0xFF5F), *range(0x1D400, 0x1D800), 0x210E)
    if (same := unicodedata.normalize("NFKC", chr(code))).isalnum() or same in "%+-=."
}
_BLANK = dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000", " ") | dict.fromkeys(
    "\u200b\u200c\u200d\u2060\ufeff\u00ad", ""
)
_CHARACTERS = str.maketrans(
    _ACCENTS | _WIDE | _BLANK | {"−": "-", "‐": "-", "‑": "-"} | {small: sign for small, sign in SMALL.items() if sign[0] in "^_"}
)
_BOLD_NUMBER = re.compile(r"(?<![\w*)}\]])\*\*(-?\d[\d.,/]*)\*\*(?![\w*])")
_FUNCTION_NAMES = ("sqrt", "sin", "cos", "tan", "cot", "log", "ln", "pi")
_FUNCTIONS = re.compile(rf"(?<![\\A-Za-z])({'|'.join(_FUNCTION_NAMES)})(?=[\s({{\d]|[A-Zxαβθ](?![A-Za-z])|$)")
_LETTERS_APART = re.compile(r"(?<![A-Za-z\\])[A-HJ-Z](?: [A-Z])+(?![A-Za-z'])")
_DEGREES = re.compile(r"\^\s*\{?\s*\\circ\b\s*\}?")
_BELOW = re.compile(r"\b(?:below|under|smaller than) (?=\$?\d)")
_MATRIX = re.compile(r"\\(begin|end)\{(?:[pb]|small)matrix\}")
_POWER_ONE = re.compile(r"\^(?:\{1\}|1(?!\d))(?=\s*\+\s*[a-z]\^)")  # the first term of x^1 + x^2 + …
_SHARES = {"half": "1/2", "halves": "1/2", "one half": "1/2", "a half": "1/2", "one third": "1/3", "a third": "1/3", "two thirds": "2/3", "quarter": "1/4",
           "a quarter": "1/4", "one quarter": "1/4", "one fourth": "1/4", "a fourth": "1/4", "three quarters": "3/4", "three fourths": "3/4",
           "one fifth": "1/5", "a fifth": "1/5", "one tenth": "1/10", "a tenth": "1/10"}  # fmt: skip
_SHARE = re.compile(
    rf"(?<![\w-])(?:{'|'.join(sorted((name.replace(' ', '[- ]') for name in _SHARES), key=len, reverse=True))})(?![\w-])", re.IGNORECASE
)
_PERCENTS = {"10": "1/10", "20": "1/5", "25": "1/4", "50": "1/2", "75": "3/4"}
_PERCENT_BEHIND = re.compile(r"(?<=\d)\$ ?\\?%")
_AS_SHARE = re.compile(rf"(?<![\d.,])({'|'.join(_PERCENTS)})\s*\\?%")
_SHARE_PARTS = ("half", "halves", "third", "quarter", "fourth", "fifth", "tenth")
_UNIT_PARTS = ("kilo", "km", "centi", "cm", "milli", "kg", "mile", "mph", "pound", "lb", "ounce", "oz", "hour", "hr", "min", "feet", "foot", "ft",
               "gal", "dollar", "usd")  # fmt: skip
_HINT_PARTS = ("answer", "result", "nearest", "lowest terms", "simplest form")
_LETTER_AND_DIGIT = re.compile(r"[A-Za-z][01]")
# British spellings, what the American ones have there, and the letters that one of them needs.
_SPELLINGS = (
    (re.compile(r"(?<=[a-z]{2}[bt])re(?=s?\b)"), "er", ("bre", "tre")),
    (re.compile(r"(?<=[a-z]{3})our(?=s?\b|ed\b|ing\b)(?<!hour)(?<!four)(?<!your)"), "or", ("our",)),
    (re.compile(r"(?<=[a-z]{4})is(?=e[sd]?\b|ing\b)(?<!prom)(?<!rais)"), "iz", ("ise", "ising")),
)
# What short problems say in words, and its sign.
_SAID_IN_WORDS = {
    r"(?:greatest|highest|largest) common (?:divisor|factor)": r"\\gcd ", r"(?:least|lowest|smallest) common multiple": r"\\lcm ",
    r"(\d+) choose (\d+)": r"\\binom \1 \2", r"(\d+) factorial": r"\1!", r"square root of": r"\\sqrt ", r"(\d+) (?:squared|to the second power)": r"\1^2",
    r"remainder when (\d+) is divided by (\d+)": r"\1 \\bmod \2", r"(\d+) to the (?:power (?:of )?)?(\d+)(?:st|nd|rd|th)?(?: power)?": r"\1^\2",
    r"absolute value of (\S*\d)": r"|\1|", r"floor of (\S*\d)": r"\\lfloor \1 \\rfloor", r"(?:sine) of": r"\\sin ", r"(?:cosine) of": r"\\cos ", r"(?:tangent) of": r"\\tan ",
    r"logarithm of (\d+) (?:to|in|with) (?:the )?base (\d+)": r"\\log_\2 \1", r"per ?cent": "%",
}  # fmt: skip
_SAID_IN_WORDS |= {
    r"(gcd|lcm)\}?\s*\((\d+),\s*(\d+)\)": r"\1 (\2, \3)",  # 48,180 is no number with thousands there
    rf"({'|'.join(NUMBER_WORDS)}) squared": r"\1^2", rf"(\d+|{'|'.join(NUMBER_WORDS)}) cubed": r"\1^3",
}  # fmt: skip
_IN_WORDS = tuple((re.compile(rf"\b{said}(?!\w)", re.IGNORECASE), sign) for said, sign in _SAID_IN_WORDS.items())
SAID_PARTS = (
    "common",
    "choose",
    "gcd",
    "lcm",
    "cubed",
    "factorial",
    "root of",
    "squared",
    "remainder when",
    " to the",
    "value of",
    "floor of",
    "sine of",
    "tangent of",
    "logarithm of",
    "cent",
)
_QUESTION = re.compile(
    r"\?|^(?:find|determine|compute|calculate|evaluate|what|how|which|for which|simplify|solve|show|prove|sketch|draw|graph|write|state|give|list|factor|explain|is|are|does)\b",
    re.IGNORECASE,
)
# The questions of one story: (a), a), (i), i), (1), 1).
_LABELS = tuple(
    (re.compile(rf"(?<![\w\\(,)+*/=-])\(({marks})\)\s+(?=\S)|(?:(?<=[.?!$:] )|(?<=\n)|\A)({marks})\)\s+(?=\S)"), names)
    for marks, names in (("[a-h]", "a b c d e f g h"), ("i{1,3}|iv|v|vi{0,3}", "i ii iii iv v vi vii viii"), ("[1-8]", "1 2 3 4 5 6 7 8"))
)
SENTENCE = re.compile(r"(,\s+(?=where\b)|(?<=[.?!])\s+|(?<=[.?!]\$)\s+|\n\s*\n)")

_UNIT_WORDS = [word for word in number_words.ONES if word != "zero"]
_BELOW_100 = rf"(?:(?:{'|'.join(number_words.TENS)})(?:[- ](?:{'|'.join(_UNIT_WORDS[:9])}))?|{'|'.join(reversed(_UNIT_WORDS))})"
_BELOW_1000 = rf"(?:(?:{'|'.join(_UNIT_WORDS[:9])}|a) hundred(?:(?: and)? {_BELOW_100}(?! hundred))?|{_BELOW_100})"
_NUMBER = re.compile(rf"\b(?:{_BELOW_1000} thousand(?:,?(?: and)? {_BELOW_1000})?|{_BELOW_1000})(?![-\w])", re.IGNORECASE)
_LONG_NUMBER = re.compile(rf"hundred|thousand|(?:{'|'.join(number_words.TENS)})[- ][a-z]", re.IGNORECASE)  # is there one at all?

_KNOWN = frozenset(word for cells in CONTRASTS for names in cells for word in names.split()) | LIGHT | frozenset(NUMBER_WORDS)
_SPELT = {value: word for word, value in NUMBER_WORDS.items()}
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}(?![A-Za-z])")


def plain(text: str) -> str:
    """The text without dressing, in the spelling that two texts have in common.

    A pattern costs ten times a look for the letters that it needs, and most texts need few of them.
    """
    if not text.isascii():
        text = text.translate(_CHARACTERS).replace("多少", "几").replace("ない", "無")
        text = _PARTS_OF.sub(_part_of, text) if "分之" in text else text
    if "$$" in text:
        text = _DOLLARS.sub("$", text)
    text = text.replace("\\(", "$").replace("\\)", "$")
    if "`" in text:
        text = text.replace("`$", "$").replace("$`", "$")
    if "**" in text:
        text = _BOLD_NUMBER.sub(r"\1", text)
    if "  " in text or "\t" in text:
        text = _BLANKS.sub(" ", text)
    if "<" in text:
        text = _SMALL.sub(lambda match: ("^{" if match[1].lower() == "sup" else "_{") + match[2].strip() + "}", text)
        text = _BLOCK.sub(" ", _INLINE.sub("", text))
    if "[/" in text:
        text = _FORUM.sub(" ", text)
    if "&" in text:
        text = html.unescape(text)
    if "\\" in text:
        text = _SPACED_COMMA.sub("{,}", _LINE_FEED.sub("\n", _ESCAPED.sub(r"\\", text)))
        for _ in range(NESTED if "frac" in text else 0):
            text, found = _FRACTION.subn(lambda match: f"({match[1]})/({match[2] or match[3]})", text)
            if not found:
                break
    if ">" in text:
        text = _QUOTED.sub("", text)
    if "\\end{" in text:
        text = _ENVIRONMENT.sub(" ", text)
    text = _LABEL.sub("", text, count=1)
    if "\n" in text:
        text = _without_lists(_BROKEN_WORD.sub("", text))
    if "**" in text:
        text = _STARS.sub("^", text)
    if "squared" in text or "cubed" in text:
        text = _POWER.sub(lambda match: match[1] + ("^2" if match[2] == "squared" else "^3"), text)
    if "-" in text:
        text = _HYPHEN_AFTER_FORMULA.sub(" ", text)
    if _LETTER_AND_DIGIT.search(text):
        text = _DIGIT_IN_WORD.sub(_letter, text)
    text = _in_signs(in_symbols(text), text.lower())
    for pattern, spelling, needed in _SPELLINGS:
        if any(part in text for part in needed):
            text = pattern.sub(spelling, text)
    if "%" in text:
        text = _PERCENT_BEHIND.sub("%$", text)
        text = _AS_SHARE.sub(lambda match: _PERCENTS[match[1]], text)
    if any(part in (lower := text.lower()) for part in _SHARE_PARTS):
        text = _SHARE.sub(lambda match: _SHARES[match[0].lower().replace("-", " ")], text)
    return _without_hints(text) if any(part in lower for part in _HINT_PARTS) else text


def in_symbols(text: str) -> str:
    """A problem with what it says in words as the field's signs: `8 choose 4` is `binom 8 4`."""
    lower = text.lower()
    if any(part in lower for part in SAID_PARTS):
        for pattern, sign in _IN_WORDS:
            text = pattern.sub(sign, text)
    return text


def _without_lists(text: str) -> str:
    """Without the marks of a list of several lines."""
    if len(_BULLET.findall(text)) > 1:
        text = _BULLET.sub("", text)
    numbers = [int(number) for number in _LINE_NUMBER.findall(text)]
    return _LINE_NUMBER.sub("", text) if len(numbers) > 1 and numbers == list(range(1, len(numbers) + 1)) else text


def _in_signs(text: str, lower: str) -> str:
    """Numbers, signs, units and functions that stand in words as signs; `lower` is the text in lower case."""
    if ("hundred" in lower or "thousand" in lower or "ty-" in lower or "ty " in lower) and _LONG_NUMBER.search(text):
        text = _NUMBER.sub(_value, text)
    if " times" in lower:
        text = _TWICE.sub("twice", text)
    if any(sign in lower for sign in _SIGNS):
        text = _SAID.sub(lambda match: f"{match[1]} {_SIGNS[match[2]]} ", text)
    if any(part in lower for part in _UNIT_PARTS):
        text = _UNITS.sub(lambda match: str(match.lastgroup), text)
    if "cent" in lower:
        text = _PERCENT.sub("%", text)
    if any(name in lower for name in _FUNCTION_NAMES):
        text = _FUNCTIONS.sub(r"\\\1 ", text)
    if "^" in text:
        text = _DEGREES.sub(r"\\circ ", _POWER_ONE.sub("", text))
    if "below" in lower or "under" in lower or "smaller" in lower:
        text = _BELOW.sub("less than ", text)
    if "matrix" in lower:
        text = _MATRIX.sub(r"\\\1{matrix}", text)
    if not text.isupper():  # all in capitals, `a b` would be read as a triangle's side
        text = _LETTERS_APART.sub(lambda match: match[0].replace(" ", ""), text)
    return text


def questions(text: str) -> list[str]:
    """A problem, and where it asks several things of one story, each of these questions with the story."""
    for pattern, names in _LABELS:
        if not all(f"{name})" in text for name in names.split()[:2]):  # what most texts are spared
            continue
        marks = list(pattern.finditer(text))
        if len(marks) < 2 or [mark[1] or mark[2] for mark in marks] != names.split()[: len(marks)]:
            continue
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        asked = [text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]
        if all(_QUESTION.search(part) for part in asked):  # else conditions or choices, not questions
            return [text, *(text[: marks[0].start()] + part for part in asked)]
    return [text]


def _part_of(match: re.Match[str]) -> str:
    """`4分之3` and `四分之三` as 3/4, `百分之20` as 20%."""
    under, over = (str(_NUMERALS.find(part) + 1) if part in _NUMERALS else part for part in match.groups())
    return f"{over}%" if match[1] == "百" else f"({over}/{under})"


def _letter(match: re.Match[str]) -> str:
    """`b0oks` and `individua1` with their letter; `x0y`, `arcsin1` and `log1` as they are."""
    before, digit, behind = match.groups()
    if len(before + behind) < (3 if behind else 6) or before.lower() in _KNOWN:
        return match[0]
    return before + ("o" if digit == "0" else "l") + behind


def _value(match: re.Match[str]) -> str:
    """The digits of a number of several words; a single word stays."""
    words = re.findall(r"[a-z]+", match[0].lower())
    return match[0] if len(words) < 2 else str(number_words.value(words))


def _without_hints(text: str) -> str:
    """Leave out sentences on the form of the answer, unless they hold a number or nothing else is there."""
    pieces = SENTENCE.split(text)
    if len(pieces) < 3:
        return text
    kept = [place for place in range(0, len(pieces), 2) if not _HINT.match(pieces[place])]
    if len(kept) * 2 > len(pieces) or not any(pieces[place].strip() for place in kept):
        return text
    return "".join(piece for place in kept for piece in pieces[place : place + 2])


def respelt(row: str, row_words: Set[str], item_words: Set[str], missing_numbers: Set[str]) -> str:
    """The row with words that only it has spelt as words that only the item has, where the difference is a slip of the pen.

    One letter, or two in words of eight and more with the same first letter; or two words written as one. Words that mean
    something else than their neighbours (`sine`, `largest`) and words in capitals are taken as they are.
    """
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extractOne

    targets = {word for word in item_words - row_words if len(word) >= 4 and word.isalpha()}
    targets |= {_SPELT[number] for number in missing_numbers if number in _SPELT}
    choices = sorted(targets)  # of two that are as near the first in the alphabet, in every run
    changes: dict[str, str] = {}
    for word in row_words - item_words:
        if len(word) < 4 or not word.isascii() or not word.isalpha() or word in _KNOWN:
            continue
        found = extractOne(word, choices, scorer=OSA.distance, score_cutoff=1 if len(word) < 8 else 2)
        if found is not None:
            other, distance, _ = found
            if _is_slip(word, other, distance):
                changes[word] = other
                continue
        for place in range(2, len(word) - 1):
            left, right = word[:place], word[place:]
            if left not in NEGATIONS and _is_word(left, item_words) and _is_word(right, item_words):
                changes[word] = f"{left} {right}"
                break
    if not changes:
        return row
    return _WORD.sub(lambda match: match[0] if match[0].isupper() else changes.get(match[0].lower(), match[0]), row)


def _is_slip(word: str, other: str, distance: int) -> bool:
    """A slip of one letter (the first only where the word means no more than itself), or of two in long words."""
    if word[0] == other[0]:
        return distance == 1 or len(other) >= 8
    return distance == 1 and (other not in _KNOWN or len(other) >= 5)


def _is_word(part: str, item_words: Set[str]) -> bool:
    return part in item_words or NUMBER_WORDS.get(part) in item_words or part in LIGHT
