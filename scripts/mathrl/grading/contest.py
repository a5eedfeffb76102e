r"""The contest's judge, rebuilt: Qwen2.5-Math's answer extraction and `math_equal`, with its quirks.

For scores that can be compared with the organisers' (FlagAI-Open/OpenSeek, evaluation/qwen_eval, Apache-2.0): relative
tolerance 1e-4, a factor of 100 either way is accepted, units and percent signs are dropped, and without a box the last number
counts. It is a yardstick, not a reward: it accepts 162500 for 1625, and anagrams.

Two deliberate differences, neither of which shows on the shared 560 outputs: text of a model is never evaluated as Python
code (the original's second parser does), and answers beyond the budget are compared as strings. Where the original asks
SymPy whether two expressions are equal, this asks our evaluator (value.py), in-process and without a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from math import isclose

from mathrl.grading.compare import SCALARS
from mathrl.grading.parse import Node, readings
from mathrl.grading.value import POINTS, Evaluator, Undecided, close, symbols
from mathrl.grading.verdict import Grade, make_grade
from mathrl.grading.words import ONES, SCALES, TENS

MAX_CHARS = 2_000
_CHOICES = ("A", "B", "C", "D", "E")
_KEEP_UNITS = ("carp_en", "minerva_math")

# The original's list, in its order: each is removed as a pattern between non-word characters, twice over.
_UNITS = (  # noqa: SIM905
    "east|degree|mph|kmph|ft|m sqaure| m east|sq m|deg|mile|q .|monkey|prime|ratio|profit of rs|rd|o|gm|p . m|lb|tile|per|"
    "dm|lt|gain|ab|way|west|a .|b .|c .|d .|e .|f .|g .|h .|t|a|h|no change|men|soldier|pie|bc|excess|st|inches|noon|"
    "percent|by|gal|kmh|c|acre|rise|a . m|th|π r 2|sq|mark|l|toy|coin|sq . m|gallon|° f|profit|minw|yr|women|feet|am|pm|hr|"
    "cu cm|square|v â € ™|are|rupee|rounds|cubic|cc|mtr|s|ohm|number|kmph|day|hour|minute|min|second|man|woman|sec|cube|mt|"
    "sq inch|mp|∏ cm ³|hectare|more|sec|unit|cu . m|cm 2|rs .|rs|kg|g|month|km|m|cm|mm|apple|liter|loss|yard|pure|year|"
    "increase|decrease|d|less|Surface|litre|pi sq m|s .|metre|meter|inch"
).split("|")
_UNIT_PATTERNS = [re.compile(r"(^|\W)" + unit + r"($|\W)") for unit in (*_UNITS, *(unit + "s" for unit in _UNITS))]


def _word_number(text: str) -> str:
    """A number written in words as digits ("025" as "25"); other text as it is."""
    plain = text.replace("-", " ").lower()
    if plain.isdigit():
        return str(int(plain))
    words = [word for word in plain.split() if word in ONES or word in TENS or word in SCALES or word in ("hundred", "point")]
    if not words or any(words.count(word) > 1 for word in (*SCALES, "point")):
        return text
    whole, _, decimals = " ".join(words).partition("point")
    total = part = 0
    for word in whole.split():
        if word in SCALES:
            total, part = total + (part or 1) * SCALES[word], 0
        elif word == "hundred":
            part = (part or 1) * 100
        else:
            part += ONES.get(word, TENS.get(word, 0))
    digits = "".join(str(ONES[word]) for word in decimals.split() if word in ONES)
    return f"{total + part}.{digits}" if digits else str(total + part)


def _fix_fractions(text: str) -> str:
    head, *rest = text.split("\\frac")
    fixed = head
    for part in rest:
        fixed += "\\frac"
        if part.startswith("{"):
            fixed += part
        elif len(part) < 2:
            return text
        elif part[1] != "{":
            fixed += f"{{{part[0]}}}{{{part[1]}}}{part[2:]}"
        else:
            fixed += f"{{{part[0]}}}{part[1:]}"
    return fixed


def _fix_slash(text: str) -> str:
    parts = text.split("/")
    if len(parts) != 2:
        return text
    try:
        top, bottom = (part if "sqrt" in part else int(part) for part in parts)
    except ValueError:
        return text
    return rf"\frac{{{top}}}{{{bottom}}}" if f"{top}/{bottom}" == text else text


@lru_cache(maxsize=16_384)
def strip_string(text: str, skip_unit: bool = False) -> str:
    """The original's normal form of an answer."""
    text = str(text).strip().replace("\n", "").rstrip(".").replace("\\!", "")
    if len(text) > MAX_CHARS:
        return text
    text = re.sub(r"\\begin\{array\}\{.*?\}", r"\\begin{pmatrix}", text)
    text = re.sub(r"\\end\{array\}", r"\\end{pmatrix}", text).replace("bmatrix", "pmatrix")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac")
    text = text.replace("\\neq", "\\ne").replace("\\leq", "\\le").replace("\\geq", "\\ge")
    text = text.replace("\\left", "").replace("\\right", "").replace("\\{", "{").replace("\\}", "}")
    without = re.sub(r"\\text{.*?}$", "", text).strip()
    text = without or text
    if not skip_unit:
        for _ in range(2):
            for pattern in _UNIT_PATTERNS:
                text = pattern.sub(r"\1\2", text) or text
    text = text.replace("^{\\circ}", "").replace("^\\circ", "")
    text = text.replace("\\$", "").replace("$", "").replace("\\(", "").replace("\\)", "")
    text = _word_number(text)
    text = re.sub(r"\\text\{(.*?)\}", r"\1", text)
    for key in ("x=", "y=", "z=", "x\\in", "y\\in", "z\\in", "x\\to", "y\\to", "z\\to"):
        text = text.replace(key, "")
    text = text.replace("\\emptyset", "{}").replace("(-\\infty,\\infty)", "\\mathbb{R}")
    text = text.replace("\\%", "").replace("%", "").replace(" .", " 0.").replace("{.", "{0.")
    text = text.replace("infinity", "\\infty")
    if "\\infty" not in text:
        text = text.replace("inf", "\\infty")
    text = text.replace("and", "").replace("\\mathbf", "")
    text = re.sub(r"\\mbox{.*?}", "", text)
    if "j" in text and "i" not in text:
        text = text.replace("j", "i")
    text = re.sub(r"(\d+)\.0*([^\d])", r"\1\2", text)
    text = re.sub(r"(\d+)\.0*$", r"\1", text)
    if not text:
        return text
    if text[0] == ".":
        text = "0" + text
    sides = text.split("=")
    if len(sides) == 2 and len(sides[0]) <= 2:
        text = sides[1]
    text = re.sub(r"\\sqrt(\w+)", r"\\sqrt{\1}", text).replace(" ", "")
    return _fix_slash(_fix_fractions(text))


