"""Downloads that are whole, verified and shared by all runs.

Files of a pin come from the first place that has them: a folder filled by hand, the pin's source, its mirror. They arrive in a
partial folder that survives a kill, so that an interrupted transfer goes on where it stopped; they are checked against the
known hashes; only then the caller puts them in place. The hubs are asked through their own clients; files of plain addresses and
those brought by hand are not, because many training hosts reach no hub and a broken transfer must go on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import http.client
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mathrl.core.files import UserError, replaced_directory, sha256_file, write_text
from mathrl.core.users_code import SEEN
from mathrl.data.downloads import GENERATED, Origin, Pin, expected_hashes, lock_path, read_lock, stays_inside, write_lock
from mathrl.data.raw_rows import what_it_is_not

PARTIAL = Path("resources/.partial")  # unfinished transfers, in a folder per name
BY_HAND = Path("resources/by_hand")  # files brought by hand, in a folder per name
STAMP = ".asked"  # in the partial folder: which origin and files it holds
TRIES = 3
TIMEOUT = 30  # seconds without a byte
_BLOCK = 1 << 20
_MESSAGE = 1 << 16  # bytes; a file no larger that cannot be read may be what a server says in the place of the file
_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)


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

    @property
    def where(self) -> str:
        """What messages call the files: the only one, or their folder."""
        return str(self.paths[0] if len(self.paths) == 1 else self.root)


class TransferError(Exception):
    """A source could not be reached or did not deliver; another try or another source may."""


def fetch(pin: Pin, table: Path, wait: float = 2.0) -> Fetched:
    """Bring all files of a pin and verify them.

    `wait` is the pause before the second try in seconds, doubled each time. Raises `UserError` where nothing could be had or what
    came is not what the pin says.
    """
    hand = BY_HAND / pin.name
    if hand.is_dir() and any(hand.iterdir()):
        try:
            return verify(pin, table, hand, Origin("file", str(hand)))
        except TransferError as error:
            wanted = " ".join(pin.files) or "all files"
            raise UserError(f"{hand}: {error}; put the files where {table} wants them below {hand}/ ({wanted})") from None
    failures: list[str] = []
    for origin in pin.origins:
        folder = PARTIAL / pin.name / origin.source
        with _leaves_no_part(folder, origin):
            if (fetched := _from(origin, pin, table, folder, wait, failures)) is not None:
                return fetched
    wanted = " ".join(pin.files) or "its files"
    raise UserError(
        f"{pin.name}: could not be fetched ({failures[-1]}). Without a network bring {wanted} of revision "
        f"{pin.origin.revision or '(any)'} from {pin.url or pin.origin.id} by hand and put them into {hand}/, then run this again"
    )


def _from(origin: Origin, pin: Pin, table: Path, folder: Path, wait: float, failures: list[str]) -> Fetched | None:
    """The verified files of a pin from one place, which is asked several times; None, and why in `failures`, where it has them not."""
    if origin.source != "file":
        _of_this_pin(folder, f"{origin} {' '.join(pin.files)}")
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
    return None


@contextlib.contextmanager
def disk_has_room(out: Path) -> Iterator[None]:
    """One line for a disk that fills while the block writes `out`, and for a place that nobody can write."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise _no_place(error) from None
        raise UserError(f"{out}: no space left on the disk; free some and run this again") from None


@contextlib.contextmanager
def asked_again(pin: Pin, table: Path, fetched: Fetched) -> Iterator[None]:
    """While the block reads what came: a small file that no lock knows and nobody can read is asked for again by the next run.

    A server may say in JSON or in words that a login is needed, with the status of success.
    """
    try:
        yield
    except UserError as error:
        known = expected_hashes(table, pin)
        theirs = fetched.origin.source not in ("file", GENERATED) and not ("*" in known or set(fetched.names) <= set(known))
        if not theirs or sum(path.stat().st_size for path in fetched.paths) > _MESSAGE:
            raise
        (fetched.root / STAMP).unlink(missing_ok=True)
        begins = fetched.paths[0].read_bytes()[:100].decode(errors="replace")
        raise UserError(f"{error}. The file begins with {begins!r}; the next run asks {fetched.origin} for it again") from None


@contextlib.contextmanager
def _leaves_no_part(folder: Path, origin: Origin) -> Iterator[None]:
    """One line for a disk that fills during a transfer, and nothing left of it."""
    try:
        yield
    except OSError as error:
        if not _is_full(error):
            raise _no_place(error) from None
        shutil.rmtree(folder, ignore_errors=True)
        raise UserError(f"{folder}: no space left on the disk for {origin}; free some and run this again") from None


def _no_place(error: OSError) -> Exception:
    """What to raise for a file or folder that cannot be used: one line. Any other error as it is, a fault of ours among them."""
    if error.filename is None or error.errno not in _CLOSED:
        return error
    return UserError(f"{error.filename}: cannot be used ({error.strerror}); name a place that you can read and write")


