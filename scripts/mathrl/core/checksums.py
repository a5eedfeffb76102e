"""What was written stays as it was written: SHA-256 of each file and model below results/ and resources/, beside them and checked.

`mathrl.core.files` notes each file that it puts in place; `results/data/problems.parquet` is noted in
`results/.checksums/data/problems.parquet.sha256`, in the form of `sha256sum`. A reader refuses what is not as it was written, and
`mathrl.execution.damage` removes it before Snakemake plans, so that it is made again. A file that nobody noted is not checked.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

TOPS = ("results", "resources")
FOLDER = ".checksums"
SUFFIX = ".sha256"


class DamagedError(Exception):
    """A file is not as it was written."""


def record_of(path: str | os.PathLike) -> Path | None:
    """Where the hashes of a file or directory of a study are noted; None for any other, and for hidden ones."""
    parts = Path(os.path.relpath(path)).parts
    top = next((place for place, part in enumerate(parts) if part in TOPS), None)
    if top is None or any(part.startswith(".") for part in parts) or len(parts) == top + 1:
        return None
    return Path(*parts[: top + 1], FOLDER, *parts[top + 1 : -1], parts[-1] + SUFFIX)


def note(path: str | os.PathLike, fresh: Path) -> None:
    """Note a file or directory that is about to take its place `path`; `fresh` is where it lies until then.

    In this order a kill between the two leaves an old file that is taken for damaged and made again, never a new one.
    """
    path, record = Path(path), record_of(path)
    if record is None:
        return
    if fresh.is_dir():
        names = {file.relative_to(fresh).as_posix(): file for file in sorted(fresh.rglob("*")) if file.is_file()}
    else:
        names = {path.name: fresh}
    lines = [f"{_sha256(file)}  {name}\n" for name, file in names.items() if not Path(name).name.startswith(".")]
    record.parent.mkdir(parents=True, exist_ok=True)
    partial = record.with_name(f".{record.name}.{os.getpid()}")
    partial.write_text("".join(lines), encoding="utf-8")
    os.replace(partial, record)


def _sha256(file: Path) -> str:
    with open(file, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def noted(record: Path) -> dict[str, str]:
    """Hashes by name of one record; a damaged line has a hash that nothing has."""
    pairs = (line.partition("  ") for line in record.read_text(encoding="utf-8", errors="replace").splitlines())
    return {name: sha256 for sha256, _, name in pairs}


def records() -> Iterator[tuple[Path, Path]]:
    """What is noted below the working directory: (path, its record)."""
    for top in TOPS:
        folder = Path(top, FOLDER)
        for record in sorted(folder.rglob(f"*{SUFFIX}")):
            if not record.name.startswith("."):
                yield Path(top) / record.relative_to(folder).with_name(record.name.removesuffix(SUFFIX)), record


def first_damage(path: Path, expected: Mapping[str, str], hashes: Mapping[Path, str]) -> Path | None:
    """The first file below `path` (or itself) that is not as expected; `hashes` are those of the files that are there."""
    if not expected:
        return path
    files = {path / name if path.is_dir() else path.with_name(name): sha256 for name, sha256 in expected.items()}
    return next((file for file, sha256 in files.items() if hashes.get(file) != sha256), None)


def files_of(path: Path, names: Iterable[str]) -> list[Path]:
    """The files of a record that are there."""
    places = [path / name if path.is_dir() else path for name in names]
    return [place for place in places if place.is_file()]


def check(path: str | os.PathLike) -> None:
    """Refuse a file or directory that is not as it was written; what nobody noted passes.

    Raises:
        DamagedError: names the file.
    """
    path = Path(path)
    record = record_of(path)
    if record is None or not record.is_file() or not path.exists():
        return
    found = path.stat()
    _check(path, record, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, record.stat().st_mtime_ns, os.getcwd()))


@functools.lru_cache(maxsize=256)
def _check(path: Path, record: Path, _: tuple) -> None:
    expected = noted(record)
    damaged = first_damage(path, expected, {file: _sha256(file) for file in files_of(path, expected)})
    if damaged:
        raise DamagedError(f"{damaged}: is damaged: it is not as it was written; remove it, or start Snakemake, which makes it again")
