"""The first door: does an answer have the form of a problem with an answer, or of a solution? Everything in it is a stranger's."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from mathrl.augmentation.asides import aside
from mathrl.data.answers import no_answer
from mathrl.grading import can_be_read, extract_boxed, grade
from mathrl.models.chat import Answer
from mathrl.text import strange

SHORTEST, LONGEST = 10, 6000  # characters of a problem; solutions may have `strange.LONGEST_SOLUTION`
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FORM = re.compile(r"\s*<problem>(.*?)</problem>\s*<answer>(.*?)</answer>\s*\Z", re.DOTALL)
_TAGS = ("<problem>", "</problem>", "<answer>", "</answer>")
_FENCE = re.compile(r"\A\s*```\w*\n(.*)\n```\s*\Z", re.DOTALL)
# Words that talk to the solver or about the exercise instead of asking something; a problem needs none of them.
_ORDERS = re.compile(
    "|".join(
        (
            r"\b(?:ignor|disregard|forget|overrid|overrul|bypass|skip|neglect|discard|dismiss|cancel|supersed|replac)\w*\b[^.?!]{0,60}"
            r"\b(?:instruct|prompt|guideline|above|previous|prior|earlier|preceding|everything|anything|context)\w*",
            r"\b(?:instead|regardless)\b[^.?!]{0,40}\b(?:output|print|repl|answer|respond|say|box)\w*",
            r"\b(?:reply|respond|always\s+answer|just\s+(?:say|write|answer)|(?:output|print)\s+(?:only|exactly|the\s+(?:word|text|string)))\b",
            r"\banswer\s+with\s+(?:only|exactly|[\"'`]|\\?\$?-?\d|the\s+(?:word|text|string|number)\s+[\"'`\d])",
            r"\b(?:system|developer|hidden|initial)\s+(?:prompt|message|instruction|note)s?\b",
            r"\b(?:new|updated|revised|your|my|all)\s+(?:\w+\s+)?instructions?\b",
            r"\binstructions?\s*:",
            r"\bjailbreak\w*",
            r"\byou\s+are\s+(?:now\b|an?\s+(?:ai|assistant|language|helpful|model|chat))",
            r"\bas\s+an?\s+(?:ai|language\s+model|assistant)\b",
            r"\b(?:language\s+model|chatbot|llm|gpt)\b|\b(?:assistant|human)\s*:",
            r"\b(?:grader|verifier|reward\s+model|scorer|evaluator|checker)s?\b[^.?!]{0,60}\b(?:accept|correct|score|mark|pass|award|give)\w*",
            r"\b(?:mark|score|grade|accept|treat)\w*\b[^.?!]{0,40}\b(?:as\s+)?(?:correct|right|full\s+(?:marks|score|credit))\b",
            r"\b(?:final|correct|expected|gold|true)\s+(?:answer|result|solution)\s*(?:is|=|:)",
            r"\banswer\s*(?:is\s*:?|=|:)\s*\\?\$?\(?-?\d",
            r"\bhint\s*:",
            r"\\f?box(?:ed)?\b",
            r"#{4}",
        )
    ),
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Candidate:
    """What an answer proposes: a problem with its answer, or a solution of its source with the answer in its box."""

    problem: str
    answer: str
    solution: str | None = None


class NoForm(Exception):
    """Why an answer has no form that could be used."""


def read(answer: Answer | None, kind: str, source: str) -> Candidate:
    """The candidate in an answer about the problem `source`.

    Raises:
        NoForm: there is none, and why.
    """
    if answer is None:
        raise NoForm("no answer")
    if answer.finish != "stop":
        raise NoForm({"length": "cut off at max_tokens"}.get(answer.finish, f"ended by: {answer.finish}"))
    text = _THOUGHT.sub("", answer.text).strip()
    if kind == "solutions":
        return _solution(text, source)
    found = _FORM.match(fence[1] if (fence := _FENCE.match(text)) else text)
    if not found or any(text.count(tag) != 1 for tag in _TAGS):
        raise NoForm("not one <problem> and one <answer>")
    problem, said = (part.strip() for part in found.groups())
    _check_text(problem, source, LONGEST)
    _check_orders(problem)
    _check_answer(said)
    if why := aside(problem, said, source):
        raise NoForm(why)
    return Candidate(problem, said)


def _solution(text: str, source: str) -> Candidate:
    _check_text(text, source, strange.LONGEST_SOLUTION)
    if why := strange.markup(text):
        raise NoForm(why)
    if text.count("\\boxed") != 1:
        raise NoForm("not exactly one box")
    boxed = extract_boxed(text)
    if boxed is None:
        raise NoForm("no box that can be read")
    _check_answer(boxed)
    return Candidate(source, boxed, text)


def _check_text(text: str, source: str, longest: int) -> None:
    if not SHORTEST <= len(text) <= longest:
        raise NoForm("empty or too short" if len(text) < SHORTEST else f"longer than {longest} characters")
    if why := strange.characters(text):
        raise NoForm(why)
    if others := _scripts(text) - _scripts(source):
        raise NoForm(f"a script that its source does not use: {', '.join(sorted(others))}")


@cache
def _script(char: str) -> str:
    """The script of a letter; empty for Latin and Greek ones, which every problem may use, and for what is no letter."""
    if not char.isalpha():
        return ""
    name = unicodedata.name(char, "UNKNOWN").split()[0]
    return (
        "" if name in ("LATIN", "GREEK", "MATHEMATICAL", "DOUBLE-STRUCK", "SCRIPT", "BLACK-LETTER", "MICRO", "PLANCK", "ANGSTROM") else name
    )


def _scripts(text: str) -> set[str]:
    return set() if text.isascii() else {script for char in text if (script := _script(char))}


def _check_orders(problem: str) -> None:
    if why := strange.markup(problem):
        raise NoForm(why)
    if found := _ORDERS.search(problem):
        raise NoForm(f"words to the solver: {' '.join(found[0].split())[:40]!r}")
    if not re.search(r"[A-Za-z\d\u0370-\uffff]{1}", problem):
        raise NoForm("nothing is asked")


def _check_answer(answer: str) -> None:
    reason = no_answer(answer)
    if reason is None and not (can_be_read(answer) and grade(f"\\boxed{{{answer}}}", answer).correct):
        reason = "the grader cannot read it"
    if reason:
        raise NoForm(f"its answer is none: {reason}" if answer else "no answer in it")