def _raw_answer(response: str) -> str:
    if "final answer is $" in response and "$. I hope" in response:
        return response.split("final answer is $", 1)[1].split("$. I hope", 1)[0].strip()
    if "boxed" in response:
        rest = response.rsplit("boxed", 1)[1]
        if not rest.startswith("{"):
            return rest.split("$")[0].strip()
        depth = 0
        for index, char in enumerate(rest):
            depth += (char == "{") - (char == "}")
            if depth == 0:
                return rest[1:index]
        return rest[1:]
    for mark in ("he answer is", "final answer is"):
        if mark in response:
            return response.rsplit(mark, 1)[1].strip()
    if "答案是" in response:
        return response.split("答案是")[1].strip().split("\n\n")[0].strip()
    numbers = re.findall(r"-?\d*\.?\d+", response.replace(",", ""))
    return numbers[-1] if numbers else ""


def extract_answer(response: str, benchmark: str = "") -> str:
    """The answer that the organisers' protocol reads from a response; "" where there is none.

    benchmark decides only whether units are kept (minerva_math) or dropped at the second pass (math500).
    """
    if "</think>" in response:
        response = response.split("</think>")[1]
    answer = re.sub(r"\n\s*", "", _raw_answer(response.replace("\u043a\u0438", "")))
    answer = answer.removeprefix(":").removesuffix(".").removesuffix("/")
    answer = strip_string(answer, skip_unit="math" in benchmark or benchmark in _KEEP_UNITS)
    return strip_string(answer, skip_unit=benchmark in _KEEP_UNITS)


