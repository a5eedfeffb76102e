r"""The contest's judge, rebuilt: Qwen2.5-Math's answer extraction and `math_equal` as the organisers run them, quirks included.

For scores that can be compared with the organisers' (FlagAI-Open/OpenSeek, evaluation/qwen_eval, Apache-2.0): relative
tolerance 1e-4, a factor of 100 either way is accepted, most units are dropped, and without a box the last number counts. It is
a yardstick, not a reward: it accepts 162500 for 1625, anagrams, and `2^{2025}` for `3^{2025}`.

What the text alone decides is decided here. The rest is asked of SymPy, as in the original, in workers with a limit on
processor time and memory (`contest_algebra.py`). Where the original's limit of five seconds ends in "wrong", so does ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from math import isclose

from mathrl.core.capped_calls import CappedCalls
from mathrl.grading import Grade
from mathrl.text.number_words import ONES, SCALES, WORDS

ALGEBRA = "mathrl.evaluation.contest_algebra:math_equal_by_algebra"
CPU_SECONDS = 5
"""The original's limit for one pair is five seconds on the clock; ours is processor time, which a busy machine does not change."""
MAX_CHARS = 10_000
"""A longer answer is compared as it stands."""
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

_NUMBER_WORDS = WORDS | {"hundred": 100} | SCALES


def _small_number(words: list[str]) -> int:
    """What up to four number words are worth to the original's library; IndexError for none, the first of more than four."""
    values = [_NUMBER_WORDS[word] for word in words]
    if len(values) == 2 and 100 not in values:
        return sum(values)
    if 2 <= len(values) <= 4:
        return values[0] * values[1] + sum(values[2:])
    return values[0]


def _word_number(text: str) -> str:
    """A number written in words as digits ("025" as "25"); other text as it is.

    As in the original's library (word2number), words that are no numbers are passed over: `two or three` is 5.
    """
    plain = text.replace("-", " ").lower()
    try:
        if plain.isdigit():
            return str(int(plain))
    except ValueError:  # ² is a digit to one and no number to the other
        return text
    words = [word for word in plain.split() if word in _NUMBER_WORDS or word == "point"]
    if not words or any(words.count(word) > 1 for word in (*SCALES, "point")):
        return text
    decimals = words[words.index("point") + 1 :] if "point" in words else []
    words = words[: words.index("point")] if "point" in words else words
    places = [words.index(scale) for scale in reversed(SCALES) if scale in words]  # billions come first
    if places != sorted(places):
        return text
    try:
        total: float = _whole_number(words, places)
    except IndexError:
        return text
    if decimals:
        digits = "".join(str(ONES[word]) for word in decimals if ONES.get(word, 10) < 10)
        total += float("0." + digits) if len(digits) == len(decimals) else 0
    return str(total)


def _whole_number(words: list[str], places: list[int]) -> int:
    if len(words) < 2:
        return _NUMBER_WORDS[words[0]] if words else 0
    total, start = 0, 0
    for place in places:
        total += _small_number(words[start:place]) * _NUMBER_WORDS[words[place]]
        start = place + 1
    if not places:
        return _small_number(words)
    # The library's own slip: where the last scale ends the number, what follows the one before it counts again.
    rest = next((place for place in reversed(places) if place != len(words) - 1), None)
    return total if rest is None else total + _small_number(words[rest + 1 :])


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
    if not skip_unit and any(char.isalpha() for char in text):  # every unit holds a letter
        for pattern in _UNIT_PATTERNS * 2:
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
    text = text.replace("+\\inity", "\\infty")
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


def _tidy(answer: str) -> str:
    return re.sub(r"\n\s*", "", answer).removeprefix(":").removesuffix(".").removesuffix("/")


def extract_answer(response: str, benchmark: str = "") -> str:
    """The answer that the organisers' protocol reads from a response; "" where there is none.

    benchmark decides only whether units are kept (minerva_math) or dropped at the second pass (math500).
    """
    if "</think>" in response:
        response = response.split("</think>")[1]
    answer = _raw_answer(response.replace("\u043a\u0438", ""))
    answer = strip_string(_tidy(answer), skip_unit="math" in benchmark or benchmark in _KEEP_UNITS)
    return strip_string(answer, skip_unit=benchmark in _KEEP_UNITS)


