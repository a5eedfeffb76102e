r"""One gold answer as text from whatever a data set holds, or the reason why a row has none.

- a number: an integer where it is one (27.0 is 27), never in powers of ten; NaN is no answer;
- a truth value: True or False;
- several golds in a list: the first where the grader holds all for equal, else all of them (`2, -2`);
- a letter, an index or the text of an option, where there are choices: the letter;
- a text: what the rule of the layout finds in it. Placeholders (`None`, `notfound`, `proof`) are no answers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mathrl.core.files import JsonObject, parse_json
from mathrl.text.boxes import last_boxed

LETTERS = "ABCDEFGHIJ"
MAX_DEPTH = 10  # lists in lists that one answer may be
PLACEHOLDERS = frozenset(
    [
        "",
        "none",
        "null",
        "nan",
        "n/a",
        "na",
        "nil",
        "unknown",
        "notfound",
        "not found",
        "proof",
        "see solution",
        "see proof",
        "no answer",
        "answer not found",
        "undefined answer",
        "-",
    ]
)
_LEADING_ZEROS = re.compile(r"^0+(?=\d+$)")
_THOUSANDS = re.compile(r"^([-+$€£\s]*)(\d{1,3}(?:,\d{3})+(?:\.\d+)?)([\s%.$]*|\s+[a-z ]+)$")
_IN_A_LIST = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?!,?\d)")  # a comma without a blank, where those of the list have one
_BETWEEN_BRACKETS = re.compile(r"[^()\[\]{}]+")
_UNIT = re.compile(r"(?<=[\d.])\s*\([^()]*[A-Za-z][^()]*\)")
# `['2', '-2']` and `["2", "-2"]`: a list of texts, written as a text; what has no quotes may be an interval.
_QUOTED = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"")
_QUOTED_LIST = re.compile(r"\[\s*(?:'[^'\\]*'|\"[^\"\\]*\")(?:\s*,\s*(?:'[^'\\]*'|\"[^\"\\]*\"))*\s*\]")
LIST_OR_OBJECT = r"^\s*[\[{]\s*['\"]"
"""Golds that begin so are more than one text."""
_OBJECT = re.compile(r'\{\s*"')
_NAMES_A_JUDGE = re.compile(r'[\[\s]*\{\s*"protocol"')
_DOLLARS = re.compile(r"^\$([^$]+)\$$")
_BRACKETS = re.compile(r"^\(([^(),]*)\)$")
_LABEL = re.compile(r"^\s*[\[(]?\s*([A-Ja-j])\s*[\])][.:]?\s*|^\s*([A-Ja-j])\s*[.:]\s+|^\s*([A-J])\s*[.:]\s*")
_OPTION_START = re.compile(r"(?:^|(?<=[\s,;|]))[\[(]?\s*([A-Ja-j])\s*[.)\]:]\s*")


class NoGold(Exception):
    """This row has no answer that can be graded; the text says why, without the row's own values, so that reasons can be counted."""


def text_of(value: Any, depth: int = 0) -> str:
    """The text of one value; `NoGold` for what is no answer."""
    if depth > MAX_DEPTH:
        raise NoGold(f"the answer is a list nested more than {MAX_DEPTH} deep")
    if value is None:
        raise NoGold("no answer")
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            raise NoGold("the answer is no number (NaN or infinite)")
        exact = Decimal(repr(value)) if isinstance(value, float) else value  # 1e23 as a whole number is 99999999999999991611392
        return str(int(exact)) if exact == int(exact) else f"{exact:f}"
    if isinstance(value, str):
        text = value.strip()
        if text.lower().strip(" .\\{}$") in PLACEHOLDERS:
            raise NoGold(f"the answer is the text {text.lower()!r}" if text else "no answer")
        if _OBJECT.match(text) and (told := _object(text)) is not None:
            return _for_a_protocol(told)
        if _NAMES_A_JUDGE.match(text):
            raise NoGold("the answer begins as a gold that names a judge, and is no JSON object")
        if text.startswith("{'"):
            raise NoGold("the answer is an object, written as Python writes it")
        return text if (listed := _listed(text)) is None else _one_of(listed)
    if isinstance(value, list | tuple):
        return _one_of(list(value), depth + 1)
    if isinstance(value, dict):
        return _for_a_protocol(value)
    raise NoGold(f"the answer is an object of type {type(value).__name__}")


