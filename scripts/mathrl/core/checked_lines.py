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

from mathrl.core.files import JsonObject

HASH = 16  # hex digits
SUFFIX = ".checked.jsonl"
SYNC_SECONDS = 1.0  # a machine that loses its power may lose the lines of so long; a killed process loses none


def pack(row: Mapping[str, object]) -> bytes:
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
        self._synced = 0.0
        self.path: Path | None = None  # of the file, once there is one

    def write(self, row: Mapping[str, object]) -> None:
        """Append one line; a kill of this process loses nothing of it."""
        with self._lock:
            if self._handle is None:
                self._directory.mkdir(parents=True, exist_ok=True)
                # A file of its own for every process: what a kill cut off is never written on.
                self.path = self.path or self._directory / f"{self._name}{os.getpid()}-{time.time_ns()}{SUFFIX}"
                self._handle = open(self.path, "ab")  # noqa: SIM115
            self._handle.write(pack(row))
            self._handle.flush()
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._handle.fileno())
                self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close the file, if there is one."""
        with self._lock:
            if self._handle is not None:
                os.fsync(self._handle.fileno())
                self._handle.close()
                self._handle = None


class Reader:
    """Such files of `directory` whose names fit `pattern`, while others append to them.

    A line that a kill cut off is ignored; a damaged one is named on stderr, and is made again by whoever needs it.
    """

    def __init__(self, directory: Path, pattern: str) -> None:
        self._directory, self._pattern = directory, pattern
        self._read: dict[Path, tuple[int, int]] = {}  # bytes and lines

    def new(self) -> Iterator[tuple[Path, JsonObject]]:
        """Each row that was not read before, with its file."""
        for path in sorted(self._directory.glob(self._pattern)):
            done, number = self._read.get(path, (0, 0))
            with open(path, "rb") as lines:
                lines.seek(done)
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    done, number = done + len(line), number + 1
                    self._read[path] = done, number
                    text = content(line)
                    if text is None:
                        print(f"{path}: line {number} is damaged; it is left out, and made again where it is needed", file=sys.stderr)
                    else:
                        yield path, json.loads(text)


def read_rows(directory: Path, prefix: str = "") -> Iterator[JsonObject]:
    """Rows of all such files in `directory` whose names begin with `prefix`, once."""
    return (row for _, row in Reader(directory, f"{prefix}*{SUFFIX}").new())
