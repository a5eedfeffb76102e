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
_JOINED = re.compile(
    r"[^{}]{0,60}\band\b[^{}]{0,20}|[^{}]{0,60},[^{}]{0,20}|[^A-Za-z0-9{}]{0,20}|[^{}]{0,20}\\text\s*\{[^{}]{0,40}\band\b[^{}]{0,10}\}[^{}]{0,10}"
)
"""Looser joints: up to four words with an "and" or a comma among them; they count only against a gold of several parts."""
_FINAL = re.compile(r"final answer is:?\s*(?:\$([^$]{1,500})\$|\\\((.{1,500}?)\\\)|\\\[(.{1,500}?)\\\])", re.IGNORECASE | re.DOTALL)
_SEGMENT = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$(.+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_CLOSING = re.compile(
    r"(?:\b(?:is|are|equals|be)|\w's)\s+(?:equal to |approximately |about |exactly )?"
    r"(-?[$€£]?\d[\d.,/]*(?:\s?(?:%|€|£|\$|[a-z]{1,3}[²³]?)(?![a-z]))?|-?\d*[A-Za-z])$"
)
_CONCLUSION = re.compile(r"(?:^|[.\n]\s*)((?:Therefore|Thus|Hence|So),?\s[^\n]{3,400}?)(?:\.\s|\.?\s*<\||\.?\s*$)", re.MULTILINE)
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
        if len(between) > 60 or len(run) >= 50:
            break
        joined = _JOINED.fullmatch(between) and len(re.findall(r"[A-Za-z]{2,}", between)) <= 5
        if not joined and not _CONNECTIVE.fullmatch(between):
            break
        run.insert(0, box)
    return [content.strip() for _, _, content in run]


def prose_answer(text: str) -> str | None:
    """The one answer that prose holds: what follows "the final answer is", else the only formula or number of its last
    conclusion, or what a closing "is" states. None where that leaves a choice.
    """
    if len(text) > 4_000:
        return None
    text = re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text)).strip()
    if " " not in text:
        return None
    final = list(_FINAL.finditer(text))
    if final:
        return next(group for group in final[-1].groups() if group)
    heading = text.rfind("Final Answer:")
    if heading >= 0:
        text = re.split(r"\.\s+I hope|\s*<\|", text[heading + len("Final Answer:") :].strip())[0].strip()
    elif len(text) > 150:
        conclusions = _CONCLUSION.findall(text)
        if not conclusions:
            return None
        text = conclusions[-1]
    if len(text) > 400 or re.search(r"(?<!\$)\$(?!\$)[ \t]*\n|\\\([ \t]*\n", text):
        return None  # inline mathematics does not span lines
    segments = [next(group for group in match.groups() if group) for match in _SEGMENT.finditer(text)]
    rest = _SEGMENT.sub(" \x00 ", text).strip().rstrip(".").rstrip()
    if not segments and len(re.findall(r"(?<!\\)\b[A-Za-z]{2,}", rest)) < 2:
        return None  # no sentence
    numbers = _NUMBER.findall(rest)
    if segments and not numbers and re.search(r"[A-Za-z]{2,}", rest) and not re.search(r"[\\=<>]", rest):
        wide = [segment for segment in segments if not re.fullmatch(r"\s*[A-Za-z]\s*", segment)]
        if len(wide) == 1:
            return wide[0]
        return segments[-1] if re.search(r"\b(?:is|are|equals)\s+\x00$", rest) else None
    closing = _CLOSING.search(rest)
    if closing:
        return closing.group(1)
    if len(numbers) == 1 and (heading >= 0 or re.match(r"(?:Therefore|Thus|Hence|So)\b", text)) and not re.search(r"[\\=<>^]", rest):
        return numbers[0]
    return None


def gold_answer(gold: str) -> str:
    """The answer part of a gold that came as a whole solution: its boxes, or its final answer; others as they are."""
    if "boxed" in gold:
        run = extract_boxed_run(gold)
        if run:
            return ", ".join(run)
        return gold.rsplit("boxed", 1)[1].lstrip("{ ")
    return prose_answer(gold) or gold if len(gold) > 40 and re.search(r"[A-Za-z]{3,} [A-Za-z]{2,}", gold) else gold


def extract_lenient(response: str) -> str | None:
    """The box; failing that what follows the last "answer is", "answer:" or "####"; failing that the last number.

    A box that is never closed (a response cut off) is no answer, after "answer is" neither: there the last number counts.
    """
    boxed = extract_boxed(response)
    if boxed is not None or not isinstance(response, str):
        return boxed
    text = response[-20_000:]
    marked = list(_LENIENT_MARK.finditer(text))
    if marked:
        answer = (marked[-1].group(1) or marked[-1].group(2)).strip().strip("*").strip()
        sentence = re.split(r"(?<=[^\d\s])\.\s|\.\s+(?=[A-Z])", answer, maxsplit=1)[0].strip().rstrip(".")
        if sentence and not _BOX.search(sentence):
            return sentence
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None
