"""Sentences as answers: what a sentence states, by one rule.

The rule: the last sentence that states something states the formula or number after its last "is", "are", "equals", "=" or
":"; a sentence without these states its only formula or number. Where that leaves a choice, and where the last sentence is a question,
nothing is stated.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from mathrl.grading.latex import cleaned
from mathrl.grading.nodes import Text
from mathrl.grading.notation import data
from mathrl.grading.readings import is_false_equation, readings
from mathrl.grading.units import changes_value, last_unit, may_follow

MAX_CHARS = 4_000
SENTENCES = 4
"""So many sentences are tried, from the end."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\\$(])|\n+|<\|[^|]*\|>\w*|(?=\b(?:Therefore|Thus|Hence|So|Final Answer)\b)")
_HEDGE = re.compile(r"\b(?:not|could|may|might|can|if|unless|or|either|neither|cannot|without|maybe|perhaps)\b|n't")
_FORMULA = re.compile(r"\$\$((?:.|\n)+?)\$\$|(?<!\\)\$(.+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[((?:.|\n)+?)\\\]")
_ROWS = re.compile(rf"(?P<formula>{_FORMULA.pattern})|\\begin\{{(?P<rows>\w+\*?)\}}(?:.|\n)*?\\end\{{(?P=rows)\}}")
"""Rows of equations that stand by themselves are no sentence: their last one is not the answer."""
_STATES = re.compile(
    r"\b(?<!that )(?:is|are|was|equals|of)\b(?:\s+(?:equal to|approximately|about|exactly|just|simply|only))?"
    r"|(?<=\w)'s\b|(?<![<>!:])[=:](?!=)"
)
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?\\?%?")
_SEVERAL = re.compile(_STATES.pattern.split("(?:\\s+")[0] + r"\s*(?:\0|-?\d)[^\n]*?(?:[,;]\s|\band\b)")
"""A sentence that states a value before its last one."""
_GOES_ON = re.compile(r"[^\w\s'-]|\b(?:and|are|as|at|because|by|for|from|if|in|is|of|on|since|so|than|that|to|when|where|which|who|with)\b")
_WORD = re.compile(r"(?<!\\)\b[A-Za-z]{2,}")


def stated(text: str, spoken: Collection[str] | None = None) -> str | None:
    """The one answer that prose holds, None where there is none or a choice.

    spoken: the words of the problem, which may stand behind its number beside units (`units.may_follow`); None: any words may.
    """
    if len(text) > MAX_CHARS or " " not in text or text.rstrip(" $}").endswith("?") or (text.lstrip()[:1] == "{" and data(text) != text):
        return None  # the fields of data are no sentences: {"answer": "yes", "x": "5"} is not 5
    text = _ROWS.sub(lambda match: match["formula"] or "\n", text)
    if len(_WORD.findall(_FORMULA.sub(" ", text))) < 2:
        return None
    sentences = [part.strip() for part in _SENTENCE.split(text) if part and len(part.strip()) > 2]
    for sentence in sentences[: -SENTENCES - 1 : -1]:
        found = _of_sentence(sentence, spoken)
        if found is not None:
            return found
    return None


def _of_sentence(sentence: str, spoken: Collection[str] | None) -> str | None:
    formulas = [next(filter(None, match.groups())) for match in _FORMULA.finditer(sentence)]
    plain = _FORMULA.sub(" \0 ", sentence).rstrip(" .!")
    marks = list(_STATES.finditer(plain))
    if marks:
        head, tail = plain[: marks[-1].end()], plain[marks[-1].end() :].strip()
        if _SEVERAL.search(head) or (head[-1] == "=" and is_false_equation(cleaned(head[:-1]), cleaned(tail))):
            return None
        found = _of_tail(tail, formulas[head.count("\0") :], "answer" in head.lower(), spoken)
        if found is not None:
            return found
    numbers = _NUMBER.findall(plain)
    if len(_WORD.findall(plain)) < 3 or _HEDGE.search(plain) or len(formulas) + len(numbers) != 1 or not _may_end(plain, spoken):
        return None
    return (formulas or numbers)[0]


def _may_end(plain: str, spoken: Collection[str] | None) -> bool:
    """May the words behind the only number or formula of a text stand there: the last ones, up to a word that goes on?"""
    match = _NUMBER.search(plain)
    behind = plain[match.end() if match else plain.find("\0") + 1 :]
    next_two = [] if re.match(r"\s*(?:is|are)\b", behind) else behind.split()[:2]
    counted = _GOES_ON.split(behind, maxsplit=1)[0].split()
    return not changes_value(" ".join(next_two)) and (spoken is None or may_follow(last_unit(counted), spoken))


def _of_tail(tail: str, formulas: list[str], is_answer: bool, spoken: Collection[str] | None) -> str | None:
    """What stands behind the verb: one formula, an answer as it is, or a number with words for what is counted."""
    if formulas:
        alone = len(formulas) == 1 and not _NUMBER.search(tail) and _may_end(tail, spoken)
        return formulas[0] if alone else _filled(tail, formulas)
    if any(not isinstance(node, Text) for node in readings(tail)) or re.fullmatch(r"[A-J]", tail) or (is_answer and len(tail.split()) <= 2):
        return tail
    match = _NUMBER.match(tail)
    if match and len(_NUMBER.findall(tail)) == 1 and _may_end(tail, spoken):
        return match[0]
    return None


def _filled(tail: str, formulas: list[str]) -> str | None:
    """Several formulas that "and", "or" and commas join."""
    if re.sub(r"\0|,|;|\band\b|\bor\b|\s", "", tail):
        return None
    parts = iter(formulas)
    return re.sub("\0", lambda _: next(parts), tail)
