"""The table of downloads (`pins.tsv`) and the user's lock of it (`pins.lock/<name>.json`).

A pin says where files come from and what they must be: revision, SHA-256 per file, row count. What the table does not know yet
(the hash of a file nobody has downloaded so far) is recorded in the lock at the first download. The user commits the lock; from
then on it is enforced like the table.
"""

from __future__ import annotations

import csv
import fnmatch
import io
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from mathrl.config import model_names
from mathrl.config.records import PinRow
from mathrl.core import own_checksum
from mathrl.core.files import UserError, read_json, write_checked_json
from mathrl.data import dates
from mathrl.data.layouts import parse_mapping
from mathrl.data.records import Lock

COLUMNS = ("name", "kind", "source", "id", "revision", "file", "sha256", "rows", "licence", "url", "mirror", "columns", "published")
OPTIONAL = {"mirror", "columns", "published"}
KINDS = ("dataset", "benchmark", "model")
GENERATED = "reasoning-gym"  # a source that is a generator: id is its name, file its parameters, revision the seed, rows the size
EXPORTS = "exports"  # a seed that is known after training: the hash over all exports of the study
SOURCES = ("modelscope", "huggingface", "http", "file", GENERATED)
MODEL_FILES = ("*.json", "*.safetensors", "*.tiktoken", "*.py", "*.txt", "*.jinja", "*.model")  # of a hub's model: all but other formats
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Origin:
    """One place to fetch from: a client name, what it calls the thing, and the revision."""

    source: str
    id: str
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.id}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True)
class Pin:
    """One row of the table. `sha256` maps a path (or `*` for the only file) to its hash; `rows` is None where unknown."""

    name: str
    kind: str
    origin: Origin
    mirror: Origin | None = None
    files: tuple[str, ...] = ()
    sha256: dict[str, str] = field(default_factory=dict)
    rows: int | None = None
    licence: str = ""
    url: str = ""
    columns: dict[str, str] = field(default_factory=dict)  # how its columns are read (layouts.parse_mapping)
    published: str = ""  # a date (mathrl.data.dates); empty where unknown

    @property
    def origins(self) -> tuple[Origin, ...]:
        return (self.origin,) if self.mirror is None else (self.origin, self.mirror)

    @property
    def asks(self) -> str:
        """What is asked for, in one text: where this changes, what was fetched or locked before is another thing."""
        return " ".join((str(self.origin), *self.files, *([f"{self.rows} rows"] if self.generated else [])))

    @property
    def generated(self) -> bool:
        """Is it made by a generator, not downloaded?"""
        return self.origin.source == GENERATED

    @property
    def after_training(self) -> bool:
        """Is it made when all models of the study are there, from a seed that is not known before?"""
        return self.generated and self.origin.revision == EXPORTS

    def wants(self, path: str) -> bool:
        """Is this path of the source one of the files asked for?"""
        return not self.files or self.generated or any(fnmatch.fnmatchcase(path, pattern) for pattern in self.files)


def read_pins(path: str | Path) -> dict[str, Pin]:
    """Read the table; `UserError` names file, line, column and what was expected."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; `pins` in the configuration must name the table of downloads")
    try:
        text = path.read_bytes().decode("utf-8-sig")  # spreadsheets put a mark before it
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 (byte {error.start}); save it as UTF-8 text") from None
    lines = [(number, line) for number, line in enumerate(io.StringIO(text, newline=""), 1) if line.strip() and not line.startswith("#")]
    for number, line in lines:
        if "\t" not in line:
            raise UserError(f"{path}: line {number} has no tab; cells are separated by tabs, not by spaces")
    reader = csv.DictReader((line for _, line in lines), delimiter="\t", quoting=csv.QUOTE_NONE)
    missing = set(COLUMNS) - OPTIONAL - set(reader.fieldnames or ())
    if missing:
        raise UserError(f"{path}: lacks the column '{sorted(missing)[0]}' (it has: {', '.join(reader.fieldnames or ())})")
    pins: dict[str, Pin] = {}
    for (number, _), row in zip(lines[1:], reader, strict=True):
        pin = _parse(row, f"{path}: line {number}")
        if pin.name in pins:
            raise UserError(f"{path}: line {number} names '{pin.name}' a second time; a name has one row")
        pins[pin.name] = pin
    return pins


def pin_of_model(value: str) -> Pin | None:
    """The pin that a model stands for which is no row of the table: a commit of a hub, or a directory; None for a plain name."""
    if model_names.NAME.fullmatch(value):
        return None
    hub = model_names.HUB.fullmatch(value)
    origin = Origin("huggingface", hub["id"], hub["commit"]) if hub else Origin("file", value.rstrip("/"))
    return Pin(model_names.place(value), "model", origin, files=MODEL_FILES if hub else ())


def rows_of_models(values: Iterable[str]) -> dict[str, PinRow]:
    """Rows for models that are no rows of the table, by the name of their folder; `name` is what the fetching script is asked for."""
    pins = {value: pin for value in values if (pin := pin_of_model(value)) is not None}
    return {pin.name: _row(pin, name=value) for value, pin in pins.items()}


def pin_of_benchmark(value: str) -> Pin | None:
    """The pin of a benchmark that is a file of the user's, `name=path`; None for a plain name."""
    name, given, path = value.partition("=")
    return _own_benchmark(name, path) if given else None


