"""A crate as a zip file: written with the same bytes each time, and read as what a stranger sent.

Reading writes below one folder only. Names that lead out of it, links, doubled names and sizes that are not as announced are refused;
nothing in a crate is executed or imported.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from mathrl.core.files import UserError, atomic_path
from mathrl.crate.records import Metadata

METADATA = "ro-crate-metadata.json"
MAX_FILES = 20_000
MAX_BYTES = 16 * 2**30  # of all files together
MAX_METADATA = 64 * 2**20
Opener = Callable[[], IO[bytes]]
_BLOCK = 1 << 20
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)
"""What the standard library raises for an entry of a damaged zip file."""
_NAMES = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
"""A file cannot be made because of its name, which is the sender's; any other failure to write is of this machine."""
_PART = re.compile(r"(?!\.)[^\x00-\x1f\x7f/\\:*?\"<>|]{1,200}")


def pack(folder: Path, out: Path) -> None:
    """Write the files below `folder` as a zip file, the metadata first, without times and owners."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files.sort(key=lambda path: path != folder / METADATA)
    with atomic_path(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o644) << 16
            with open(path, "rb") as source, archive.open(entry, "w", force_zip64=path.stat().st_size >= 2**31) as target:
                while block := source.read(_BLOCK):
                    target.write(block)


def check_name(name: Any, crate: Path) -> str:
    """A relative path that stays inside, of plain visible parts.

    Raises:
        UserError: it is another one.
    """
    if not isinstance(name, str) or len(name) > 1000 or not all(_PART.fullmatch(part) for part in name.split("/")):
        raise UserError(f"{crate}: names the file {str(name)[:200]!r}, which is no plain path inside the crate; it is not read")
    return name


def unpack(crate: Path, folder: Path) -> Metadata:
    """Copy the files that the metadata of a crate (a zip file or a folder) list into `folder`, checked; returns the metadata.

    Raises:
        UserError: it is no crate, it is damaged, or it would write elsewhere.
    """
    with _members(crate) as members:
        if METADATA not in members:
            raise UserError(f"{crate}: holds no {METADATA}; give a crate that `make crate` wrote")
        try:
            with members[METADATA]() as handle:
                text = handle.read(MAX_METADATA + 1)
        except _UNREADABLE as error:
            raise UserError(f"{crate}: {METADATA} cannot be read ({error}); ask for the crate again") from None
        metadata = _parse(text, crate)
        files = listed(metadata, crate)
        if sum(size for size, _ in files.values()) > MAX_BYTES:
            raise UserError(f"{crate}: announces more than {MAX_BYTES >> 30} GiB; it is not read")
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / METADATA).write_bytes(text)
        for name, (size, sha256) in files.items():
            if name not in members:
                raise UserError(f"{crate}: lacks {name}, which its metadata list; ask for the crate again")
            _copy(members[name], folder / name, size, sha256, f"{crate}: {name}")
    return metadata


def _parse(text: bytes, crate: Path) -> Metadata:
    try:
        metadata = json.loads(text) if len(text) <= MAX_METADATA else None
    except (ValueError, RecursionError):
        metadata = None
    graph = metadata.get("@graph") if isinstance(metadata, dict) else None
    if not isinstance(graph, list) or not all(isinstance(entity, dict) for entity in graph):
        raise UserError(f"{crate}: {METADATA} is no metadata of a crate; ask for the crate again")
    return cast("Metadata", metadata)


def listed(metadata: Metadata, crate: Path) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 by name of the files in the metadata.

    Raises:
        UserError: a name leads out, or a file has no size or hash.
    """
    files: dict[str, tuple[int, str]] = {}
    for entity in metadata["@graph"]:
        kinds = entity.get("@type")
        if "File" not in (kinds if isinstance(kinds, list) else [kinds]):
            continue
        name = check_name(entity.get("@id"), crate)
        size, sha256 = str(entity.get("contentSize")), str(entity.get("sha256"))
        if not re.fullmatch(r"\d{1,15}", size) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise UserError(f"{crate}: {name} has no size or no SHA-256 in the metadata; ask for the crate again")
        files[name] = (int(size), sha256)
    if len(files) > MAX_FILES:
        raise UserError(f"{crate}: announces more than {MAX_FILES} files; it is not read")
    return files


@contextmanager
def _members(crate: Path) -> Iterator[Mapping[str, Opener]]:
    """What opens each file of a crate, by name."""
    if crate.is_dir():
        yield _in_folder(crate)
        return
    try:
        archive = zipfile.ZipFile(crate)
    except FileNotFoundError:
        raise UserError(f"{crate}: no such file; name a crate, as in CRATE=results/crate.zip") from None
    except _UNREADABLE as error:  # RuntimeError: packed in a way that zipfile does not know
        raise UserError(f"{crate}: is no zip file ({error}); ask for the crate again") from None
    with archive:
        found: dict[str, Opener] = {}
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            name = check_name(entry.filename, crate)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise UserError(f"{crate}: {name} is a link or no plain file; the crate is not read")
            if name in found:
                raise UserError(f"{crate}: holds {name} twice; the crate is not read")
            if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UserError(f"{crate}: {name} is packed in a way that is not read here; ask for the crate again")
            found[name] = functools.partial(archive.open, entry)
        yield found


def _in_folder(crate: Path) -> dict[str, Opener]:
    found: dict[str, Opener] = {}
    for path in sorted(crate.rglob("*")):  # does not follow links to folders
        name = path.relative_to(crate).as_posix()
        if path.is_symlink():
            raise UserError(f"{crate}: {name!r} is a link; the crate is not read")
        if path.is_file():
            found[name] = functools.partial(_open, path)
    return found


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _copy(opened: Any, target: Path, size: int, sha256: str, where: str) -> None:
    """Copy one file, at most as much as was announced."""
    digest, done = hashlib.sha256(), 0
    source: IO[bytes]
    try:
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        with opened() as source, _Copy(target) as copy:
            while block := source.read(min(_BLOCK, size + 1 - done)):
                done += len(block)
                if done > size:
                    break
                digest.update(block)
                copy.write(block)
    except _UNREADABLE as error:
        raise UserError(f"{where}: cannot be read ({error}); ask for the crate again") from None
    if done != size or digest.hexdigest() != sha256:
        raise UserError(f"{where}: is damaged: it is not as it was written; ask for the crate again")


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """A failure to write is told as one: the crate is not at fault, unless the name of a file is."""
    try:
        yield
    except OSError as error:
        if error.errno in _NAMES:
            raise
        raise UserError(f"{target}: cannot be written ({error.strerror}); TMPDIR names another folder to unpack the crate in") from None


class _Copy:
    """A file that is written unbuffered, so that a failure is met where it is told."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> _Copy:
        with _writing(self._target):
            self._file = open(self._target, "wb", buffering=0)
        return self

    def write(self, block: bytes) -> None:
        with _writing(self._target):
            left = memoryview(block)
            while left:
                left = left[self._file.write(left) :]

    def __exit__(self, *_: object) -> None:
        with _writing(self._target):
            self._file.close()
