"""SHA-256 of large files, computed once for as long as a file stays as it is; what a model directory is, by its bytes.

Nothing that lies beside a file says what it holds. A cache may: it knows a file by device, inode, size and both times. A change of
its bytes changes `ctime`, which nobody can set back. The cache checks itself too: a damaged one is empty.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from mathrl.core.files import UserError, read_checked_json, sha256_file, sha256_text, write_checked_json

SETTLED = 2.0  # seconds without a change after which a file is remembered: a later write then has another time on any file system
NO_PART = (".md",)  # model cards
NOTE = "export.json"  # says what an exported directory is; no part of the model


def identity(path: Path) -> str:
    """What stays as it is while nobody writes to a file, as text."""
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def sha256_files(paths: Iterable[Path], cache: Path | None = None) -> dict[Path, str]:
    """SHA-256 of each file. With a `cache` (a file that is made), files that it knows are not read again."""
    known = _read(cache) if cache else {}
    found, learnt = {}, {}
    for path in paths:
        before = identity(path)
        found[path] = known.get(before) or sha256_file(path)
        if before not in known and _is_settled(path) and identity(path) == before:
            learnt[before] = found[path]
    if cache and learnt:
        with contextlib.suppress(OSError):  # somebody else's folder: it is read again next time
            write_checked_json(cache, {"schema_version": 1, "sha256": _read(cache) | learnt})
    return found


def _is_settled(path: Path) -> bool:
    found = path.stat()
    return time.time() - max(found.st_mtime, found.st_ctime) > SETTLED


def _read(cache: Path) -> dict[str, str]:
    try:
        return read_checked_json(cache)["sha256"]
    except (UserError, KeyError, OSError):
        return {}


def model_files(directory: Path) -> dict[str, Path]:
    """The files that determine a Hugging Face model (weights, configuration, tokenizer) by name, links followed; hidden ones do not.

    Raises:
        UserError: no such directory, or a link into nowhere.
    """
    if not directory.is_dir():
        raise UserError(f"{directory}: no such model directory")
    found = {path.relative_to(directory).as_posix(): path for path in _walk(directory, set())}
    return {name: found[name] for name in sorted(found) if not name.endswith(NO_PART) and name != NOTE}


def _walk(directory: Path, seen: set[str]) -> Iterator[Path]:
    real = os.path.realpath(directory)
    if real in seen:  # a link to a folder around it
        return
    for path in sorted(directory.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _walk(path, seen | {real})
        elif path.is_file():
            yield path
        elif path.is_symlink():
            raise UserError(f"{path}: links to {os.readlink(path)}, which is not there; the model is not complete, fetch or copy it again")


def model_sha256(directory: str | os.PathLike, cache: Path | None = None) -> str:
    """SHA-256 of a model: the names and bytes of its `model_files`. Give no `cache` where the model is about to be used."""
    files = model_files(Path(directory))
    hashes = sha256_files(files.values(), cache)
    return sha256_text("".join(f"{name}\0{hashes[path]}\n" for name, path in files.items()))
