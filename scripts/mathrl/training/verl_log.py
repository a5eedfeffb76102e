"""verl's log: it lives with the checkpoints, because Snakemake empties a rule's own log at each attempt.

It is appended to, and set aside when it is long. The rule's log says where it is; where verl failed, it says why, with the last lines.
"""

from __future__ import annotations

import re
from pathlib import Path

from mathrl.core.files import write_text
from mathrl.training.symptoms import explain

NAME = "verl.log"
SHOWN = 100  # last lines in the rule's log
_RAY = re.compile(r"^\([\w:.]+ pid=\d+[^)]*\)\s*")  # the process that a line comes from
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Exit|Died)(?:\(\w+\))?: .+")


def said_since(log: Path, begin: int) -> list[str]:
    """Lines of one attempt, of its last megabyte at most, without colours."""
    if not log.exists():
        return []
    with open(log, "rb") as handle:
        handle.seek(max(begin, log.stat().st_size - (1 << 20)))
        return _COLOUR.sub("", handle.read().decode(errors="replace")).splitlines()


def cause(lines: list[str]) -> str:
    """The exception that ended verl, in at most 300 characters; empty where its log names none."""
    for line in reversed(lines):
        plain = _RAY.sub("", line).strip()
        if _EXCEPTION.fullmatch(plain) and "RayTaskError" not in plain:
            return plain[:300]
    return ""


def point_to(log: Path, of_rule: Path) -> None:
    """Let the rule's log say where verl's is."""
    write_text(of_rule, f"verl's log, of this attempt and those before it: {log}\n")


def write_cause(log: Path, begin: int, of_rule: Path) -> str:
    """Write cause and last lines into the rule's log; returns the cause, after what it means where that is known."""
    lines = said_since(log, begin)
    named = cause(lines)
    meaning = explain(named) or explain("\n".join(lines))
    why = f"{meaning} ({named})" if meaning and named else meaning or named
    last = "\n".join(lines[-SHOWN:])
    text = f"cause: {why or 'verl names none'}\nverl's log: {log}\nits last {min(SHOWN, len(lines))} lines:\n{last}\n"
    write_text(of_rule, text)
    return why
