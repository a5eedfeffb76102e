r"""Finding the answer in a response: the last balanced ``\boxed{…}``.

The scan is linear in the length of the response (a response may be a megabyte of backslashes) and never recurses.
"""

from __future__ import annotations

import re

MAX_RESPONSE_CHARS = 2_000_000
"""Only the last so many characters of a response are looked at; a model's whole context is far shorter."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_CONNECTIVE = re.compile(
    r"(?:[\s$,;.:]|\\[()\[\],;:!> ]|\\q?quad|\\(?:text|textrm|mathrm|mbox)\s*\{\s*(?:,?\s*(?:and|or)\s*,?)\s*\}|\b(?:and|or)\b)*"
)
_LENIENT_MARK = re.compile(
    r"(?:final\s+answer|the\s+answer|answer)\s*(?:is|:|=)\s*:?\s*([^\n]{1,300})|####\s*([^\n]{1,300})", re.IGNORECASE
)
_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?%?")


def _boxes(response: str) -> list[tuple[int, int, str]]:
    """All balanced, outermost boxes of `response`, in order, as (start, end, content)."""
    text = response[-MAX_RESPONSE_CHARS:]
    starts = {match.end() - 1: match.start() for match in _BOX.finditer(text)}
    if not starts:
        return []
    found: list[tuple[int, int, str]] = []
    open_braces: list[int] = []
    for match in _BRACE.finditer(text, min(starts)):
        token = match.group()
        if token == "{":
            open_braces.append(match.start())
        elif token == "}" and open_braces:
            opened = open_braces.pop()
            if opened in starts:
                begin = starts[opened]
                while found and found[-1][0] > begin:
                    found.pop()
                found.append((begin, match.end(), text[opened + 1 : match.start()]))
    return found


def extract_boxed(response: str) -> str | None:
    r"""Content of the last balanced ``\boxed{…}`` (or ``\fbox{…}``) of a response, stripped; None where there is none.

    Nested braces and escaped braces (``\{``) are respected, text after the box is ignored, and a last box that is never
    closed (a response cut off at its token limit) is passed over for the one before it.
    """
    if not isinstance(response, str):
        return None
    boxes = _boxes(response)
    return boxes[-1][2].strip() if boxes else None


def extract_boxed_run(response: str) -> list[str]:
    r"""Contents of the last run of boxes that only "and", "or", commas and spaces hold apart.

    ``\boxed{3} and \boxed{5}`` is one answer of two parts; ``\boxed{17} no: \boxed{42}`` is a change of mind, not a run.
    """
    if not isinstance(response, str):
        return []
    text = response[-MAX_RESPONSE_CHARS:]
    boxes = _boxes(response)
    if not boxes:
        return []
    run = [boxes[-1]]
    for box in reversed(boxes[:-1]):
        between = text[box[1] : run[0][0]]
        if len(between) > 60 or len(run) >= 50 or not _CONNECTIVE.fullmatch(between):
            break
        run.insert(0, box)
    return [content.strip() for _, _, content in run]


def extract_lenient(response: str) -> str | None:
    """The box; failing that what follows the last "answer is", "answer:" or "####"; failing that the last number."""
    boxed = extract_boxed(response)
    if boxed is not None or not isinstance(response, str):
        return boxed
    text = response[-20_000:]
    marked = list(_LENIENT_MARK.finditer(text))
    if marked:
        answer = (marked[-1].group(1) or marked[-1].group(2)).strip().strip("*").strip()
        sentence = re.split(r"(?<=[^\d\s])\.\s|\.\s+(?=[A-Z])", answer, maxsplit=1)[0].strip().rstrip(".")
        if sentence:
            return sentence
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None