def gold_form(answer: str, benchmark: str = "") -> str:
    """The gold as the organisers' protocol compares it."""
    if benchmark in _KEEP_UNITS:
        return answer.replace("\\neq", "\\ne").replace("\\leq", "\\le").replace("\\geq", "\\ge")
    if "math" in benchmark:
        answer = strip_string(answer, skip_unit=True)
    return strip_string(answer)


def _choice(text: str) -> str:
    text = text.strip("\n").rstrip(".").rstrip("/").strip(" ").lstrip(":")
    letters = re.findall(r"\b(A|B|C|D|E)\b", text.upper())
    return (letters[-1] if letters else text.strip().strip(".")).rstrip(".").rstrip("/")


def _digits(text: str) -> float | None:
    text = text.replace(",", "")
    try:
        return float(text)
    except ValueError:
        pass
    if text.endswith("%"):
        try:
            return float(text[:-1].removesuffix("\\")) / 100
        except ValueError:
            pass
    return None


def _near(prediction: float, reference: float) -> bool:
    return isclose(reference, prediction, rel_tol=1e-4)


def _reading(text: str) -> Node | None:
    if "{,}" in text:  # no thousands separator to the original's parsers
        return None
    found = readings(text) or readings(text.replace("\\\\", "\\"))
    return found[0] if found else None


def _symbolic(prediction: str, reference: str) -> bool:
    """Equal as expressions: as written, at all test points, as constants within 1e-4, or as equations."""
    if prediction == reference:
        return True
    if prediction.isalpha() and reference.isalpha() and prediction.isascii() and reference.isascii():
        return sorted(prediction) == sorted(reference)  # SymPy reads a word as a product of letters
    left, right = _reading(prediction), _reading(reference)
    if left is None or right is None:
        return False
    if left == right:
        return True
    if left[0] == right[0] == "rel" and left[2] == right[2] == ("=",):
        return _same(*(("fn", "abs", (("add", (node[1][0], ("neg", node[1][1]))),)) for node in (left, right)))
    if left[0] == right[0] == "matrix":
        if len(left[1]) != len(right[1]) or len(left[1][0]) != len(right[1][0]):
            return False
        cells = zip([c for row in left[1] for c in row], [c for row in right[1] for c in row], strict=True)
        return all(_same(a, b) or _rounded_cell(a) == _rounded_cell(b) is not None for a, b in cells)
    return _same(left, right)


def _rounded_cell(node: Node) -> float | None:
    try:
        return round(complex(Evaluator()(node)).real, 3)
    except (Undecided, OverflowError):
        return None


def _same(left: Node, right: Node) -> bool:
    if left[0] not in SCALARS or right[0] not in SCALARS:
        return False
    constants = not symbols(left) and not symbols(right)
    agreed = 0
    for point in range(1 if constants else POINTS):
        try:
            a, b = Evaluator(point)(left), Evaluator(point)(right)
        except Undecided:
            continue
        if constants:
            a, b = complex(a), complex(b)
            return abs(a - b) < 1e-12 or (abs(a.imag) < 1e-12 and abs(b.imag) < 1e-12 and _near(a.real, b.real))
        if not close(a, b):
            return False
        agreed += 1
    return agreed >= 3


def _braced_rows(text: str) -> str:
    found = re.findall(r"\{.*,.*\}", text.strip())
    return ", ".join(rf"\begin{{pmatrix}}{part.strip('{}').replace(',', chr(92))}\end{{pmatrix}}" for part in found)


