"""Downloads that are whole, verified and shared by all runs.

Files of a pin come from the first place that has them: a folder filled by hand, the pin's source, its mirror. They arrive in a
partial folder that survives a kill, so that an interrupted transfer goes on where it stopped; they are checked against the
known hashes; only then the caller puts them in place. The hubs are asked through their own clients; files of plain addresses and
those brought by hand are not, because many training hosts reach no hub and a broken transfer must go on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mathrl.core.files import UserError, replaced_directory, sha256_file
from mathrl.data.downloads import Origin, Pin, expected_hashes, lock_path, read_lock, stays_inside, write_lock

PARTIAL = Path("resources/.partial")  # unfinished transfers, in a folder per name
BY_HAND = Path("resources/by_hand")  # files brought by hand, in a folder per name
TRIES = 3
TIMEOUT = 30  # seconds without a byte
_BLOCK = 1 << 20


def argument_parser(description: str) -> argparse.ArgumentParser:
    """The command line that the three fetch scripts share; each adds its `--out`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pins", type=Path, default=Path("pins.tsv"), help="table of downloads (default pins.tsv)")
    parser.add_argument("--name", required=True, help="row of the table")
    parser.add_argument("--wait", type=float, default=2.0, help="seconds before the second try, doubled each time (default 2)")
    return parser


@dataclass(frozen=True)
class Fetched:
    """The verified files of a pin, sorted by name, below the folder `root`."""

    root: Path
    paths: list[Path]
    origin: Origin

    @property
    def names(self) -> list[str]:
        return [path.relative_to(self.root).as_posix() for path in self.paths]


class TransferError(Exception):
    """A source could not be reached or did not deliver; another try or another source may."""


def fetch(pin: Pin, table: Path, wait: float = 2.0) -> Fetched:
    """Bring all files of a pin and verify them.

    `wait` is the pause before the second try in seconds, doubled each time. Raises `UserError` where nothing could be had or what
    came is not what the pin says.
    """
    hand = BY_HAND / pin.name
    if hand.is_dir() and any(hand.iterdir()):
        return verify(pin, table, hand, Origin("file", str(hand)))
    failures = []
    for origin in pin.origins:
        folder = PARTIAL / pin.name / origin.source
        folder.mkdir(parents=True, exist_ok=True)
        if origin.source != "file" and _complete(pin, table, folder):
            return verify(pin, table, folder, origin)
        for attempt in range(TRIES):
            if attempt:
                time.sleep(wait * 2 ** (attempt - 1))
            try:
                CLIENTS[origin.source](pin, origin, folder)
                return verify(pin, table, folder, origin)
            except TransferError as error:
                failures.append(f"{origin}: {error}")
                print(f"{pin.name}: try {attempt + 1} of {TRIES} failed: {failures[-1]}", file=sys.stderr, flush=True)
            if origin.source == "file":
                break
    wanted = " ".join(pin.files) or "its files"
    raise UserError(
        f"{pin.name}: could not be fetched ({failures[-1]}). Without a network bring {wanted} of revision "
        f"{pin.origin.revision or '(any)'} from {pin.url or pin.origin.id} by hand and put them into {hand}/, then run this again"
    )


def _complete(pin: Pin, table: Path, folder: Path) -> bool:
    """Did an earlier run bring all files whose hashes are known? Then no network is needed."""
    known = expected_hashes(table, pin)
    names = [path.relative_to(folder).as_posix() for path in _files(folder)]
    return (bool(read_lock(table, pin.name)) and all(name in names for name in known)) or ("*" in known and len(names) == 1)


