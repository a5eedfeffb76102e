r"""Copies: runs of neighbouring tokens of a text that a reader may take for an answer, for the grader to judge.

A word that is no part of an answer ends a run; so does any other letter of a script that is not Latin or Greek. Signs of mathematics
(`$`, `\(`) are left out and not counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mathrl.grading.atoms import FUNCTIONS, GREEK
from mathrl.grading.units import UNITS
from mathrl.text import number_words

MAX_TOKENS = 8
"""Of a copy; brackets are not counted."""
MAX_PRODUCT = 3
"""Letters that the grader reads as a product."""

TOKEN = re.compile(r"\\[A-Za-z]+|\d+(?:\.\d+)?|[A-Za-z]+|\S")
_DELIMITER = re.compile(r"(?<!\\)\$+|\\[()\[\]]|[*_`]{2,}|`")
_VALUES = frozenset(number_words.WORDS) | frozenset(number_words.SCALES) | frozenset(UNITS)
_VALUES |= {"dozen", "hundred", "trillion", "halves", "percent", "cent", "degrees", "pi", "infinity", "inf", "none", "cbrt", "remainder"}
_VALUES |= FUNCTIONS | GREEK
_JOINERS = frozenset({"a", "and", "or", "to", "over", "per", "plus", "minus", "negative", "times", "squared", "cubed", "of"})
_CHINESE = frozenset("零〇一二三四五六七八九十百千万亿两半之小时分钟秒天周个月年元角欧美厘米公里平方立毫克斤吨升顷")
_SAID = frozenset(
    re.findall(
        r"\w+",
        "no none not any solution solutions root roots real exist exists does dne undefined defined infinitely infinite many number such "
        "there are is empty set all reals numbers true false yes",
    )
)
_SAID |= set("是否对错没有无解实数根存在空集")
"""Words and signs of answers that the grader takes for one another, where a gold is a word."""
_RELATION = re.compile(r"[=<>]")
_LIST = re.compile(r"[,;]|\b(?:and|or)\b")
_BRACKETS = frozenset("()[]{}")
_NO_START = frozenset(")]},;:!?=<>^_*/&'\"")
_NO_END = frozenset("([{,;:!?=<>^_*/&+-.'\"")


def copies(text: str, gold: str, before: str = "") -> Iterator[str]:
    """Every such run of up to `MAX_TOKENS` tokens that ends in `text`, once.

    Args:
        gold: its words and letters may be a part of an answer, whatever they are.
        before: what stands before the text; runs may begin there.
    """
    own = {token.casefold() for token in TOKEN.findall(gold)}
    if any(len(token) > 1 and token[0].isalpha() for token in own):
        own |= _SAID
    letters = {letter for token in own if len(token) <= MAX_PRODUCT for letter in token if letter.isalpha()}
    no_end = _NO_END - ({"!"} & set(gold))
    plain = _DELIMITER.sub(lambda found: " " * len(found[0]), before + text)
    start = len(before)
    places = [(*found.span(), _kind(found[0], own, letters)) for found in TOKEN.finditer(plain)]
    seen: set[str] = set()
    for first, (begin, _, kind) in enumerate(places):
        if kind != "value" or plain[begin] in _NO_START:
            continue
        counted = 0
        for at, end, last in places[first : first + 2 * MAX_TOKENS]:
            counted += plain[at] not in _BRACKETS
            if not last or counted > MAX_TOKENS:
                break
            ends = last == "value" or plain.endswith("and", begin, end)  # the grader reads "two dozen and" as 24
            if end <= start or not ends or (plain[end - 1] in no_end and not plain.endswith("...", begin, end)):
                continue
            run = " ".join(plain[begin:end].split())
            if run not in seen and _may_be_read(run, gold):
                seen.add(run)
                yield run


def _may_be_read(run: str, gold: str) -> bool:
    """Are its brackets closed, and is it no lone relation? The sides of that are runs of their own."""
    closed = run.count("{") == run.count("}") and sum(map(run.count, "([")) == sum(map(run.count, ")]"))
    return closed and not (_RELATION.search(run) and not _RELATION.search(gold) and not _LIST.search(run))


def _kind(token: str, own: set[str], letters: set[str]) -> str:
    """`value`: an answer may begin or end with it; `joiner`: it may stand inside of one; nothing for other words.

    `letters` are the gold's: a product of them may be written in another order.
    """
    word = token.casefold()
    if len(word) <= MAX_PRODUCT and letters.issuperset(word):
        return "value"
    letter = len(word) == 1 and (word.isascii() or "\u0370" <= word <= "\u03ff")
    if letter or not token[-1].isalpha() or token[0] == "\\" or word in own or word in _VALUES or word in _CHINESE:
        return "value"
    if number_words.fraction(f"a {word}"):  # a part: third, quarters
        return "value"
    return "joiner" if word in _JOINERS else ""