def _listed(text: str) -> list[str] | None:
    """The texts of a list of texts that is written as a text. Python would not read one with a line feed in it."""
    return [one or other for one, other in _QUOTED.findall(text)] if _QUOTED_LIST.fullmatch(text) else None


def _for_a_protocol(told: JsonObject) -> str:
    """The gold that names its judge, as all of us write it."""
    from mathrl.judges import protocols

    if "protocol" not in told:
        raise NoGold("the answer is a JSON object")
    try:
        text = json.dumps({"protocol": told["protocol"], **told}, ensure_ascii=False)
    except (TypeError, ValueError):
        raise NoGold("the answer is an object that JSON cannot write") from None
    if protocols.gold_of(text) is None:
        raise NoGold("the answer names a judge that grader_protocols does not have, or lacks what it needs")
    return text


def _object(text: str) -> JsonObject | None:
    try:
        found = parse_json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _one_of(values: list[Any], depth: int = 0) -> str:
    texts = list(dict.fromkeys(text_of(value, depth) for value in values))
    if not texts:
        raise NoGold("no answer")
    if len(texts) == 1:
        return texts[0]
    from mathrl.grading import equivalent
    from mathrl.judges.protocols import MARK

    if any(text.startswith(MARK) for text in texts):
        raise NoGold("the answer is a list in which an entry names a judge")
    if all(equivalent(other, texts[0]) for other in texts[1:]):
        return texts[0]
    return ", ".join(_THOUSANDS.sub(_joined, text) for text in texts)


def plain(text: str) -> str:
    """An integer without leading zeros (025)."""
    return _LEADING_ZEROS.sub("", text, count=1)


def _last_box(text: str) -> str:
    found = last_boxed(text)
    if not found:
        raise NoGold("the solution has no box")
    return found


def _after(mark: str) -> Callable[[str], str]:
    def rule(text: str) -> str:
        if mark not in text:
            raise NoGold(f"the answer has no mark '{mark}'")
        found = text.rsplit(mark, 1)[1].strip()
        if not found:
            raise NoGold(f"nothing stands behind the mark '{mark}'")
        found = _THOUSANDS.sub(_joined, found)
        return _BETWEEN_BRACKETS.sub(_thousands_of_a_list, found)

    return rule


def _thousands_of_a_list(part: re.Match[str]) -> str:
    """`1,234, 5` as `1234, 5`; of the points `(1,100), (2,200)` none is a list with blanks."""
    return _IN_A_LIST.sub(lambda match: match[0].replace(",", ""), part[0]) if re.search(r"\d, ", part[0]) else part[0]


def _final_answer(text: str) -> str:
    """The answer that a response gives: in its last box, or behind its last `####` or `The answer is`."""
    from mathrl.grading.extract import announced

    found = last_boxed(text) or announced(text)
    if not found:
        raise NoGold("the response states no final answer")
    return _THOUSANDS.sub(_joined, _DOLLARS.sub(r"\1", found.strip()))


def _joined(match: re.Match[str]) -> str:
    return match[1] + match[2].replace(",", "") + match[3]


def _without_dollars(text: str) -> str:
    return text.replace("$", "").strip()


def _number_without_unit(text: str) -> str:
    return ", ".join(part.strip() for part in _UNIT.sub("", text).split(";"))


def _list_in_text(text: str) -> str:
    """`["34"]` is 34: a JSON list written as a text."""
    if text[:1] == "[" and text[-1:] == "]":
        try:
            value = parse_json(text)
        except ValueError:
            return text
        if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
            return _one_of(value)
    return text


def _without_brackets(text: str) -> str:
    """`(1/2)` is 1/2, as ape210k writes fractions."""
    return _BRACKETS.sub(r"\1", text)


RULES: dict[str, Callable[[str], str]] = {
    "as_is": lambda text: text,
    "last_box": _last_box,
    "final_answer": _final_answer,
    "without_dollars": _without_dollars,
    "without_unit": _number_without_unit,
    "list_in_text": _list_in_text,
    "without_brackets": _without_brackets,
}


def rule_of(name: str) -> Callable[[str], str]:
    """The rule with this name, or `after: MARK`."""
    return _after(name.removeprefix("after:").strip().strip("\"'")) if name.startswith("after:") else RULES[name]


def found_by(rule: Callable[[str], str], value: Any) -> str:
    """The gold in a value by a rule, in plain spelling."""
    return plain(text_of(rule(text_of(value))))


