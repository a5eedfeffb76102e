"""Answers on disk, and what was spent for them: nothing is asked twice, whenever the process is killed.

A store is a folder of append-only files, one per process that wrote, so that nobody writes behind what a kill cut off. A line is the
hash of its content, a blank, and JSON: `reserve` before a request is sent, then `answer` or `failed`. A reservation without an outcome
was in flight when its process died: the provider may have charged for it, so it counts in full.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathrl.augmentation.requests import Answer, Request
from mathrl.core.files import UserError, read_jsonl, write_jsonl
from mathrl.execution import locks

HASH = 16  # hex digits of a line's hash
SYNC_SECONDS = 1.0  # a machine that loses its power may lose the answers of so long; a killed process loses none


@dataclass
class Spent:
    """Sent requests, and tokens and money of answers; what is in flight counts at its upper bound."""

    requests: int = 0
    tokens: int = 0
    money: float = 0.0

    def add(self, requests: int, tokens: int, money: float) -> None:
        self.requests += requests
        self.tokens += tokens
        self.money += money


class Store:
    """The answers below `directory`, and the account of one entry. Use `opened` to write."""

    def __init__(self, directory: Path, entry: str, cache: Path | None = None) -> None:
        self.directory, self.entry = directory, entry
        self.answers: dict[str, Answer] = {}
        self.spent = Spent()
        self.in_doubt = 0  # requests that a kill left without an outcome
        self._file: Any = None
        self._synced = 0.0
        self._open: dict[str, tuple[int, float]] = {}  # reservations of this process: tokens and money at most
        self._number = 0
        for path in sorted(directory.glob("*.jsonl")):
            self._read(path)
        if cache:
            for answer in read_answers(cache):
                self.answers.setdefault(answer.key, answer)

    def _read(self, path: Path) -> None:
        pending: dict[str, tuple[int, float]] = {}
        for row in _rows(path):
            mine = row["entry"] == self.entry
            if row["kind"] == "reserve":
                pending[row["id"]] = (row["tokens"], row["money"]) if mine else (-1, 0.0)
                continue
            known = pending.pop(row["id"], None)
            if row["kind"] == "answer":
                self.answers.setdefault(row["answer"]["key"], Answer(**row["answer"]))
            if mine and known is not None:
                self.spent.add(1, row["tokens"], row["money"])
        left = [bound for bound in pending.values() if bound[0] >= 0]
        self.in_doubt += len(left)
        for tokens, money in left:
            self.spent.add(1, tokens, money)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Store]:
        """Write into a file of this process's own; `locked` must be held."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / f"{self.entry}-{os.getpid()}-{time.time_ns()}.jsonl"
        with open(path, "ab") as self._file:
            try:
                yield self
            finally:
                self._file.flush()
                os.fsync(self._file.fileno())
        self._file = None

    def reserve(self, request: Request, tokens: int, money: float) -> str:
        """Write down that a request is about to be sent and may cost so much; returns the reservation."""
        self._number += 1
        name = str(self._number)
        self._write({"kind": "reserve", "id": name, "entry": self.entry, "key": request.key, "tokens": tokens, "money": money})
        self._open[name] = (tokens, money)
        self.spent.add(1, tokens, money)
        return name

    def settle(self, reservation: str, tokens: int, money: float, answer: Answer | None, why: str = "") -> None:
        """Write down how a reserved request ended and what it cost."""
        row = {"kind": "answer", "answer": answer.as_dict()} if answer else {"kind": "failed", "why": why}
        self._write(row | {"id": reservation, "entry": self.entry, "tokens": tokens, "money": money})
        most_tokens, most_money = self._open.pop(reservation)
        self.spent.add(0, tokens - most_tokens, money - most_money)
        if answer:
            self.answers[answer.key] = answer

    def _write(self, row: Mapping[str, Any]) -> None:
        text = json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n"
        self._file.write(hashlib.sha256(text).hexdigest()[:HASH].encode() + b" " + text)
        self._file.flush()
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the folder: two clients at a time could ask the same. The second one waits."""
    directory.mkdir(parents=True, exist_ok=True)
    handle = locks.open_lock(directory / "lock")
    try:
        said = False
        while not locks.try_lock(handle):
            if not said:
                print(f"augmentation: waits for another client of {directory}", file=sys.stderr, flush=True)
            said = True
            time.sleep(0.5)
        yield
    finally:
        os.close(handle)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file that are as they were written; the last one may be cut off, any other damaged one is named."""
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            sha256, _, text = line.partition(b" ")
            if sha256.decode(errors="replace") == hashlib.sha256(text).hexdigest()[:HASH]:
                yield json.loads(text)
            else:
                print(f"{path}: line {number} is damaged; if it held an answer, it is asked for again", file=sys.stderr)


def write_answers(path: Path, answers: Iterable[Answer]) -> int:
    """The answers as a file to ship (`.jsonl.zst`): each with its own hash, the same bytes for the same answers."""
    return write_jsonl(path, (answer.as_dict() | {"sha256": _hash(answer.as_dict())} for answer in answers))


def read_answers(path: Path) -> Iterator[Answer]:
    """The answers of a shipped file.

    Raises:
        UserError: no such file, or a line that is not as it was written.
    """
    fields = ("key", "text", "finish", "prompt_tokens", "completion_tokens", "served_by")
    for number, row in enumerate(read_jsonl(path, (*fields, "sha256")), 1):
        content = {name: row[name] for name in fields}
        if _hash(content) != row["sha256"]:
            raise UserError(f"{path}: line {number} is damaged: it is not as it was written; get the file again")
        yield Answer(**content)


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:HASH]
