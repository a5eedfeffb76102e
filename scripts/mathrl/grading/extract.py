r"""Finding the answer in a response: its boxes, and what stands directly around them.

The scan is linear in the length of the response (a response may be a megabyte of backslashes) and never recurses.
"""

from __future__ import annotations

import re

from mathrl.text.boxes import BOX, Box, boxes

MAX_RESPONSE_CHARS = 200_000
"""Only the last so many characters of a response are looked at, about 50,000 tokens."""
MAX_RUN = 50
"""Boxes that may be one answer together."""

_BARE_BOX = re.compile(
    r"\\(?:boxed|fbox)(?![A-Za-z])\s*(?!\s*\{)(\\[dt]?frac\s*(?:\{[^{}]*\}|\w)\s*(?:\{[^{}]*\}|\w)|-?\\sqrt\s*(?:\{[^{}]*\}|\w)"
    r"|\\[A-Za-z]+|[-+]?\d[\d,]*(?:\.\d+)?|[A-Za-z])"
)
"""A box without braces: \\boxed 7, \\boxed\\frac12."""
_PLACEHOLDER = re.compile(r"\s*(?:(?:the |your |final )*answer|\\ldots|\.\.\.|\\dots|…|\?|\\cdot|\\_*|_+)?\s*", re.IGNORECASE)
_MENTION = re.compile(
    r"(?:\b(?:in|within|inside|into|use|using|with|by|as|the|a|an|of|via|LaTeX)|[`\"'])\s*[`$\"'(]*\s*(?:\\[(\[])?\s*$", re.IGNORECASE
)
_SYMBOL = r"(?:[A-Za-z]|\\[a-z]+)(?:_\{?\w{1,3}\}?)?"
_JOINT = re.compile(
    r"(?:[\s$,;.:&*/|]|\\[()\[\],;:!> \\]|\\q?quad|\\(?:text|textrm|mathrm|mbox)\s*\{[^{}]{0,40}?\b(?:and|or)\s*,?\s*\}"
    r"|\b(?:and|or|else|maybe|perhaps|also)\b)*"
    rf"(?:{_SYMBOL}\s*=\s*)?"
)
"""What may stand between the boxes of one answer: "and", "or", commas, a name with an equals sign."""
_JOINT_OF_GOLD = re.compile(_JOINT.pattern + r"|[^{}]{0,12}\band\b[^{}]{0,10}|[^A-Za-z0-9{}]{0,20}")
"""Golds do not hedge: more may stand between their boxes."""
_NAME = re.compile(rf"(?:^|[\s$(\[&,{{])({_SYMBOL})\s*=\s*$")
_BULLET = re.compile(r"(?:^|\n)[ \t]*-[ \t]+$")
_HEAD = re.compile(r"(?:\d+\s*/\s*|\d+(?:\.\d+)?\s*(?:\\times|\\cdot|\*)\s*|(?<![\d.])\d+)\Z")  # not the number of a line before
_OUTER = re.compile(r"(?:\\(?:[dtc]?frac|binom|sqrt(?:\[[^\[\]]*\])?)\s*(?:\{[^{}]*\}\s*)?|[\^_])$")
_BARE_PART = re.compile(r"(?:\^|\\(?:sqrt(?:\[[^\[\]]*\])?|[dtc]?frac|binom))\s*\Z")
"""What a box without braces around it is a part of: a power, a root, a fraction."""
_BEHIND = re.compile(
    r"\s*(?:\\[,;: ]\s*)?(\^\s*(?:\{[^{}]{1,20}\}|\\circ|\w)|!(?=\s*(?:\$|\\[)\]]))|\\?%"
    r"|(?:/\s*\d|\+\s*[\w\\]|\*\s*\w|-(?:\d|\\|[a-z](?![a-z]))|\\(?:sqrt|pi|frac|cdot|times|pm)(?![a-z])|[xyzabnkti](?![A-Za-z]))[^$\n=,;]{0,30}"
    r"|\$?\s*(?:\\(?:text|mathrm)\s*\{\s*)?(?:dozen|hundred|thousand|million|billion|trillion)\b)"
)
"""What changes the value of a box from behind it: a power, a factor, a further term, a scale."""
_MARK = re.compile(r"(?:\banswer\s*(?:is|:|=)\s*:?|####)\s*(?=([^\n]{1,300}))", re.IGNORECASE)
_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?%?")


def answer_part(response: str) -> str:
    """The part of a response that may hold its answer: what follows the thoughts; nothing while they are not closed."""
    text = response[-MAX_RESPONSE_CHARS:]
    if "think>" in text:
        closed = text.rfind("</think>")
        text = text[closed + len("</think>") :] if closed >= 0 else text
        if text.rfind("<think>") >= 0:
            text = text[: text.rfind("<think>")]
    return text


def find_boxes(text: str) -> list[Box]:
    r"""All balanced, outermost boxes in order; ``\boxed 7`` and ``\boxed\frac12`` count as boxes too.

    Where no box is balanced, a last one that was opened and ends with the text's last closing brace counts.
    """
    found = boxes(text)
    bare = (Box(match.start(), match.end(), match[1]) for match in _BARE_BOX.finditer(text))
    found = sorted(found + [box for box in bare if not any(other.start < box.start < other.end for other in found[-8:])])
    if not found and text.rstrip(" \n$.").endswith("}") and (opened := list(BOX.finditer(text))):
        found = [Box(opened[-1].start(), len(text), text[opened[-1].end() : text.rindex("}")].strip())]
    return found


