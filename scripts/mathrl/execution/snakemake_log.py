"""What Snakemake's own log says of a study: how far it came, and which jobs failed. Read while it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LOGS = ".snakemake/log"
TAIL = 1 << 20  # bytes of a log that are read
_ERROR = re.compile(r"^Error in rule (\w+)(?:, jobid: \d+)?:\n((?:[ \t]+\S.*\n?)*)", re.M)
_FIELD = re.compile(r"^\s+(message|output|log): (.*?)(?: \(check log file\(s\) for error details\))?$", re.M)
_DONE = re.compile(r"^(\d+) of (\d+) steps \(\d+(?:\.\d+)?%\) done$", re.M)


@dataclass(frozen=True)
class Failure:
    """A job that failed: its rule, the files that it was to write, its log (both relative), and what its executor said of it."""

    rule: str
    outputs: tuple[str, ...]
    log: str | None
    message: str


@dataclass(frozen=True)
class Progress:
    """One call of Snakemake: jobs that are done of those it planned, and failures in their order."""

    path: Path
    done: int = 0
    planned: int = 0
    failures: tuple[Failure, ...] = ()


def tail(path: Path, most: int = TAIL) -> str:
    """The end of a text file, at most so many bytes; empty where it cannot be read."""
    if not path.is_file():  # a pipe of that name would never answer
        return ""
    try:
        with open(path, "rb") as handle:
            size = handle.seek(0, 2)
            handle.seek(max(0, size - most))
            return handle.read(most).decode(errors="replace")
    except OSError:
        return ""


def changed(path: Path) -> float:
    """When a file was written last, seconds since 1970; 0 where it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def newest(directory: Path) -> Progress | None:
    """The last call of Snakemake in a directory that planned jobs or failed; None without one."""
    logs = sorted((directory / LOGS).glob("*.snakemake.log"), key=lambda path: path.name, reverse=True)
    for path in logs[:20]:  # those of a report or a dry run say nothing of jobs
        found = read(path)
        if found.planned or found.failures:
            return found
    return None


def read(path: Path) -> Progress:
    """What one log says."""
    text = tail(path)
    steps = _DONE.findall(text)
    done, planned = map(int, steps[-1]) if steps else (0, 0)
    return Progress(path, done, planned, tuple(_failure(rule, block) for rule, block in _ERROR.findall(text)))


def _failure(rule: str, block: str) -> Failure:
    found = dict(_FIELD.findall(block))
    message = "" if found.get("message", "None") == "None" else found["message"]
    outputs = tuple(filter(None, (name.strip() for name in found.get("output", "").split(","))))
    return Failure(rule, outputs, (found.get("log") or "").split(",")[0].strip() or None, message)


def told(root: Path, called: Progress) -> str:
    """One call in words: jobs done, and below a line per job that failed."""
    first = f"{root.name}: {called.done} of {called.planned} jobs done"
    failed = [f"{one.rule} failed: {in_words(root, one)}" for one in called.failures]
    return "\n".join([first if called.planned else root.name, *dict.fromkeys(failed)])


def in_words(root: Path, failure: Failure) -> str:
    """Why a job failed: by its log, else what its executor said, else where to look."""
    words = last_words(root / failure.log) if failure.log else ""
    return words.removeprefix("error: ").removeprefix("cause: ") or failure.message or "failed without a word in its log"


def last_words(path: Path) -> str:
    """Why a job failed, by its log: a training's cause stands first, else the last line that tells an error or is there at all."""
    lines = [line.strip() for line in tail(path, 1 << 16).splitlines() if line.strip()]
    if lines and lines[0].startswith("cause: "):
        return lines[0]
    telling = [line for line in lines if line.startswith("error: ")]
    return (telling or lines or [""])[-1]
