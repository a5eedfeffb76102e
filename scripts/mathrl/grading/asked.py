"""What a problem asks for: things that are counted, units, what a rate is counted for.

Each stands behind a mark among the words of the problem (`units.factor` reads them).
"""

from __future__ import annotations

import re
from functools import lru_cache

from mathrl.grading.units import ASKED, MEASURED, MONEY, ONE, SIGN, UNITS, is_plural, parts_of, size_of
from mathrl.grading.words import TABLES
from mathrl.text import number_words

_VERBS = frozenset({"are", "is", "was", "were", "did", "do", "does", "can", "could", "will", "would", "should", "has", "have", "had"})
_WORD = r"[^\W\d_]"
_COUNTED = re.compile(rf"how many ((?:{_WORD}+'?[ -]+){{0,7}}{_WORD}+)")
_MEASURED = re.compile(
    r"\b(?:how many|number of|in)(?: (?:more|fewer|less|total|additional|extra|whole|full|terms|of))* "
    rf"(?=((?!(?:in|per)\b){_WORD}{{2,}}(?: ?(?:\^ ?)?-?\d| ?/ ?{_WORD}+| {_WORD}+){{0,4}}))"
)
"""A unit that a question asks for: how many square feet, in m/s."""
_NUMBERED = re.compile(rf"\bin (?:second|minute|hour|day|week|month|year)s? (?=\d|(?:{'|'.join(number_words.WORDS)}|place)\b)")
"""One of several: in week 2, in hours one and two, in second place."""
_SINGLE = re.compile(
    rf"(?:\b(?:per|each|every|an?|one|single|1)\s+|/\s*)(?=({_WORD}+(?:[ -]{_WORD}+){{0,2}}))|\b(hour|day|week|month|year|dai)(?=ly\b)"
)
_OVERALL = re.compile(r"\b(?:average|mean|rate|ratio|speed|price|fast|each|per)\b")
"""A question with one of these may leave to the rest of the problem what it counts a rate for."""
_DOLLARS = re.compile(r"\\\$|\bdollar|\$\d+(?:[.,]\d+)*(?= [a-z]{2}|[.,?!](?:\s|$))")  # $1$ is a formula
_CENTS = re.compile(r"¢|\b(?:cents?|penn\w+|nickels?|dimes?|quarters?|coins?)\b")
_CHINESE = TABLES["chinese unit"]
_CHINESE_UNIT = "|".join(sorted(_CHINESE, key=len, reverse=True))
_MEASURED_IN_CHINESE = re.compile(rf"(?:多少|几)个?({_CHINESE_UNIT})(?:[/每]({_CHINESE_UNIT}))?")
_SIGN = re.compile(rf"(?<=\d) ({_WORD})(?=[.,;?)]| +{_WORD}{{2}}|$)|\\(?:text|mathrm|mbox)\s*\{{\s*({_WORD})\b")
"""3 m wide: a letter as the sign of a unit, not 3m = 36."""
_VARIABLE = re.compile(rf"(?<!\d)(?<!\d[ -])(?<!{_WORD}|['/\\])(?<!\bin )({_WORD})(?!{_WORD}|/)")


@lru_cache(maxsize=1024)
def spoken(problem: str) -> frozenset[str]:
    """The words of a problem in lower case, and what it asks for."""
    return frozenset(re.findall(rf"{_WORD}{{3,}}", problem)) | asked(problem) if problem else frozenset()


def asked(problem: str) -> set[str]:
    """What a problem in lower case asks for, behind marks.

    `ASKED`: what is counted, as "bags", "bags of", "bags of rice", and "jellyfish" before a verb. `MEASURED`: the units of its
    question, `MONEY`: dollars, where it speaks of no cents. `ONE`: what a rate is counted for. `SIGN`: letters that are signs of units.
    """
    plain = " ".join(re.sub(r"\\(?:text|mathrm|mbox|textrm|[,;: ])|[${}~]", " ", problem).split())
    question = plain[max(plain.rfind(mark, 0, plain.rfind("?")) for mark in (". ", "! ", "?")) + 1 :]
    singles = _SINGLE.findall(plain if _OVERALL.search(question) else question)
    found = _counted(problem) | _measured(question, plain)
    found |= {ONE + word for phrase, often in singles for word in parts_of(phrase or often.replace("dai", "day"))}
    if _DOLLARS.search(problem) and not _CENTS.search(problem):
        found.add(MONEY + "dollars")
    signs = ("".join(pair) for pair in _SIGN.findall(re.sub(r"\$[^$\\{}]*\$", " ", problem)))
    named = {UNITS.get(word) for word in (*re.findall(rf"{_WORD}{{2,}}", plain), *signs)} - {None}
    variables = _VARIABLE.findall(plain)
    return found | {SIGN + name for name, size in UNITS.items() if len(name) == 1 and size in named and name not in variables}


def _counted(problem: str) -> set[str]:
    found: set[str] = set()
    for phrase in _COUNTED.findall(problem):
        parts = parts_of(phrase)
        for size in range(1, len(parts) + 1):
            if any(map(is_plural, parts[:size])) or (parts[size : size + 1] and parts[size] in _VERBS):
                found.add(ASKED + " ".join(parts[:size]))
    return found


def _measured(question: str, problem: str) -> set[str]:
    found = {" per ".join(_CHINESE[unit] for unit in pair if unit) for pair in _MEASURED_IN_CHINESE.findall(problem)}
    for phrase in _MEASURED.findall(_NUMBERED.sub("", question)):
        words = re.findall(rf"{_WORD}+|-?\d|/", phrase)
        found.update(unit for end in range(1, len(words) + 1) if size_of(unit := " ".join(words[:end])))
    return {MEASURED + unit for unit in found}