@lru_cache(maxsize=16_384)
def gold_form(answer: str, benchmark: str = "") -> str:
    """The gold as the organisers' protocol compares it: it goes through their reading of the data set, then of their output."""
    if "math" in benchmark:  # taken from the box of the solution, like an answer
        answer = strip_string(_tidy(answer), skip_unit=True)
    if benchmark in _KEEP_UNITS:
        return answer.replace("\\neq", "\\ne").replace("\\leq", "\\le").replace("\\geq", "\\ge")
    for _ in range(2):
        answer = strip_string(answer)
    return answer


def _choice(text: str) -> str:
    text = text.strip("\n").rstrip(".").rstrip("/").strip(" ").lstrip(":")
    letters = re.findall(r"\b(A|B|C|D|E)\b", text.upper())
    return (letters[-1] if letters else text.strip().strip(".")).rstrip(".").rstrip("/")


def _choice_of_response(response: str) -> str:
    """The choice that a whole response names: the first letter after the last "answer is", else the last letter."""
    text = response.strip("\n")
    if max(text.count("choice is"), text.count("answer is")) > 1:
        text = text.split("\n\n")[0]
    parts = re.split("choice is|answer is", text)
    if len(parts) == 1:
        return _choice(text)
    text = parts[-1].strip("\n").rstrip(".").rstrip("/").strip(" ").lstrip(":")
    letters = re.findall(r"\b(A|B|C|D|E)\b", text.upper())
    return (letters[0] if letters else text.strip().strip(".")).rstrip(".").rstrip("/")


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


def near(prediction: float, reference: float) -> bool:
    """Within the original's relative tolerance."""
    return isclose(reference, prediction, rel_tol=1e-4)


def _braced_rows(text: str) -> str:
    found = re.findall(r"\{.*,.*\}", text.strip())
    return ", ".join(rf"\begin{{pmatrix}}{part.strip('{}').replace(',', chr(92))}\end{{pmatrix}}" for part in found)


def _matrix_rows(text: str) -> list[list[str]] | None:
    if re.match(r"\\begin\{[pb]matrix\}", text) and re.search(r"\\end\{[pb]matrix\}$", text):
        body = text[len("\\begin{pmatrix}") : -len("\\end{pmatrix}")]
        return [line.strip().split("&") for line in body.split("\\\\") if line.strip()]
    return None


Symbolic = Callable[[str, str], bool]


class NeedsAlgebra(Exception):
    """The text alone does not decide."""


def undecided(left: str, right: str) -> bool:
    """Stands for SymPy where there is none: says that it is needed."""
    raise NeedsAlgebra


def math_equal(prediction: str, reference: str, symbolic: Symbolic = undecided) -> bool:
    """The original's verdict on two normal forms. `symbolic` compares two expressions; without one, `NeedsAlgebra` is raised."""
    if prediction.strip().lower() == reference.strip().lower():
        return True
    if len(prediction) > MAX_CHARS or len(reference) > MAX_CHARS:
        return False
    if reference in _CHOICES and _choice(prediction) == reference:
        return True
    number, gold = _digits(prediction), _digits(reference)
    if number is not None and gold is not None:
        return any(near(number, item) for item in (gold / 100, gold, gold * 100))
    if not prediction:
        return False
    prediction, reference = prediction.strip(), reference.strip()
    if "pmatrix" in prediction and "pmatrix" not in reference:
        reference = _braced_rows(reference)
    return (
        _bare(prediction, reference)
        or _same_parts(prediction, reference, symbolic)
        or _same_cells(prediction, reference, symbolic)
        or _same_sides(prediction, reference, symbolic)
        or symbolic(prediction, reference)
    )


def _bare(prediction: str, reference: str) -> bool:
    """The same text once brackets are taken away."""
    square = prediction.startswith("[") and prediction.endswith("]") and not reference.startswith("(")
    round_ = prediction.startswith("(") and prediction.endswith(")") and not reference.startswith("[")
    if square or round_:
        prediction, reference = prediction.strip("[]()"), reference.strip("[]()")
    bare = str.maketrans("", "", "{}()")
    return prediction.translate(bare).lower() == reference.translate(bare).lower()