def options_of(value: Any) -> list[str] | None:
    """The texts of the choices in order, from a list, a mapping of letters, `{text: […], label: […]}`, or one text with all of them; None
    where there are none."""
    if isinstance(value, str):  # MathQA: "['a ) 4', 'b ) 16']"
        value = _listed(value.strip()) or value
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        value = value["text"]
    if isinstance(value, dict):
        value = [entry for _, entry in sorted(value.items()) if entry is not None]
    if isinstance(value, list):
        if value and all(isinstance(entry, dict) for entry in value):
            value = [next((entry[key] for key in ("content", "text", "value") if key in entry), None) for entry in value]
        options = [_LABEL.sub("", str(entry), count=1).strip() for entry in value if entry is not None]
        return options or None
    if isinstance(value, str) and value.strip():
        wanted = _in_order(list(_OPTION_START.finditer(value)))
        if len(wanted) < 2:
            raise NoGold("the choices are one text that cannot be taken apart")
        ends = [match.start() for match in wanted[1:]] + [len(value)]
        return [value[match.end() : end].strip().rstrip(",;|").strip() for match, end in zip(wanted, ends, strict=True)]
    return None


def labels_of(value: Any) -> list[str] | None:
    """The labels of the choices where the data set gives them beside the texts (ARC: `1`, `2` … or `A`, `B` …) or as names of the texts
    (`{"1": …, "2": …}`); None for other choices."""
    labels = value.get("label") if isinstance(value, dict) else None
    if isinstance(value, dict) and not isinstance(value.get("text"), list):
        return [str(label).strip() for label, entry in sorted(value.items()) if entry is not None]
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        labels = [entry.get("label") for entry in value]
    return [str(label).strip() for label in labels] if isinstance(labels, list) and None not in labels else None


def _in_order(starts: list[re.Match[str]]) -> list[re.Match[str]]:
    """Of the places that look like labels those that are A, B, C … in order."""
    found: list[re.Match[str]] = []
    for match in starts:
        if len(found) < len(LETTERS) and match[1].upper() == LETTERS[len(found)]:
            found.append(match)
    return found


def letter_of(value: Any, options: list[str], labels: list[str] | None = None) -> str:
    """The letter of the right option: given as one of the labels, as letter, as index from 0, or as the option's text."""
    if len(options) > len(LETTERS):
        raise NoGold("more than ten choices")
    if labels is not None and len(labels) != len(options):
        raise NoGold("the choices have not one label each")
    if labels is not None and len(set(labels)) < len(labels):
        raise NoGold("two choices have one label")
    if labels is not None and str(value).strip() in labels:
        return LETTERS[labels.index(str(value).strip())]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    texts = [" ".join(option.split()) for option in options]
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < len(options):
            raise NoGold("the index of the right choice is outside the choices")
        return LETTERS[value]
    text = " ".join(text_of(value).split())
    label = text.strip("()[]. :").upper()
    if len(label) == 1 and label in LETTERS[: len(options)]:
        if text in texts and texts.index(text) != LETTERS.index(label):
            raise NoGold("the answer is the letter of one choice and the text of another")
        return label
    if texts.count(text) == 1:
        return LETTERS[texts.index(text)]
    labelled = _LABEL.match(text)
    if labelled:
        letter = next(group for group in labelled.groups() if group).upper()
        if letter in LETTERS[: len(options)] and " ".join(text[labelled.end() :].split()) in (texts[LETTERS.index(letter)], ""):
            return letter
    raise NoGold("the answer is none of the choices")


def with_choices(problem: str, options: list[str]) -> str:
    """The problem with its options below it, labelled (A), (B), …; as it is where it shows them already (`P(A) = 0.3` is none)."""
    if all(_shows(problem, letter, option) for letter, option in zip(LETTERS, options, strict=False)):
        return problem
    return problem + "".join(f"\n({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))


def _shows(problem: str, letter: str, option: str) -> bool:
    """Does a problem show an option behind its letter, whatever the blanks, with no more than marks such as a dollar between them?"""
    wanted = "".join(option.split())
    for label in re.finditer(rf"(?<![A-Za-z]){letter}\s*[.):\]]", problem):
        behind = "".join(problem[label.end() : label.end() + 2 * len(option) + 20].split())
        at = behind.find(wanted, 0, len(wanted) + 6)
        if at >= 0 and not re.search(r"[\w=]", behind[:at]):
            return True
    return False
