"""The beginnings of a text that was cut into its reasoning steps."""

from __future__ import annotations

from collections.abc import Sequence


def beginnings(text: str, steps: Sequence[str]) -> list[str]:
    """The text up to the end of each of its steps (`reasoning_steps`) but the last, without the space after it."""
    found, end = [], 0
    for step in steps[:-1]:
        end = _end_of(step, text, end)
        found.append(text[:end])
    return found


def _end_of(step: str, text: str, start: int) -> int:
    """Where a step ends in the text; the cutter joins labels by one space and trims, so that letters are counted, not spaces."""
    wanted = sum(not char.isspace() for char in step)
    for place in range(start, len(text)):
        wanted -= not text[place].isspace()
        if not wanted:
            return place + 1
    return len(text)
