"""Answers in words: choices, yes and no, times of day, plain words."""

from __future__ import annotations

import re

from mathrl.grading.latex import cleaned, word_key
from mathrl.grading.unicode import to_latex
from mathrl.grading.words import TABLES

_YES = {"yes": "yes", "true": "yes", "no": "no", "false": "no", "correct": "yes", "incorrect": "no"}
_CHOICE = re.compile(
    r"^(?:\\?[({\[]|\\text\s*\{|\\textbf\s*\{|\\mathrm\s*\{|\\mathbf\s*\{|\$|\s|\*)*([A-J])\s*((?:[)\]}.:,$\s*]|\\\)|$)+)(.*)$", re.DOTALL
)
_OPTION = re.compile(
    r"^\s*(?:\\text\s*\{\s*)?(?:the\s+)?(?:correct\s+)?(?:option|choice|answer)\s+(?:is\s+)?(?=[(\[]?[A-J]\b)", re.IGNORECASE
)
_OTHER_CHOICE = re.compile(r"\(\s*[A-J]\s*\)|(?<![A-Za-z'])[A-J]\s*[).:\]]|^\W*(?:(?:or|and)\b)?\W*[A-J](?![A-Za-z'])")
_LETTERS = re.compile(r"(?:[A-J]\s*(?:,|;|and|&|\s)*\s*){2,8}")
_CLOCK = re.compile(r"(\d{1,2})\s*:\s*(\d{2})\s*(?:([ap])\.?\s?m\.?)?|(\d{1,2})\s*([ap])\.?\s?m\.?", re.IGNORECASE)
_SYMBOLS = re.compile(r"[\^*|]")


def _choice(text: str) -> tuple[str, str, bool] | None:
    """(letter, what follows it, is the letter set off by a bracket, stop or colon?) of a choice."""
    if len(text) > 300:
        return None
    match = _CHOICE.match(" ".join(text.split()))
    return (match[1], match[3].strip(), bool(set(match[2]) & set(").:]"))) if match else None


def same_choice(answer: str, gold: str) -> bool | None:
    """Letters of a multiple choice: "(B)" for "B"; the letter alone for "(B) 12"; None where the gold is no choice."""
    answer, gold = to_latex(answer), to_latex(gold)
    theirs = _choice(gold)
    if theirs is None:
        return _same_letters(answer, gold)
    marked = re.search(r"[A-J]\s*[).:\]}]", gold) is not None
    if (theirs[1] and not marked) or _OTHER_CHOICE.search(theirs[1]):
        return _same_letters(answer, gold)
    mine = _choice(_OPTION.sub("", answer))
    if mine is None:
        return True if marked and theirs[1] and plain_words(answer) == plain_words(theirs[1]) else None
    if mine[0] != theirs[0]:
        return None
    if _OTHER_CHOICE.search(mine[1]):
        return False  # a list of the choices
    if not word_key(mine[1]) or word_key(mine[1]) == word_key(theirs[1]):
        return True
    return True if mine[2] and not theirs[1] else None


def _same_letters(answer: str, gold: str) -> bool | None:
    """Several letters at once: "A, B" for "AB"; None where the gold is no such answer."""
    texts = [re.sub(r"\\text\s*|\\mathrm\s*|[{}$()\[\].\\]", " ", text).strip() for text in (answer, gold)]
    if not all(len(text) < 60 and _LETTERS.fullmatch(text) for text in texts):
        return None
    mine, theirs = (re.sub(r"and|[^A-J]", "", text) for text in texts)
    if not re.fullmatch(r"[A-J]{2,8}", theirs) or len(set(theirs)) < len(theirs) or list(theirs) != sorted(theirs):
        return None
    return True if sorted(mine) == list(theirs) else None


def plain_words(text: str, articles: bool = False) -> str:
    """The words of an answer, with one phrase for those that say the same."""
    words = word_key(cleaned(text), articles)
    return TABLES["same words"].get(words, re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", words))


def same_time(answer: str, gold: str) -> bool | None:
    """Two times of day, one of them at least with am or pm; None for other answers."""
    left, right = _minutes(answer), _minutes(gold)
    if left is None or right is None or not (left[1] or right[1]):
        return None
    (mine, own), (theirs, other) = left, right
    if own == other or (own and other):
        return mine == theirs
    return mine == theirs or (mine if own else theirs) % 720 == (theirs if own else mine)


def _minutes(text: str) -> tuple[int, str] | None:
    """(minutes since midnight, "a", "p" or "") of a time of day."""
    if len(text) > 40 or not any(char.isdigit() for char in text):
        return None
    plain = re.sub(r"\\(?:text|mathrm|textrm)\s*\{([^{}]*)\}", r" \1", text).replace("~", " ").replace("$", "").replace("\\", " ")
    match = _CLOCK.fullmatch(" ".join(plain.split()).strip(" ."))
    if match is None:
        return None
    hour, half = int(match[1] or match[4]), (match[3] or match[5] or "").lower()
    hour = hour % 12 + 12 * (half == "p") if half else hour
    return 60 * hour + int(match[2] or 0), half


def _is_said(words: str, gold: str) -> bool:
    """Equal words; "A circle" may stand for a gold "circle", whatever its A is, but "circle" not for "A circle"."""
    return words == gold or (words.removeprefix("a ") == gold and re.search(r"\w{3}", gold) is not None)


def same_words(answer: str, gold: str) -> bool:
    """Word answers: the same words; yes and true, no and false; a sentence that opens with "Yes," for Yes."""
    left, right = plain_words(answer), plain_words(gold)
    if _is_said(left, right) or plain_words(answer, articles=True) == plain_words(gold, articles=True):
        return _SYMBOLS.findall(answer) == _SYMBOLS.findall(gold) and re.search(r"[^\W\d_]", left) is not None
    if right not in _YES:
        return False
    if left in _YES:
        return _YES[left] == _YES[right]
    text = cleaned(answer)
    head = re.match(r"\W*(?:(yes|no|true|false)\b\s*(?:[,.;:!-]|$)|(yes)\s+(?!and\b|or\b|no\b|if\b|but\b)[a-z])", text[:80], re.IGNORECASE)
    if head is None:
        return False
    said = _YES[(head[1] or head[2]).lower()]
    rest = {
        _YES[word] for word in re.findall(r"\b(yes|no|true|false)\b(?!\s+(?:solution|more|less|real|such))", text[head.end() : 120].lower())
    }
    return said == _YES[right] and rest <= {said}