def verify(pin: Pin, table: Path, folder: Path, origin: Origin) -> Fetched:
    """Check the files in `folder` against all known hashes and record the unknown ones in the lock.

    A file with a wrong hash that we downloaded is deleted, so that the next run fetches it again. Local files (`file` pins)
    are the user's own: what the table says is enforced, nothing is recorded.
    """
    known = expected_hashes(table, pin)
    paths = sorted(p for p in _files(folder) if pin.wants(p.relative_to(folder).as_posix()))
    if not paths:
        has = ", ".join(sorted(p.name for p in _files(folder))[:5]) or "nothing"
        raise TransferError(f"brought no file like {' '.join(pin.files)} (it brought: {has}; only metadata?)")
    if "*" in known and len(paths) > 1:
        raise UserError(f"{table}: '{pin.name}' has one sha256 for {len(paths)} files; write path=hash pairs")
    found = {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
    for name, digest in found.items():
        expected = known.get(name) or known.get("*")
        if expected and digest != expected:
            theirs = origin.source != "file"
            if theirs:
                (folder / name).unlink()
            source = f"the lock {lock_path(table, pin.name)}" if name in read_lock(table, pin.name) and name not in pin.sha256 else table
            raise UserError(
                f"{pin.name}: {name} from {origin} has sha256 {digest}, {source} says {expected}; "
                + ("the file was deleted: run this again, or " if theirs else "bring the right file, or ")
                + "correct the pin if the new content is wanted"
            )
    for name in known:
        if name != "*" and name not in found:
            raise TransferError(f"did not bring {name}, whose hash is pinned")
    return Fetched(folder, paths, origin)


def record(pin: Pin, table: Path, fetched: Fetched, rows: int | None) -> None:
    """Lock what was not known yet, after everything about the files was checked; says so on stderr."""
    known = expected_hashes(table, pin)
    if pin.origin.source == "file" or "*" in known or all(name in known for name in fetched.names):
        return
    hashes = {name: sha256_file(path) for name, path in zip(fetched.names, fetched.paths, strict=True)}
    try:
        path = write_lock(table, pin, fetched.origin, hashes, rows)
    except OSError as error:
        raise UserError(f"{lock_path(table, pin.name)}: cannot be written ({error.strerror}); the hashes must be recorded") from None
    print(f"{pin.name}: first download, hashes recorded in {path}; commit it, it is enforced from now on", file=sys.stderr)


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", "._____temp")) for part in inside) and path.suffix != ".part":
            yield path


def _from_file(pin: Pin, origin: Origin, folder: Path) -> None:
    source = Path(origin.id)
    if not source.exists():
        raise TransferError(f"{source} does not exist")
    shutil.rmtree(folder)
    folder.mkdir(parents=True)
    if source.is_file():
        link(source, folder / source.name)
        return
    for path in _files(source):
        name = path.relative_to(source)
        if pin.wants(name.as_posix()):
            link(path, folder / name)


def _from_http(pin: Pin, origin: Origin, folder: Path) -> None:
    name = pin.files[0] if pin.files else origin.id.rstrip("/").rsplit("/", 1)[-1]
    if not stays_inside(name):
        raise TransferError(f"'{name}', the end of the address, is no name of a file")
    target = folder / name
    if target.exists():
        return
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(origin.id, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            resumed = answer.status == 206
            length = answer.headers.get("Content-Length")
            total = (have if resumed else 0) + int(length) if length else None
            with open(part, "ab" if resumed else "wb") as out:
                while block := answer.read(_BLOCK):
                    out.write(block)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is longer than the file: it belongs to something else
            part.unlink()
        raise TransferError(f"answered {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        raise TransferError(str(error)) from None
    size = part.stat().st_size
    if total is not None and size < total:
        raise TransferError(f"broke off after {size} of {total} bytes")
    os.replace(part, target)


def _from_huggingface(pin: Pin, origin: Origin, folder: Path) -> None:
    with _online():
        import huggingface_hub

        _quietly(
            huggingface_hub.snapshot_download,
            origin.id,
            repo_type="model" if pin.kind == "model" else "dataset",
            revision=origin.revision or None,
            local_dir=folder,
            cache_dir=folder / ".cache",
            allow_patterns=list(pin.files) or None,
            max_workers=2,
        )


def _from_modelscope(pin: Pin, origin: Origin, folder: Path) -> None:
    os.environ.setdefault("MODELSCOPE_CACHE", str(folder.resolve() / ".cache"))  # its locks; a container's home is read-only
    with _online():
        from modelscope.hub.snapshot_download import dataset_snapshot_download, snapshot_download

        download = snapshot_download if pin.kind == "model" else dataset_snapshot_download
        _quietly(download, origin.id, revision=origin.revision or None, local_dir=str(folder), allow_patterns=list(pin.files) or None)


def _quietly(download: Callable, *args: object, **kwargs: object) -> None:
    """Run a hub client; whatever it raises (they raise a dozen kinds) is a failed transfer, told in one line."""
    try:
        download(*args, **kwargs)
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise TransferError(text[:300]) from None


@contextlib.contextmanager
def _online() -> Iterator[None]:
    """The fetch rules are the only ones that may use a network: lift the switch that the workflow sets everywhere else."""
    kept = {key: os.environ.pop(key) for key in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if key in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


CLIENTS = {"file": _from_file, "http": _from_http, "huggingface": _from_huggingface, "modelscope": _from_modelscope}


def link(source: Path, target: Path) -> None:
    """Hard-link a file (one copy on disk), or copy it where the file systems differ."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def place_directory(fetched: Fetched, target: Path) -> None:
    """Put files into the directory `target`, keeping their places below the root: whole or not at all."""
    with replaced_directory(target) as staged:
        for name, path in zip(fetched.names, fetched.paths, strict=True):
            link(path, staged / name)


def parquet_rows(paths: list[Path]) -> int:
    """Rows of all parquet files, from their footers; `UserError` for a file that is no whole parquet file."""
    import polars as pl

    total = 0
    for path in paths:
        try:
            total += pl.scan_parquet(path).select(pl.len()).collect().item()
        except Exception as error:
            raise UserError(
                f"{path}: is no whole parquet file ({' '.join(str(error).split())[:200]}); delete it and fetch it again"
            ) from None
    return total


def join_parquet(paths: list[Path], target: Path) -> None:
    """Write all parquet files, in order of their names, as one; a single file is taken as it is."""
    if len(paths) == 1:
        shutil.copyfile(paths[0], target)
        return
    import polars as pl

    try:
        pl.scan_parquet(paths).sink_parquet(target)
    except Exception as error:
        raise UserError(f"{paths[0].parent}: parquet files do not fit together ({' '.join(str(error).split())[:200]})") from None
