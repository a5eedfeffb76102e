"""Answers on disk, and what was spent for them: nothing is asked twice, whenever the process is killed."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mathrl.core.checked_lines import HASH
from mathrl.core.files import JsonObject, UserError, read_jsonl, write_jsonl
from mathrl.execution import locks
from mathrl.models.chat import Answer
from mathrl.models.records import AccountRow
from mathrl.models.spending import Account, Cost

COUNTS = ("prompt_tokens", "completion_tokens")


class Store(Account):
    """The answers below `directory`, of all entries, and the account of one entry. `locked` must be held to write."""

    def __init__(self, directory: Path, entry: str, cache: Path | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        super().__init__(directory, entry)
        for answer in read_answers(cache) if cache else ():
            self.answers.setdefault(answer.key, answer)

    def keep(self, reservation: str, cost: Cost, answer: Answer) -> None:
        """Settle a request by its answer."""
        self.settle(reservation, cost, kind="answer", answer=answer.as_dict())

    def _count(self, file: Path | None, row: AccountRow) -> None:
        super()._count(file, row)
        if row["kind"] == "answer":
            self.answers.setdefault(row["answer"]["key"], Answer(**row["answer"]))


def locked(directory: Path) -> contextlib.AbstractContextManager[None]:
    """Hold the folder: two clients at a time could ask the same. The second one waits."""
    return locks.held(directory / "lock", f"augmentation: waits for another client of {directory}")


def write_answers(path: Path, answers: Iterable[Answer]) -> int:
    """The answers as a file to ship (`.jsonl.zst`): each with its own hash, the same bytes for the same answers."""
    return write_jsonl(path, (answer.as_dict() | {"sha256": _hash(answer.as_dict())} for answer in answers))


def read_answers(path: Path) -> Iterator[Answer]:
    """The answers of a shipped file.

    Raises:
        UserError: no such file, or a line that is not as it was written, or no answer.
    """
    fields = ("key", "text", "finish", *COUNTS, "served_by")
    for number, row in enumerate(read_jsonl(path, (*fields, "sha256")), 1):
        content = {name: row[name] for name in fields}
        if _hash(content) != row["sha256"]:
            raise UserError(f"{path}: line {number} is damaged: it is not as it was written; get the file again")
        if not _is_answer(content):
            raise UserError(f"{path}: line {number} holds no answer; a cache is what another study wrote as answers.jsonl.zst")
        yield Answer(**content)


def _is_answer(content: JsonObject) -> bool:
    """Has it the types of an answer, and text that can be written? A shipped file may be a stranger's."""
    counts, texts = [content[name] for name in COUNTS], [value for name, value in content.items() if name not in COUNTS]
    if not all(type(count) is int and count >= 0 for count in counts) or not all(isinstance(text, str) for text in texts):
        return False
    return not any("\ud800" <= char <= "\udfff" for text in texts for char in text)


def _hash(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:HASH]
