r"""Unicode in answers: mathematical characters to LaTeX, invisible ones away, Chinese words to English ones."""

from __future__ import annotations

import re
import unicodedata

_TO_LATEX = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ",
    "÷": r"\div ", "∕": "/", "⁄": "/", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≦": r"\le ", "≧": r"\ge ", "≠": r"\ne ",
    "≡": r"\equiv ", "≈": r"\approx ", "±": r"\pm ", "∓": r"\mp ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ",
    "Ø": r"\emptyset ", "°": r"^{\circ}", "º": r"^{\circ}", "˚": r"^{\circ}", "∘": r"\circ ", "℃": r"^{\circ} C", "℉": r"^{\circ} F",
    "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"', "…": r"\ldots ", "⋯": r"\ldots ", "⟨": "(", "⟩": ")", "〈": "(", "〉": ")",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "π": r"\pi ", "∏": r"\prod ", "∑": r"\sum ", "∫": r"\int ",
    "∠": r"\angle ",
    "△": r"\triangle ", "∴": "", "⇒": r"\Rightarrow ", "→": r"\to ", "ˆ": "^", "＾": "^", "，": ", ", "、": ", ", "（": "(", "）": ")",
    "。": ".", "：": ":", "；": ";", "％": "%", "﹣": "-", "＋": "+", "＝": "=", "✓": "", "✔": "", "✅": "", "■": "", "□": "", "∎": "",
    "∣": "|", "∥": r"\|", "€": r"\€ ", "£": r"\£ ", "¥": r"\¥ ", "￥": r"\¥ ", "₹": r"\₹ ", "¢": r"⟦cents⟧",
    "Å": r"\AA ", "μ": r"\mu ", "µ": r"\mu ",
}  # fmt: skip
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

_CHINESE_WORDS = {
    "无实数解": "no solution", "没有实数解": "no solution", "无解": "no solution", "没有解": "no solution", "无实根": "no solution",
    "没有实数根": "no solution", "无实数根": "no solution",
    "空集": r"\emptyset ", "不存在": "does not exist", "全体实数": r"\mathbb{R}", "所有实数": r"\mathbb{R}", "任意实数": r"\mathbb{R}",
    "实数集": r"\mathbb{R}", "无穷多": "infinitely many", "无数": "infinitely many", "正确": "true", "错误": "false",
    "不是": "no", "是的": "yes", "不对": "false",
    "不能": "no", "不可以": "no", "正无穷": r"\infty ", "负无穷": r"-\infty ", "无穷大": r"\infty ", "无穷": r"\infty ",
    "或者": " or ", "以及": " and ", "并且": " and ", "平方根": "root", "答案是": "", "答案为": "", "答案": "", "等于": "=", "约为": "",
    "大约": "", "大于等于": r"\ge ", "小于等于": r"\le ", "大于": ">", "小于": "<",
}  # fmt: skip
_CHINESE_WHOLE = {"是": "yes", "对": "true", "否": "no", "错": "false", "能": "yes", "可以": "yes", "不": "no"}
_CHINESE_UNITS = {
    "平方厘米": "cm^2", "平方分米": "dm^2", "平方米": "m^2", "平方千米": "km^2", "平方公里": "km^2", "立方厘米": "cm^3", "立方分米": "dm^3",
    "立方米": "m^3", "厘米": "cm", "分米": "dm", "毫米": "mm", "千米": "km", "公里": "km", "米": "m", "公顷": "hectares", "毫升": "ml",
    "升": "l", "千克": "kg", "公斤": "kg", "毫克": "mg", "克": "g", "吨": "tonnes", "小时": "hours", "分钟": "minutes", "秒": "seconds",
    "天": "days", "周": "weeks", "个月": "months", "月": "months", "年": "years", "元": "yuan", "角": "jiao",
    "美元": "dollars", "欧元": "euros",
}  # fmt: skip
_CHINESE_COUNTS = "个人本只名棵岁次位辆张块件支条头盒箱瓶页台朵袋双枝分种题"
_CHINESE_SCALES = {"万": 10**4, "亿": 10**8, "千": 10**3, "百": 10**2}
_CHINESE_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2}
_NUMERALS = re.compile(
    r"[一二两三四五六七八九]?十[一二三四五六七八九]?|(?<![\u4e00-\u9fff])[零一二两三四五六七八九](?![\u4e00-\u9fff])|[一二两三四五六七八九](?=分之)|(?<=分之)[一二三四五六七八九]"
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_PER_CENT = re.compile(r"百分之\s*(\d+(?:\.\d+)?)")
_PARTS = re.compile(r"(\d+)分之(\d+)")
_WORDS = re.compile("|".join(sorted(_CHINESE_WORDS, key=len, reverse=True)))
_UNITS = re.compile(rf"(?<=[\d}})½ ])\s*{'(?:' + '|'.join(sorted(_CHINESE_UNITS, key=len, reverse=True)) + ')'}")
_SCALED = re.compile(r"(\d+(?:\.\d+)?)\s*([万亿千百])")


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
    text = _WORDS.sub(lambda match: _CHINESE_WORDS[match[0]], text)
    text = re.sub(r"^\s*(?:答|解|所以|因此|则|故)\s*[:,]?\s*", "", text)
    text = _NUMERALS.sub(lambda match: str(_numeral(match[0])), text)
    text = _PARTS.sub(r"\\frac{\2}{\1}", _PER_CENT.sub(r"\1\\%", text))
    text = re.sub(r"(?<=[\d}])\s*度", r"^{\\circ}", text)
    text = _SCALED.sub(_scaled, text)
    text = _UNITS.sub(lambda match: f"⟦{_CHINESE_UNITS[match[0].strip()]}⟧", text)
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