def _same_parts(prediction: str, reference: str, symbolic: Symbolic) -> bool:
    """Points and intervals: part by part, whatever the brackets."""
    bracketed = r"[(\[].+[)\]]"
    if not (re.match(bracketed, prediction) and re.match(bracketed, reference)):
        return False
    mine, theirs = prediction[1:-1].split(","), reference[1:-1].split(",")
    return len(mine) == len(theirs) and all(math_equal(a, b, symbolic) for a, b in zip(mine, theirs, strict=True))


def _same_cells(prediction: str, reference: str, symbolic: Symbolic) -> bool:
    """Matrices: cell by cell."""
    mine, theirs = _matrix_rows(prediction), _matrix_rows(reference)
    if mine is None or theirs is None or [len(row) for row in mine] != [len(row) for row in theirs]:
        return False
    cells = [(a, b) for left, right in zip(mine, theirs, strict=True) for a, b in zip(left, right, strict=True)]
    return all(math_equal(a, b, symbolic) for a, b in cells)


def _same_sides(prediction: str, reference: str, symbolic: Symbolic) -> bool:
    """Equations by the difference of their sides; `x = 5` is 5 where the left side is short."""
    sides = [text.split("=") for text in (prediction, reference)]
    if [len(side) for side in sides] == [2, 2]:
        left, right = (f"{side[0].strip()} - ({side[1].strip()})" for side in sides)
        return symbolic(left, right) or symbolic(f"-({left})", right)
    named = sorted(len(side) for side in sides) == [1, 2] and len(max(sides, key=len)[0].strip()) <= 2
    return named and math_equal(sides[0][-1], sides[1][-1], symbolic)


def _pair(response: str, answer: str, benchmark: str) -> tuple[str, str]:
    """What is compared with what: the forms of a response's answer and of the gold."""
    gold = gold_form(str(answer), benchmark)
    prediction = extract_answer(response, benchmark)
    if gold in _CHOICES and prediction not in _CHOICES:
        prediction = _choice_of_response(response[-20_000:])
    elif set(gold) <= set(_CHOICES) and not set(prediction) <= set(_CHOICES):
        prediction = "".join(letter for letter in prediction if letter in _CHOICES)
    return prediction, gold


_calls = CappedCalls(ALGEBRA, cpu_seconds=CPU_SECONDS, preload=("sympy", "sympy.parsing.sympy_parser"))


@lru_cache(maxsize=16_384)
def _decided(prediction: str, gold: str) -> str | None:
    """The status by the text alone, None where algebra is needed."""
    try:
        return "equal" if math_equal(prediction, gold) else "different"
    except NeedsAlgebra:
        return None


def contest_grades(pairs: Iterable[tuple[str, str]], benchmark: str = "", workers: int = 1) -> list[Grade]:
    """Verdicts of the contest's judge on (response, answer) pairs, in order; never raises.

    benchmark: its name (minerva_math keeps units). workers: how many processes may do algebra at once. `format` says whether
    the judge saw the word "boxed"; a pair beyond the limit of processor time is "timeout", and wrong.
    """
    pairs = list(pairs)
    compared = [_pair(response, answer, benchmark) for response, answer in pairs]
    decided = {pair: _decided(*pair) for pair in dict.fromkeys(compared)}
    asked = [pair for pair, status in decided.items() if status is None]
    known = {pair: status for pair, status in decided.items() if status is not None}
    for pair, reply in zip(asked, _calls.map(asked, workers), strict=True):
        known[pair] = ("equal" if reply["value"] else "different") if "value" in reply else reply["lost"]
    return [
        _grade(response, prediction, known[prediction, gold]) for (response, _), (prediction, gold) in zip(pairs, compared, strict=True)
    ]


def _grade(response: str, prediction: str, status: str) -> Grade:
    boxed = "boxed" in response
    if status == "different" and not prediction:
        status = "unparsed_answer" if boxed else "no_box"
    extracted = prediction.encode("utf-8", "replace").decode() or None  # lone surrogates cannot be written to a file
    correct = status == "equal"
    return Grade(score=float(correct), correct=correct, format=boxed, extracted=extracted, status=status)
