r"""Boxes in a solution: the balanced ``\boxed{…}`` and ``\fbox{…}``, found in one pass over the text."""

from __future__ import annotations

import re
from typing import NamedTuple

BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BARE = re.compile(r"\\(?:boxed|fbox)\s*(?![\s{])([^\s$]+)")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


class Box(NamedTuple):
    """A box: where it begins and ends in the text, and what it holds, stripped."""

    start: int
    end: int
    content: str


def boxes(text: str) -> list[Box]:
    r"""All balanced, outermost boxes in order; ``\{`` opens nothing. Linear in the length, no recursion."""
    starts = {match.end() - 1: match.start() for match in BOX.finditer(text)}
    if not starts:
        return []
    found: list[Box] = []
    open_braces: list[int] = []
    for match in _BRACE.finditer(text, min(starts)):
        token = match.group()
        if token == "{":
            open_braces.append(match.start())
        elif token == "}" and open_braces:
            opened = open_braces.pop()
            if opened in starts:
                begin = starts[opened]
                while found and found[-1].start > begin:
                    found.pop()
                found.append(Box(begin, match.end(), text[opened + 1 : match.start()].strip()))
    return found


def last_boxed(text: str) -> str | None:
    r"""What the last box holds, stripped; of a box in a box the inner one's; the word behind ``\boxed 5``. None without a box."""
    found = boxes(text)
    bare = list(_BARE.finditer(text, found[-1].end if found else 0))
    if bare:
        return bare[-1].group(1)
    if not found:
        return None
    content = found[-1].content
    return last_boxed(content) or content