def _own_benchmark(name: str, path: str) -> Pin:
    return Pin(name, "benchmark", Origin("file", path))


def rows_of_benchmarks(files: Mapping[str, str]) -> dict[str, PinRow]:
    """Rows for benchmarks that are files of the user's, by name; `name` is what the fetching script is asked for."""
    plain = {name: os.path.normpath(path) for name, path in files.items()}  # Snakemake refuses ./ before a path
    return {name: _row(_own_benchmark(name, path), name=f"{name}={path}") for name, path in plain.items()}


def pin_rows(path: str | Path) -> dict[str, PinRow]:
    """The same rows as plain mappings with `kind`, `source`, `id` and the rest of `Pin`, as the configuration's checks take them."""
    return {name: _row(pin, **({"after_training": True} if pin.after_training else {})) for name, pin in read_pins(path).items()}


def _row(pin: Pin, **more: object) -> PinRow:
    return cast(PinRow, {**asdict(pin), "source": pin.origin.source, "id": pin.origin.id, **more})


def stays_inside(path: str) -> bool:
    """Whether a file or folder of this name, joined to a folder, lies in it."""
    return bool(path) and not path.startswith("/") and ".." not in path.split("/") and "\0" not in path


def check_place(pin: Pin, where: str) -> None:
    """Refuse names that lead out of the folder of the download, and addresses that are none of a web server.

    Raises:
        UserError: name, file, sha256, id or mirror of the row does.
    """
    if not _NAME.fullmatch(pin.name):
        raise UserError(f"{where}: name '{pin.name}' is no plain name; use letters, digits, '.', '_' and '-', a letter or digit first")
    for key, paths in (("file", pin.files), ("sha256", tuple(pin.sha256))):
        for path in paths:
            if not stays_inside(path):
                raise UserError(f"{where}: {key} '{path}' leads out of the folder of the download; name a path below it")
    for key, origin in (("id", pin.origin), ("mirror", pin.mirror)):
        if origin and origin.source == "http" and not re.match(r"https?://[^/]", origin.id):
            raise UserError(f"{where}: {key} '{origin.id}' is no address of a web server; write http://… or https://…, or source 'file'")


def _parse(row: dict[str, str | None], where: str) -> Pin:
    cell = {key: (value or "").strip() for key, value in row.items() if key}
    for key, allowed in (("kind", KINDS), ("source", SOURCES)):
        if cell[key] not in allowed:
            raise UserError(f"{where}: {key} '{cell[key]}' is none of {', '.join(allowed)}")
    for key in ("name", "id"):
        if not cell[key]:
            raise UserError(f"{where}: {key} is empty")
    hashes: dict[str, str] = {}
    for part in cell["sha256"].split():
        name, _, digest = part.rpartition("=")
        if not _HASH.fullmatch(digest):
            raise UserError(f"{where}: sha256 '{part}' is no hash of 64 hexadecimal digits (or path=hash)")
        hashes[name or "*"] = digest
    if cell["rows"] and not cell["rows"].isdigit():
        raise UserError(f"{where}: rows '{cell['rows']}' is no whole number")
    mirror = None
    if cell.get("mirror"):
        source, _, rest = cell["mirror"].partition(":")
        identifier, _, revision = rest.rpartition("@") if "@" in rest else (rest, "", "")
        if source not in SOURCES or not identifier:
            raise UserError(f"{where}: mirror '{cell['mirror']}' is not of the form source:id@revision")
        mirror = Origin(source, identifier, revision)
    columns = parse_mapping(cell.get("columns", ""), where)
    if cell["source"] == GENERATED:
        _check_generated(cell, where)
        columns = {"layout": GENERATED, **columns}
    pin = Pin(
        name=cell["name"],
        kind=cell["kind"],
        origin=Origin(cell["source"], cell["id"], cell["revision"]),
        mirror=mirror,
        files=tuple(cell["file"].split()),
        sha256=hashes,
        rows=int(cell["rows"]) if cell["rows"] else None,
        licence=cell["licence"],
        url=cell["url"],
        columns=columns,
        published=dates.checked(cell.get("published", ""), where),
    )
    check_place(pin, where)
    return pin


