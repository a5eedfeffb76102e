"""Files in and out: whole or not at all, one clear line when something is wrong.

A reader of any output sees the old file or the new one, never a half: everything is written to a temporary name in the same
directory, synced, and renamed. What belongs to a study is renamed for a living Snakemake only: an orphan's file never takes the place
of what the next Snakemake made.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from mathrl.core import checksums, owner
from mathrl.core.errors import UserError as UserError
from mathrl.core.errors import printable as printable
from mathrl.core.errors import run_main as run_main

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

os.umask(_UMASK := os.umask(0o077))  # read once: to read it is to set it for a moment, and for all threads

JsonObject = dict[str, Any]
"""Any JSON object, with whatever keys a file or a stranger gave it.

It is for what parses or writes such a text: readers and writers of this module, and the first function that looks what was read. What
travels on is a record of a type of its own, in `records.py` of the room that writes it. `tests/core/test_types.py` counts its uses.
"""


def log_to(path: str | os.PathLike) -> TextIO:
    """Send stdout and stderr of this process and its children to the file `path`.

    Returns the stderr of before: the place for progress lines that a person should see while the log fills.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.fdopen(os.dup(2), "w", encoding="utf-8", buffering=1)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    return terminal


def _check_owner(path: Path) -> None:
    """Refuse to put a file of a study in place where the Snakemake that this job belongs to has ended.

    Checkpoints are no such files: their job saves before it ends, and one job alone writes there (`mathrl.execution.locks.sole_writer`).
    """
    if checksums.record_of(path) is not None and owner.owner_is_gone(os.environ.get(owner.OWNER)):
        raise UserError(f"{path}: is not written: the Snakemake that started this job is gone; start the same command again")


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` if the block succeeds, delete it if not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        _check_owner(path)
        checksums.note(path, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_directory(path: str | os.PathLike) -> Iterator[Path]:
    """Yield an empty directory beside `path`; it takes the place of `path` if the block succeeds and is deleted if not.

    A reader finds the old directory or the new one, whole. A directory cannot be renamed onto one that holds files, so the old
    one is renamed away first: a kill between the two renames leaves `path` missing, and the next call puts the old one back. What a
    killed call left is deleted. Each call fills a directory of its own name, so that one that is not dead yet fails and mixes nothing in.
    """
    path = Path(path)
    old = path.with_name(f".{path.name}.old")
    path.parent.mkdir(parents=True, exist_ok=True)
    if old.exists() and not path.exists():
        old.rename(path)
    shutil.rmtree(old, ignore_errors=True)
    # mkdtemp's eight letters: with `*` a call for `qwen2` would delete what another fills for `qwen2.5`
    for left in list(path.parent.glob(f".{glob.escape(path.name)}.{'?' * 8}.new")):
        with contextlib.suppress(OSError):  # under another name nobody fills it while it goes
            shutil.rmtree(left.rename(_beside(path)), ignore_errors=True)
    fresh = _beside(path)
    fresh.chmod(fresh.stat().st_mode & stat.S_ISGID | 0o777 & ~_UMASK)  # a shared folder gives its group on
    try:
        yield fresh
        for file in fresh.rglob("*"):
            if file.is_file():
                with open(file, "rb") as written:
                    os.fsync(written.fileno())
        _check_owner(path)
        fresh.stat()  # another call has taken its place, if it is gone
        checksums.note(path, fresh)
        if path.exists():
            path.rename(old)
        fresh.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _beside(path: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new"))


def check_unchanged(path: str | os.PathLike) -> None:
    """Refuse a file or directory of a study that is not as it was written (`mathrl.core.checksums`); `UserError` names the file."""
    try:
        checksums.check(path)
    except checksums.DamagedError as error:
        raise UserError(str(error)) from None


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 `text` to `path`, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` as JSON with sorted keys, indent 2 and a final newline. NaN is refused: it is not JSON."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file; `UserError` if it is missing or no JSON."""
    check_unchanged(path)
    try:
        with open(path, encoding="utf-8") as handle:
            return json.load(handle)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON ({error}); make it again") from None


def read_object(path: str | os.PathLike) -> JsonObject:
    """A JSON object; an empty one where the file is missing or damaged, for readers that go on without it."""
    try:
        found = read_json(path) if Path(path).is_file() else {}  # a pipe of that name would never answer
    except (UserError, OSError):  # another user's file
        return {}
    return found if isinstance(found, dict) else {}


MAX_DEPTH = 100  # of lists and objects in each other; code that walks through more of them overflows its stack
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(text: str) -> Any:
    """The value of a JSON text that a stranger wrote.

    Raises:
        ValueError: it is no JSON (then a `json.JSONDecodeError`), is nested too deeply, or holds half a character (`\\ud800`), which no
            file can hold.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(value):
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"half a character, \\u{ord(error.object[error.start]):x}, that no UTF-8 text can hold") from None
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            entry for outer in level for entry in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
    return bool(level)


def write_checked_json(path: str | os.PathLike, value: Mapping[str, object]) -> None:
    """Write an object as JSON that carries its own hash under the key `checksum`, for `read_checked_json`."""
    write_json(path, {**value, "checksum": sha256_json(value)})


def read_checked_json(path: str | os.PathLike) -> Any:
    """Read such a file; `UserError` if it is missing, or not as it was written."""
    value = read_json(path)
    checksum = value.pop("checksum", None) if isinstance(value, dict) else None
    if checksum is None or sha256_json(value) != checksum:
        raise UserError(f"{path}: is damaged: it is not as it was written")
    return value


def sha256_text(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: str | os.PathLike) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_tree(directory: str | os.PathLike, ignore: Iterable[str] = ()) -> str:
    """SHA-256 over the names and bytes of all files below `directory`, independent of the order on disk.

    `ignore` are patterns of file names that do not count.
    """
    directory = Path(directory)
    digest = hashlib.sha256()
    for path in sorted(p for p in directory.rglob("*") if p.is_file() and not any(p.match(pattern) for pattern in ignore)):
        digest.update(f"{path.relative_to(directory).as_posix()}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@contextlib.contextmanager
def open_text(path: str | os.PathLike) -> Iterator[io.TextIOBase]:
    """Open a UTF-8 text file for reading; `.gz` and `.zst` are unpacked on the way."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    check_unchanged(path)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, "rb"))
        raw: io.BufferedReader | gzip.GzipFile = file
        if path.suffix == ".gz":
            raw = stack.enter_context(gzip.GzipFile(fileobj=file))
        elif path.suffix == ".zst":
            raw = io.BufferedReader(ZstdReader(file))
        yield stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline="\n"))


