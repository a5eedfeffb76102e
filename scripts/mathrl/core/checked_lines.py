"""Lines of JSON that carry the beginning of their own hash, so that one which a kill cut off or a disk damaged is known as such."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HASH = 16  # hex digits
SUFFIX = ".checked.jsonl"


def pack(row: Mapping[str, Any]) -> bytes:
    """The line of a row, its end included."""
    text = json.dumps(row, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"
    return hashlib.sha256(text).hexdigest()[:HASH].encode() + b" " + text


def content(line: bytes) -> bytes | None:
    """The JSON of a line with its end; None where it is not as it was written."""
    sha256, _, text = line.partition(b" ")
    return text if sha256.decode(errors="replace") == hashlib.sha256(text).hexdigest()[:HASH] else None


class Appender:
    """A file of such lines that this process alone writes, below `directory`; it is made at the first line. From any thread."""

    def __init__(self, directory: Path, name: str = "") -> None:
        self._directory, self._name = directory, name
        self._lock = threading.Lock()
        self._handle: Any = None

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one line; a kill of this process loses nothing of it."""
        with self._lock:
            if self._handle is None:
                self._directory.mkdir(parents=True, exist_ok=True)
                # A file of its own for every attempt: what a kill cut off is never written on.
                self._handle = open(self._directory / f"{self._name}{os.getpid()}-{time.time_ns()}{SUFFIX}", "ab")  # noqa: SIM115
            self._handle.write(pack(row))
            self._handle.flush()

    def close(self) -> None:
        """Sync and close the file, if there is one."""
        with self._lock:
            if self._handle is not None:
                os.fsync(self._handle.fileno())
                self._handle.close()
                self._handle = None


def read_rows(directory: Path, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Rows of all such files in `directory` whose names begin with `prefix`. A line that a kill cut off is ignored; a damaged one is
    named on stderr, and is made again by whoever needs it."""
    for path in sorted(directory.glob(f"{prefix}*{SUFFIX}")):
        with open(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                text = content(line)
                if text is None:
                    print(f"{path}: line {number} is damaged; it is left out, and made again where it is needed", file=sys.stderr)
                else:
                    yield json.loads(text)