def _check_generated(cell: dict[str, str], where: str) -> None:
    """A generator needs a size and a seed; only benchmarks can wait for the end of the training."""
    if not cell["rows"] or int(cell["rows"]) < 1:
        raise UserError(f"{where}: source {GENERATED} needs rows, the number of problems to make")
    if not cell["revision"].isdigit() and not (cell["revision"] == EXPORTS and cell["kind"] == "benchmark"):
        raise UserError(f"{where}: revision '{cell['revision']}' is no seed: a whole number, or for a benchmark `{EXPORTS}`")
    for part in cell["file"].split():
        if not re.fullmatch(r"[a-z_]\w*=\S+", part):
            raise UserError(f"{where}: file '{part}' is no parameter of a generator; write name=value")


def find_pin(path: str | Path, name: str, kind: str) -> Pin:
    """The pin `name` of the table at `path`, or of a model or benchmark that names itself.

    Raises:
        UserError: there is none, or it is of another kind.
    """
    given = pin_of_model(name) if kind == "model" else pin_of_benchmark(name) if kind == "benchmark" else None
    if given is not None:
        return given
    pins = read_pins(path)
    if name not in pins:
        known = ", ".join(sorted(n for n, pin in pins.items() if pin.kind == kind)) or "none"
        raise UserError(f"{path}: has no row for the {kind} '{name}' (it has: {known}); add one or correct the configuration")
    if pins[name].kind != kind:
        raise UserError(f"{path}: '{name}' is a {pins[name].kind}, not a {kind}")
    return pins[name]


def lock_path(table: str | Path, name: str) -> Path:
    """Where the lock of one pin is written: one file a pin, so that downloads side by side never write the same file.

    It lies beside a table of the user's, that is one below the working directory, and in the working directory for a table of an
    installation that users share.
    """
    beside = Path(table).with_suffix(".lock")
    folder = beside if Path(table).absolute().is_relative_to(Path.cwd()) else Path(beside.name)
    return folder / f"{name}.json"


def read_lock(table: str | Path, pin: Pin) -> dict[str, str]:
    """Hashes recorded at the first download, by path; empty if there is no lock yet, or only one of an earlier pin of this name.

    A lock that lies beside a shared table is enforced too, and comes first. One without a checksum, of an earlier commit or written by
    hand, is taken as it stands.
    """
    hashes: dict[str, str] = {}
    for path in (lock_path(table, pin.name), Path(table).with_suffix(".lock") / f"{pin.name}.json"):
        if path.exists():
            lock = read_json(path)
            if isinstance(lock, dict) and not own_checksum.holds(lock):
                raise UserError(
                    f"{path}: is damaged: it is not as it was written; restore it from git, delete it to record it again, or remove its "
                    "'checksum' if you changed it yourself"
                )
            known = lock.get("sha256") if isinstance(lock, dict) else None
            if not isinstance(known, dict) or not known or not all(_HASH.fullmatch(str(sha256)) for sha256 in known.values()):
                raise UserError(f"{path}: is no lock (it lacks 'sha256' of each file); restore it from git or delete it to record it again")
            if _is_of(lock, pin):
                hashes |= known
    return hashes


def _is_of(lock: Lock, pin: Pin) -> bool:
    """Was this lock written for what the pin asks for now? (Locks of before say only where the files came from.)"""
    if "pin" in lock:
        return lock["pin"] == pin.asks
    origin = str(lock.get("origin", ""))
    return not origin or origin.startswith("file:") or origin in map(str, pin.origins)


def write_lock(table: str | Path, pin: Pin, origin: Origin, hashes: dict[str, str], rows: int | None) -> Path:
    """Record what the first download brought."""
    path = lock_path(table, pin.name)
    lock: Lock = {"schema_version": 1, "name": pin.name, "pin": pin.asks, "origin": str(origin), "rows": rows, "sha256": hashes}
    write_checked_json(path, lock)
    return path


def expected_hashes(table: str | Path, pin: Pin) -> dict[str, str]:
    """All known hashes of a pin: the lock's, overruled by the table's."""
    return {**read_lock(table, pin), **pin.sha256}
