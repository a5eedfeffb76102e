r"""A response cut into its reasoning steps: lines, sentences, numbered items.

A full stop ends a step where a sentence begins after it: `15 - 4 = 11. 11 + 9 = 20.` is two steps. The stop of `3.5`, of
`e.g.` and of a list number ends none. A display (`\[ … \]`, `$$ … $$`, `\begin{…} … \end{…}`) is not cut inside. A label alone
(`Step 2:`, `3.`, `## Solution`) belongs to the step after it.
"""

from __future__ import annotations

import re

_DISPLAY = re.compile(r"(?P<open>\\\[|\\begin\{)|(?P<close>\\\]|\\end\{)|(?P<both>\$\$)")
# A run of stops is looked at from its first one alone: from each of them, a response of dots alone takes time by its square.
_STOP = re.compile(r"(?:(?<![.!?])[.!?]+(?:[)\]\"'”*$]|\\\))*[ \t]+(?=[^a-z\s])|[。！？])")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:e\.g|i\.e|vs|cf|resp|approx|Mr|Mrs|Ms|Dr|St|No|Eq|Fig)$")
_LABEL = re.compile(
    r"[\s#>*_(\[-]*(?:(?:step|case|part|solution|answer|explanation)\b)?[\s#]*(?:\d{1,3}|[a-hA-H]|[ivxIVX]{1,4})?[\s.:)\]*_#-]*",
    re.IGNORECASE,
)

MAX_LABEL = 40  # characters


def reasoning_steps(response: str) -> list[str]:
    """The steps of a response in their order, without space around them; every letter and digit of it is in one."""
    steps: list[str] = []
    label = ""
    for block in _blocks(response):
        for sentence in _sentences(block):
            step = f"{label} {sentence.strip()}".strip()
            label = ""
            if _is_label(step):
                label = step
            elif step:
                steps.append(step)
    if any(char.isalnum() for char in label):
        steps.append(label)
    return steps


def _is_label(text: str) -> bool:
    return len(text) <= MAX_LABEL and _LABEL.fullmatch(text) is not None


def _blocks(response: str) -> list[str]:
    """Lines; the lines of a display are one. A display that is never closed is none."""
    lines = response.splitlines()
    blocks: list[str] = []
    start, depth = 0, 0
    for place, line in enumerate(lines):
        if depth == 0:
            start = place
        for sign in _DISPLAY.finditer(line):
            change = -1 if sign["close"] or (sign["both"] and depth) else 1
            depth = max(0, depth + change)
        if depth == 0:
            blocks.append("\n".join(lines[start : place + 1]))
    return blocks + lines[start:] if depth else blocks


def _sentences(block: str) -> list[str]:
    """The sentences of a block; one that holds a display of several lines is not cut."""
    if "\n" in block:
        return [block]
    sentences: list[str] = []
    start = 0
    for stop in _STOP.finditer(block):
        before = block[max(start, stop.start() - MAX_LABEL - 1) : stop.start()]  # what decides; all of it would be copied at each stop
        if _ABBREVIATION.search(before[-8:]) or _is_label(before):
            continue
        sentences.append(block[start : stop.end()])
        start = stop.end()
    return [*sentences, block[start:]]
