"""What in a proposed problem is no part of a problem: sentences that speak to the solver, tell the answer, or stand beside the exercise.

A list of injections knows those that its author read. So the rules here say what a problem is, not what an injection is: statements that
hang together, then what is asked, then at most what belongs to it and how the answer is to be written. Anything else stops the proposal.
A good one that has an aside is lost, too; a proposal is cheap to lose. The rules are for languages in Latin letters: a proposal in other
letters (Chinese, Russian) passes where its source has them, too.
"""

from __future__ import annotations

import re
import unicodedata

from mathrl.text.reasoning_steps import reasoning_steps

_VERBS = (
    "find|compute|calculate|evaluate|simplify|determine|solve|factor|factorize|expand|estimate|express|prove|show|derive|work out|"
    "minimi[sz]e|maximi[sz]e|convert|approximate|rewrite|reduce|count|identify|give|state|write|name|list"
)
_ASKS = re.compile(
    rf"\?[\s\"'”’)$\]]*$|^\W*(?:{_VERBS}|how|what|which|who|whose|when|where|why)\b|[,:;]\s+(?:then\s+)?(?:{_VERBS})\b|"
    r"(?:\b(?:is|are|equals?|be|to|of)|=|_{2,}|\([\s_]*\)|:)[\s.$]*$",
    re.IGNORECASE,
)
_HOW_WRITTEN = re.compile(
    r"^\W*(?:(?:please\s+)?(?:express|give|write|leave|state|report|enter)\s+(?:(?:your|the|all)\s+(?:final\s+)?(?:answers?|results?)\s+"
    r"(?:as|in|to|using|with|correct|rounded)|an?\s+(?:number|integer|fraction|decimal))\b|round\b|assume\b|suppose\b|use\s+\$?\\?pi\b)",
    re.IGNORECASE,
)
_OF_ANSWER = re.compile(r"\b(?:(?:your|the|all|final)\s+)*(?:answers?|results?|solutions?|calculations?)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_READER = re.compile(r"\b(?:you|your|yours|yourself|thy)\b", re.IGNORECASE)
# Words for the exercise itself and for who works on it: a problem speaks about neither, unless its source does.
_EXERCISE = re.compile(
    r"\b(?:models?|assistants?|ais?|chat\w*|bots?|agents?|llms?|gpt\w*|prompts?|instruct\w*|orders?|rules?|tasks?|exercises?|answers?|"
    r"repl(?:y|ies)|respon\w+|messages?|texts?|readers?|solvers?|problems?|questions?|solutions?|users?|admin\w*|keys?|story|stories|"
    r"above|below|foregoing|preceding|grad(?:er|ing)s?|judges?|markers?|rewards?|credits?|hints?|notes?)\b",
    re.IGNORECASE,
)
_FACTORIAL = re.compile(r"(?<=[\d)}])!|(?<=\b[A-Za-z])!")  # which would end a sentence
_ENDS = re.compile(r"(?<=\?)[\"'”’)$]*\s+|(?<=[a-z]{3}\.)\s+")  # also before a small letter
_CALL = re.compile(r"[A-Za-z]{2,}[\"'”’)]*!+\s*$")
_WORD = re.compile(r"[A-Za-z]{4,}")
_FORMULA = re.compile(r"\$[^$]*[A-Za-z\\][^$]*\$|\\[\[(a-z]|\[asy\]|^\W*\(?[A-E][).]")
_EMPTY = frozenset(
    re.findall(
        r"\w+", "each from have into more must only some than that their them then there these they this those what when where will with"
    )
)
# Cyrillic and beyond, words in Greek, and words in Latin with Greek letters that look so; no letters of a formula: αβγδ, ρgh, sinτ.
_OTHER_LETTERS = re.compile(
    r"[\u0400-\u1dff\u3040-\ud7ff\uf900-\ufaff]|[\u0370-\u03ff\u1f00-\u1fff]{5}"
    r"|[A-Za-z]{2}(?<!sin)(?<!cos)(?<!tan)(?<!ln)(?<!log)[ικνορτυ]|[ικνορτυ][A-Za-z]{3}"
)
_SAME = 5  # letters in which two words agree: coin and coins, arrive and arrival


def aside(problem: str, answer: str, source: str) -> str | None:
    """Why a proposal about `source` holds more than a problem, or None.

    Args:
        problem: what is proposed.
        answer: its answer: a sentence whose only number it is tells it.
        source: the problem that it is about; it may speak to a reader, and so may the proposal then.
    """
    problem, source = _plain(problem), _plain(source)
    if _OTHER_LETTERS.search(problem):
        return None if _OTHER_LETTERS.search(source) else "other letters than its source's"
    sentences = [part for sentence in reasoning_steps(_FACTORIAL.sub("", problem)) for part in _ENDS.split(sentence) if part]
    first = next((place for place, sentence in enumerate(sentences) if _ASKS.search(sentence)), None)
    if first is None:
        return "nothing is asked"
    for place, sentence in enumerate(sentences):
        rest = " ".join([*sentences[:place], *sentences[place + 1 :]])
        if why := _why(sentence, answer.strip(" $"), source, rest, place == first, place > first):
            return f"{why}: {' '.join(sentence.split())[:60]!r}"
    return None


def _plain(text: str) -> str:
    """Without signs that nobody sees, and without letters that look like others: full width, mathematical bold."""
    seen = (letter for letter in text if unicodedata.category(letter) != "Cf")
    return "".join(unicodedata.normalize("NFKC", letter) if letter.isalpha() else letter for letter in seen)


def _why(sentence: str, answer: str, source: str, rest: str, asks: bool, late: bool) -> str | None:
    """What one sentence is beside a part of the problem whose other sentences are `rest`."""
    shared = len(_stems(sentence) & _stems(rest))
    if set(_NUMBER.findall(sentence)) == {answer} and (late or not shared) and rest:
        return "a sentence with the answer alone"
    if _CALL.search(sentence):
        return "a call"
    rest_of_it = _OF_ANSWER.sub("", sentence)
    if (late or asks) and _HOW_WRITTEN.search(sentence) and not (_EXERCISE.search(rest_of_it) or _READER.search(rest_of_it)):
        return None
    if _READER.search(sentence) and not _READER.search(source):
        return "speaks to the solver"
    if asks:
        return None
    if {word.lower() for word in _EXERCISE.findall(sentence)} - {word.lower() for word in _EXERCISE.findall(source)}:
        return "speaks about the exercise"
    if _FORMULA.search(sentence) or not rest or (_NUMBER.search(sentence) and not late):
        return None
    return "has nothing to do with the rest" if shared < 1 + late else None


def _stems(text: str) -> set[str]:
    return {word[:_SAME].lower() for word in _WORD.findall(text)} - _EMPTY