def _answer_boxes(response: str) -> tuple[str, list[Box]]:
    r"""The part of a response that may hold its answer, and its boxes: not those that only speak of one, such as "in \boxed{}"."""
    if not isinstance(response, str) or "box" not in response:
        return "", []
    text = answer_part(response)
    found = find_boxes(text)

    def is_mention(box: Box) -> bool:
        if not _PLACEHOLDER.fullmatch(box.content):
            return False
        return bool(box.content) or _MENTION.search(text[max(0, box.start - 40) : box.start]) is not None

    return text, [box for box in found if not is_mention(box)] or found[-1:]


def extract_boxed(response: str) -> str | None:
    r"""Content of the last balanced ``\boxed{…}`` (or ``\fbox{…}``) of a response, stripped; None where there is none.

    A last box that is never closed, or that only echoes the prompt, is passed over. A box in unfinished thoughts is none.
    """
    _, found = _answer_boxes(response)
    return found[-1].content if found else None


def extract_answer(response: str, joint: re.Pattern = _JOINT) -> str | None:
    r"""The one answer that the boxes of a response state; None where there is none.

    Boxes that only "and", "or" and commas join are one answer of several parts, and nothing else: neither part passes alone.
    A sign, a fraction bar or a word like "million" directly at the box belongs to the answer.
    """
    text, found = _answer_boxes(response)
    if not found:
        return None
    run = [found[-1]]
    for box in reversed(found[:-1]):
        between = text[box.end : run[0].start]
        if not (box.content and run[0].content) or len(between) > 80 or len(run) >= MAX_RUN or not joint.fullmatch(between):
            break
        run.insert(0, box)
    if len({box.content for box in run}) == 1:
        return _with_surroundings(text, run[-1])
    parts = [_named(text, box) for box in run]
    joiner = " or " if re.search(r"\bor\b", text[run[0].end : run[-1].start]) else ", "
    return joiner.join(dict.fromkeys(parts))


def _named(text: str, box: Box) -> str:
    name = _NAME.search(text[max(0, box.start - 20) : box.start])
    return f"{name[1]} = {box.content}" if name and "=" not in box.content else box.content


def _with_surroundings(text: str, box: Box) -> str:
    """The content of a box with what changes its value from outside."""
    before, behind = text[max(0, box.start - 60) : box.start], text[box.end : box.end + 60]
    outer = _opening_around(before)
    if outer is not None:
        return before[outer:] + text[box.start : box.end] + behind[: behind.find("}") + 1]
    content = box.content
    if match := _BEHIND.match(behind):
        scale = re.search(r"[a-z]{5,}$", match[1])
        content = f"{content} {scale[0] if scale and 'circ' not in match[1] else match[1]}"
    if _is_negated(before):
        return f"-({content})" if re.search(r"[-+]", content) else f"-{content}"
    if part := _BARE_PART.search(before):
        return f"{part[0].strip()}{{{content}}}"
    head = _HEAD.search(before)
    return f"{head[0]} {content}" if head else content


def _is_negated(before: str) -> bool:
    """Does a minus sign belong to the box? Bullets, dashes and subtractions do not."""
    head = before.rstrip()
    if not head.endswith("-") or _BULLET.search(before):
        return False
    left = head[:-1].rstrip()
    if not left or left[-1] in "=($[,:{":
        return True
    return head == before and left != head[:-1]


def _opening_around(before: str) -> int | None:
    """Where the fraction, root or power begins whose braces are still open before a box; None where there is none."""
    depth = 0
    for index in range(len(before) - 1, -1, -1):
        depth += (before[index] == "}") - (before[index] == "{")
        if depth < 0:
            match = _OUTER.search(before[:index])
            return match.start() if match else None
    return None


def gold_answer(gold: str) -> str:
    """The answer part of a gold that came as a whole solution with boxes; others as they are."""
    if "boxed" not in gold and "fbox" not in gold:
        return gold
    return extract_answer(gold, _JOINT_OF_GOLD) or gold.rsplit("box", 1)[1].lstrip("ed{ ")


def extract_lenient(response: str) -> str | None:
    """The box; failing that what follows the last "answer is", "answer:" or "####"; failing that the last number.

    A box that is never closed (a response cut off) is no answer, after "answer is" neither: there the last number counts.
    """
    boxed = extract_boxed(response)
    if boxed is not None or not isinstance(response, str):
        return boxed
    numbers = _NUMBER.findall(response[-20_000:])
    return announced(response) or (numbers[-1] if numbers else None)


def announced(response: str) -> str | None:
    """What follows the last "answer is", "answer:" or "####" of a response, to the end of its sentence; None where there is none."""
    marks = list(_MARK.finditer(response[-20_000:]))
    answer = marks[-1][1].strip().strip("*").strip() if marks else ""
    sentence = re.split(r"(?<=[^\d\s])\.\s|\.\s+(?=[A-Z])", answer, maxsplit=1)[0].strip().rstrip(".")
    return sentence if sentence and not BOX.search(sentence) else None
