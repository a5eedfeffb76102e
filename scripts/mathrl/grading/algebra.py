r"""The dearest step: Math-Verify and SymPy, in a worker process, for pairs that our own grammar does not reach.

`within_budget` decides beforehand, from the text alone, whether a pair may go there; so what is refused does not depend on
the machine. The gold is never a plain number or a word here (compare.py has settled those). Because Math-Verify is generous
with what it does not read either (it takes \{x : x > 0\} for \{x : x \ge 0\}), both texts must hold the same relations,
numbers, letters and commands: it may judge how the same things are arranged, no more.
"""

from __future__ import annotations

import re
import string

from mathrl.grading.latex import Unparsed, clean

MAX_CHARS = 400
_RELATION = re.compile(r"[<>=|:]|\\(?:le|ge|ne|in|equiv|approx|mid|subset|subseteq|rightarrow)(?![A-Za-z])")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_NEUTRAL = frozenset({r"\frac", r"\sqrt", r"\cdot", r"\times", r"\pi"})
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_LETTERS = frozenset(string.ascii_letters)
_POWER = re.compile(r"\^")
_LARGE_POWER = re.compile(r"\^\s*\{?\s*[-+]?\s*\d{3,}|\*\*\s*\d{3,}")
_TOWER = re.compile(r"\^\s*\{?[^{}^]{0,20}\^\s*\{?[^{}^]{0,20}\^")
_BASED = re.compile(r"\d_\{?\d")


def _signs(text: str) -> tuple[list[str], list[str], set[str], set[str]]:
    """The relations of a text, its numbers, its letters, and its commands, spacing and fractions aside."""
    text = clean(text)
    relations = sorted(_RELATION.findall(text.replace("<=", r"\le").replace(">=", r"\ge")))
    return relations, sorted(_NUMBER.findall(text)), set(_COMMAND.sub(" ", text)) & _LETTERS, set(_COMMAND.findall(text)) - _NEUTRAL


def within_budget(answer: str, gold: str) -> bool:
    """May this pair be handed to the algebra system? Sizes, powers, factorials, prose and restated tasks decide."""
    for text in (answer, gold):
        if len(text) > MAX_CHARS or not text.isprintable():
            return False
        if any(len(number) > 25 for number in _NUMBER.findall(text)):
            return False
        if len(_POWER.findall(text)) > 16 or _LARGE_POWER.search(text) or _TOWER.search(text):
            return False
        if text.count("!") > 4 or text.count("{") > 80 or re.search(r"!\s*!|\d{4,}\s*!|\)\s*!", text):
            return False
        if _BASED.search(text):
            return False
        plain = re.sub(r"\\(?:text|mathrm|mbox|operatorname)\s*\{[^{}]*\}", " ", text)
        if len(_WORD.findall(plain)) > 3:
            return False
    try:
        return _signs(answer) == _signs(gold)
    except Unparsed:
        return False


def verify(answer: str, gold: str) -> bool:
    """Math-Verify's verdict on two answers; runs in a worker only (it may hang)."""
    import logging

    from math_verify import parse
    from math_verify import verify as math_verify

    logging.disable(logging.CRITICAL)
    parsed = [parse(rf"\boxed{{{text}}}", parsing_timeout=None) for text in (gold, answer)]
    if not all(parsed):
        return False
    return bool(math_verify(*parsed, timeout_seconds=None))


def load() -> None:
    """Import the algebra system; the worker calls it before it says that it is ready."""
    import logging

    import math_verify

    logging.disable(logging.CRITICAL)
    math_verify.verify(
        math_verify.parse(r"\boxed{x+1}", parsing_timeout=None),
        math_verify.parse("$1+x$", parsing_timeout=None),
        timeout_seconds=None,
    )


def judge_response(response: str, gold: str) -> list:
    """[verdict, CPU seconds] of Math-Verify on a whole response, for audits and comparisons; runs in a worker only.

    Math-Verify reads LaTeX between delimiters only: a gold without any needs dollar signs, which the caller puts there.
    """
    import time

    from math_verify import parse
    from math_verify import verify as math_verify

    started = time.process_time()
    golds, answers = parse(gold, parsing_timeout=None), parse(response, parsing_timeout=None)
    verdict = bool(math_verify(golds, answers, timeout_seconds=None))
    return [verdict, time.process_time() - started]