def _matrix_rows(text: str) -> list[list[str]] | None:
    if re.match(r"\\begin\{[pb]matrix\}", text) and re.search(r"\\end\{[pb]matrix\}$", text):
        body = text[len("\\begin{pmatrix}") : -len("\\end{pmatrix}")]
        return [line.strip().split("&") for line in body.split("\\\\") if line.strip()]
    return None


def math_equal(prediction: str, reference: str, depth: int = 0) -> bool:
    """The original's verdict on two normal forms."""
    if prediction.strip().lower() == reference.strip().lower():
        return True
    if len(prediction) > MAX_CHARS or len(reference) > MAX_CHARS or depth > 6:
        return False
    if reference in _CHOICES and _choice(prediction) == reference:
        return True
    number, gold = _digits(prediction), _digits(reference)
    if number is not None and gold is not None:
        return any(_near(number, item) for item in (gold / 100, gold, gold * 100))
    if not prediction:
        return False
    prediction, reference = prediction.strip(), reference.strip()
    if "pmatrix" in prediction and "pmatrix" not in reference:
        reference = _braced_rows(reference)
    mine, theirs = prediction, reference
    square = prediction.startswith("[") and prediction.endswith("]") and not reference.startswith("(")
    round_ = prediction.startswith("(") and prediction.endswith(")") and not reference.startswith("[")
    if square or round_:
        mine, theirs = mine.strip("[]()"), theirs.strip("[]()")
    for bracket in "{}()":
        mine, theirs = mine.replace(bracket, ""), theirs.replace(bracket, "")
    if mine.lower() == theirs.lower():
        return True
    bracketed = r"[(\[].+[)\]]"
    if re.match(bracketed, prediction) and re.match(bracketed, reference):
        parts = prediction[1:-1].split(","), reference[1:-1].split(",")
        if len(parts[0]) == len(parts[1]) and all(math_equal(a, b, depth + 1) for a, b in zip(*parts, strict=True)):
            return True
    rows = _matrix_rows(prediction), _matrix_rows(reference)
    if rows[0] is not None and rows[1] is not None and [len(row) for row in rows[0]] == [len(row) for row in rows[1]]:
        cells = [(a, b) for left, right in zip(*rows, strict=True) for a, b in zip(left, right, strict=True)]
        if all(math_equal(a, b, depth + 1) for a, b in cells):
            return True
    sides = [text.split("=") for text in (prediction, reference)]
    if [len(side) for side in sides] == [2, 2]:
        left, right = (f"{side[0].strip()} - ({side[1].strip()})" for side in sides)
        if _symbolic(left, right) or _symbolic(f"-({left})", right):
            return True
    named = sorted(len(side) for side in sides) == [1, 2] and len(max(sides, key=len)[0].strip()) <= 2
    if named and math_equal(sides[0][-1], sides[1][-1], depth + 1):
        return True
    return _symbolic(prediction, reference)


@lru_cache(maxsize=16_384)
def _verdict(prediction: str, gold: str) -> str:
    try:
        return "equal" if math_equal(prediction, gold) else "different"
    except Exception:
        return "error"


def contest_grade(response: str, answer: str, benchmark: str = "") -> Grade:
    """One verdict of the contest's judge; `format` says whether it saw the word "boxed". Never raises."""
    try:
        gold = gold_form(str(answer), benchmark)
        prediction = extract_answer(response, benchmark)
        if gold in _CHOICES and prediction not in _CHOICES:
            prediction = _choice(response[-20_000:])
        elif gold and set(gold) <= set(_CHOICES) and not set(prediction) <= set(_CHOICES):
            prediction = "".join(letter for letter in prediction if letter in _CHOICES)
        boxed = "boxed" in response
        status = _verdict(prediction, gold)
        if status == "different" and not prediction:
            status = "unparsed_answer" if boxed else "no_box"
        return make_grade(prediction or None, status, boxed)
    except Exception:
        return make_grade(None, "error", False)


def contest_grades(pairs: Iterable[tuple[str, str]], benchmark: str = "") -> list[Grade]:
    """Verdicts of the contest's judge on (response, answer) pairs, in order."""
    return [contest_grade(response, answer, benchmark) for response, answer in pairs]