_ZSTD_BLOCK = 1 << 12  # bytes; four of them can stand for 128 KiB, so that a block unpacks to 128 MiB at most
MAX_LINE = 1 << 26  # characters of a line; a file that is packed nothing would fill the memory as one line


class ZstdReader(io.RawIOBase):
    """A zstd file unpacked, all its frames. The library's own reader takes the end of the file for the end of its content, wherever it
    was cut off."""

    def __init__(self, packed: BinaryIO) -> None:
        import zstandard

        self._frame = zstandard.ZstdDecompressor().decompressobj
        self._packed, self._unpack, self._left = packed, self._frame(), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer)
        while not self._left:
            block = self._unpack.unused_data or self._packed.read(_ZSTD_BLOCK)
            if self._unpack.eof:  # the frame's end: another may begin
                if not block:
                    return 0
                self._unpack = self._frame()
            elif not block:
                raise EOFError("it is cut off")
            self._left = memoryview(self._unpack.decompress(block))
        taken, self._left = self._left[: len(room)], self._left[len(room) :]
        room[: len(taken)] = taken
        return len(taken)


def check_unpacked(path: str | os.PathLike, most: int) -> None:
    """Refuse a zstd file of more than `most` bytes unpacked; `UserError` names it."""
    done = 0
    with open(path, "rb") as packed, io.BufferedReader(ZstdReader(packed)) as unpacked:
        try:
            while done <= most and (block := unpacked.read(1 << 20)):
                done += len(block)
        except Exception as error:  # zstandard's own, or that it is cut off
            raise UserError(f"{path}: is no whole zstd file ({error})") from None
    if done > most:
        raise UserError(f"{path}: holds more than {most >> 20} MiB unpacked; it is not read")


def mapping(text: str, option: str) -> JsonObject:
    """A JSON object given on the command line; `UserError` names the option if it is none."""
    try:
        value = parse_json(text)
    except ValueError as error:
        raise UserError(f"{option}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{option}: must be a JSON object")
    return value


def bounded_lines(handle: io.TextIOBase, path: str | os.PathLike, first: int = 1, most: int = MAX_LINE) -> Iterator[str]:
    """The lines of a text; `UserError` for one of `most` characters without an end. `first` is the number of the first line."""
    for number, line in enumerate(iter(functools.partial(handle.readline, most), ""), first):
        if len(line) == most and not line.endswith("\n"):
            raise UserError(f"{path}: line {number} is longer than {most >> 20} Mi characters; it is not read")
        yield line


def read_jsonl(path: str | os.PathLike, required: Iterable[str] = ()) -> Iterator[Any]:
    """Yield the objects of a JSON-lines file (`.gz`, `.zst` too).

    `required` are keys that each object must have; a line that is no object or lacks one is a `UserError` that names the line.
    What more they hold is for the caller to know: as of `read_json`, their type is the record that takes them.
    """
    required = tuple(required)
    number = 0
    try:
        with open_text(path) as lines:
            for number, line in enumerate(bounded_lines(lines, path), 1):
                if not line.strip():
                    continue
                try:
                    row = parse_json(line)
                except ValueError as error:
                    raise UserError(f"{path}: line {number} cannot be read ({error})") from None
                if not isinstance(row, dict):
                    raise UserError(f"{path}: line {number} is no JSON object")
                for key in required:
                    if key not in row:
                        raise UserError(f"{path}: line {number} lacks the key '{key}' (it has: {', '.join(sorted(row))})")
                yield row
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path}: line {number + 1} cannot be read ({error})") from None
    except Exception as error:
        packed = {"ZstdError": "zstd", "error": "gzip"}.get(type(error).__name__)  # zlib's is called error
        if packed:
            raise UserError(f"{path}: is no whole {packed} file ({error}); make it again") from None
        raise


def write_jsonl(path: str | os.PathLike, rows: Iterable[Mapping[str, object]]) -> int:
    """Write objects as JSON lines (`.gz`, `.zst` packed, byte-identical from run to run); returns how many."""
    count = 0
    suffix = Path(path).suffix
    with atomic_path(path) as temporary, contextlib.ExitStack() as stack:
        file = stack.enter_context(open(temporary, "wb"))
        out: io.BufferedIOBase = file
        if suffix == ".gz":
            out = stack.enter_context(gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename=""))
        elif suffix == ".zst":
            import zstandard

            out = stack.enter_context(zstandard.ZstdCompressor(level=6, write_checksum=True).stream_writer(file))
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            count += 1
    return count