def _is_full(error: BaseException | None) -> bool:
    """Did a full disk cause this? The hubs' clients raise errors of their own from it, some with its words alone."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in _FULL) or any(os.strerror(code) in str(error) for code in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def _of_this_pin(folder: Path, asked: str) -> None:
    """Throw away what an earlier pin of this name brought: an old file under a new revision would go on as the new one."""
    stamp = folder / STAMP
    if folder.exists() and (not stamp.exists() or stamp.read_text(encoding="utf-8") != asked):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(stamp, asked)


def _complete(pin: Pin, table: Path, folder: Path) -> bool:
    """Did an earlier run bring all files whose hashes are known? Then no network is needed."""
    known = expected_hashes(table, pin)
    names = [path.relative_to(folder).as_posix() for path in _files(folder)]
    return (bool(read_lock(table, pin)) and all(name in names for name in known)) or ("*" in known and len(names) == 1)


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
    for path in paths:
        _refuse_pages(pin, path, path.relative_to(folder), origin)
    if "*" in known and len(paths) > 1:
        raise UserError(f"{table}: '{pin.name}' has one sha256 for {len(paths)} files; write path=hash pairs")
    found = {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
    for name, digest in found.items():
        expected = known.get(name) or known.get("*")
        if expected and digest != expected:
            theirs = origin.source != "file"
            if theirs:
                (folder / name).unlink()
            source = f"the lock {lock_path(table, pin.name)}" if name in read_lock(table, pin) and name not in pin.sha256 else table
            raise UserError(
                f"{pin.name}: {name} from {origin} has sha256 {digest}, {source} says {expected}; "
                + ("the file was deleted: run this again, or " if theirs else "bring the right file, or ")
                + "correct the pin if the new content is wanted"
            )
    for name in known:
        if name != "*" and name not in found:
            raise TransferError(f"did not bring {name}, whose hash is pinned")
    unknown = [name for name in found if name not in known]
    if read_lock(table, pin) and unknown and "*" not in known and pin.origin.source != "file":
        raise UserError(
            f"{pin.name}: {origin} has files that the lock {lock_path(table, pin.name)} does not know ({', '.join(unknown[:5])}): "
            f"its content has changed; name a fixed revision in {table}, or delete the lock and {PARTIAL / pin.name} to accept them"
        )
    return Fetched(folder, paths, origin)


def _refuse_pages(pin: Pin, path: Path, name: Path, origin: Origin) -> None:
    """A web page or a git-LFS pointer in the place of a file is no file: it is deleted, so that the next run asks again.

    Of a user's own file the line names that, not the copy.
    """
    wrong = what_it_is_not(path)
    if wrong is None or (pin.kind == "model" and "git-LFS" not in wrong):
        return
    if origin.source == "file":
        raise UserError(f"{origin.id if Path(origin.id).is_file() else Path(origin.id) / name}: {wrong}")
    path.unlink()
    raise TransferError(f"{path.name} {wrong}")


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
        raise TransferError(f"{source} does not exist ({SEEN})")
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
    name = pin.files[0] if pin.files else origin.id.rstrip("/").rsplit("/", 1)[-1].split("?")[0] or "file"
    if not stays_inside(name):
        raise TransferError(f"'{name}', the end of the address, is no name of a file")
    target = folder / name
    if target.exists():
        return
    part = target.with_name(target.name + ".part")
    version = target.with_name(f".{target.name}.version")  # ETag or date of the answer that the part belongs to
    part.parent.mkdir(parents=True, exist_ok=True)
    begun = version.read_text(encoding="utf-8") if part.exists() and version.exists() else ""
    have = part.stat().st_size if begun else 0
    try:
        request = urllib.request.Request(origin.id, headers={"Range": f"bytes={have}-", "If-Range": begun} if have else {})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            try:
                start, total = _extent(answer)
            except TransferError:
                part.unlink(missing_ok=True)  # asked for the rest, the server would answer so for ever
                raise
            if start not in (0, have) or (start and _version(answer) != begun):
                part.unlink()
                raise TransferError("went on with another version of the file; starting again")
            version.write_text(_version(answer), encoding="utf-8")
            with open(part, "ab" if start else "wb") as out:
                while (total is None or out.tell() <= total) and (block := answer.read(_BLOCK)):
                    out.write(block)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is longer than the file: it belongs to something else
            part.unlink(missing_ok=True)
        raise TransferError(f"answered {error.code} {error.reason}{_MEANS.get(error.code, '')}") from None
    except OSError as error:
        if _is_full(error):
            raise
        raise TransferError(str(error) or type(error).__name__) from None
    except (ValueError, http.client.HTTPException) as error:  # no address at all, or an answer that breaks off
        raise TransferError(f"{type(error).__name__}: {error}") from None
    size = part.stat().st_size
    if total is not None and size != total:
        parts = answer.status == 206 and not _version(answer)
        if size > total or parts:
            part.unlink()
        if parts:
            raise TransferError(f"sent {size} of {total} bytes and not of which version (ETag or date), so that the parts cannot be joined")
        raise TransferError(f"broke off after {size} of {total} bytes")
    os.replace(part, target)
    version.unlink(missing_ok=True)


_MEANS = {
    401: " (the file is gated: accept its licence and log in, or bring it by hand)",
    403: " (the file is gated: accept its licence and log in, or bring it by hand)",
    404: " (nothing is there: correct the address or the revision)",
    429: " (too many requests: wait a while)",
}


def _extent(answer: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Where the bytes of an answer begin in the file, and how many the file has (None: unknown)."""
    if answer.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if match is None:
            raise TransferError("answered with a part of the file and did not say which")
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = answer.headers.get("Content-Length")
    return 0, int(length) if length else None


def _version(answer: http.client.HTTPResponse) -> str:
    """What tells two versions of a file apart: a strong ETag or the date of the last change; empty where the server gives neither."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


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
        if _is_full(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
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


def _from_generator(pin: Pin, origin: Origin, folder: Path) -> None:
    from mathrl.data import generated

    generated.write(pin, int(origin.revision), folder)


CLIENTS = {
    GENERATED: _from_generator,
    "file": _from_file,
    "http": _from_http,
    "huggingface": _from_huggingface,
    "modelscope": _from_modelscope,
}


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
