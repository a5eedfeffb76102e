r"""Unicode in answers: mathematical characters to LaTeX, invisible ones away, Chinese words to English ones."""

from __future__ import annotations

import re
import unicodedata

from mathrl.grading.words import TABLES

_TO_LATEX = {char: f"{latex} " if latex[:1] == "\\" else latex for char, latex in TABLES["character"].items()}
_TO_LATEX |= {chr(0x2460 + index): f"({index + 1})" for index in range(20)}  # circled numbers
_VULGAR = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_TO_LATEX |= {char: r"\frac{{{}}}{{{}}}".format(*unicodedata.normalize("NFKC", char).split("⁄")) for char in _VULGAR}
_TO_LATEX |= {char: f"\\{unicodedata.name(char).split()[-1].capitalize()} " for char in "ΓΔΘΛΞΠΣΦΨΩ"}
_GREEK = {chr(code): "\\" + unicodedata.name(chr(code)).split()[-1].lower() + " " for code in range(0x3B1, 0x3CA)} | {"λ": r"\lambda "}
_TRANSLATE = str.maketrans({**_GREEK, **_TO_LATEX})
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_SUBSCRIPT = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ROOT = re.compile(r"([√∛∜])\s*(\d+(?:\.\d+)?|[A-Za-z])?")
_DEGREES = {"√": "", "∛": "[3]", "∜": "[4]"}
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]")

_CHINESE_WORDS, _CHINESE_WHOLE, _CHINESE_UNITS = TABLES["chinese"], TABLES["chinese answer"], TABLES["chinese unit"]
_CHINESE_COUNTS = "个人本只名棵岁次位辆张块件支条头盒箱瓶页台朵袋双枝分种题"
_CHINESE_SCALES = {"万": 10**4, "亿": 10**8, "千": 10**3, "百": 10**2}
_CHINESE_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2}
_NUMERALS = re.compile(
    r"[一二两三四五六七八九]?十[一二三四五六七八九]?|(?<![\u4e00-\u9fff])[零一二两三四五六七八九](?![\u4e00-\u9fff])|[一二两三四五六七八九](?=分之)|(?<=分之)[一二三四五六七八九]"
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_PER_CENT = re.compile(r"百分之\s*(\d+(?:\.\d+)?)")
_PARTS = re.compile(r"(?<!\d)(\d+)分之(\d+)")
_WORDS = re.compile("|".join(sorted(_CHINESE_WORDS, key=len, reverse=True)))
_UNIT = "|".join(sorted(_CHINESE_UNITS, key=len, reverse=True))
_UNITS = re.compile(rf"(?<=[\d}})½ ])\s*({_UNIT})(?:\s*[/每]\s*({_UNIT}))?")
_HEAD = re.compile(r"^(?:\s|[:,]|答|解|所以|因此|则|故|应?选择?(?=[\s:(]*[A-J](?![a-z])))+")
"""What announces an answer: "so", "answer:", "choose C"."""
_SCALED = re.compile(r"(?<!\d)(\d+(?:\.\d+)?)\s*([万亿千百])")


def _scaled(match: re.Match) -> str:
    whole, _, decimals = match[1].partition(".")
    size = len(str(_CHINESE_SCALES[match[2]])) - 1
    if len(decimals) > size or len(whole) > 20:
        return match[0]
    return (whole + decimals.ljust(size, "0")).lstrip("0") or "0"


def _numeral(text: str) -> int:
    tens, mark, ones = text.rpartition("十")
    return (10 * _CHINESE_DIGITS.get(tens, 1) if mark else 0) + _CHINESE_DIGITS.get(ones, 0)


def _chinese(text: str) -> str:
    """Chinese words, units, scales and simple numbers in the words of the grammar."""
    bare = text.strip(" .,!。答:：")
    if bare in _CHINESE_WHOLE:
        return _CHINESE_WHOLE[bare]
    text = _WORDS.sub(lambda match: f" {_CHINESE_WORDS[match[0]]} ", text)
    text = _HEAD.sub("", text)
    text = _NUMERALS.sub(lambda match: str(_numeral(match[0])), text)
    text = _PARTS.sub(r"\\frac{\2}{\1}", _PER_CENT.sub(r"\1\\%", text))
    text = re.sub(r"(?<=[\d}])\s*度", r"^{\\circ}", text)
    text = _SCALED.sub(_scaled, text)
    text = _UNITS.sub(lambda match: f"⟦{' per '.join(_CHINESE_UNITS[unit] for unit in match.groups() if unit)}⟧", text)
    text = re.sub(rf"(?<=[\d}}])\s*[{_CHINESE_COUNTS}](?![\u4e00-\u9fff])", "", text)
    return re.sub("[和与且及]", " and ", text).replace("或", " or ")


def to_latex(text: str) -> str:
    """The text with Unicode mathematics as LaTeX; ASCII text as it is."""
    if text.isascii():
        return text
    text = text.replace("⟦", " ").replace("⟧", " ")
    text = _INVISIBLE.sub("", text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda m: "^{" + m[0].translate(_SUPERSCRIPT) + "}", text)
    text = re.sub(r"[₀-₉]+", lambda m: "_{" + m[0].translate(_SUBSCRIPT) + "}", text)
    text = _ROOT.sub(lambda m: rf"\sqrt{_DEGREES[m[1]]}" + (f"{{{m[2]}}}" if m[2] else " "), text)
    text = unicodedata.normalize("NFKC", text.translate(_TRANSLATE))
    return _chinese(text) if _CHINESE.search(text) else text
