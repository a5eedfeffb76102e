"""Rows of a data file as it was published: parquet, Arrow, JSON, JSON lines, CSV, packed or not.

What a file is, its first bytes say; names are wrong too often (`valid.ape.json` holds JSON lines). Rows come as plain mappings, one
after the other. A file that is no data (a web page, a git-LFS pointer, an archive) is named for what it is.
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import itertools
import json
import lzma
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mathrl.core.files import UserError, ZstdReader, bounded_lines, parse_json
from mathrl.core.parquet import short

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
PROBLEM_WORDS = frozenset(
    ["problem", "question", "prompt", "instruction", "input", "content", "query", "messages", "conversations", "original_text", "text"]
)
MAX_JSON = 1 << 29  # characters of a file that is one JSON value, which must be in memory as a whole
MAX_NESTING = 100  # lists in lists, as for JSON
_BATCH = 4096  # rows of a table in memory at a time
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_PAGE = re.compile(rb"<(?:!--|!doctype|(?:html|head|body|meta|title|link|script|style|div|span|table|center|form|iframe|h[1-6])[\s/>])")
_LFS = b"version https://git-lfs.github.com"
_FOREIGN = {b"PK\x03\x04": "a zip archive; unpack it", b"%PDF": "a PDF", b"SQLite": "an SQLite database; export a table as CSV"}


def what_it_is_not(path: Path) -> str | None:
    """Why a file that came cannot be the data or the model that was asked for, or None: a web page or a pointer to another place."""
    with open(path, "rb") as handle:
        head = handle.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        return "is empty; fetch it again"
    if head.startswith(_LFS):
        return "is a git-LFS pointer of some bytes, not the file itself; fetch it from the hub, or with `git lfs pull`"
    low = head[:200].lower()
    if low.startswith((b"<?xml", b"<error>")):
        return "is an XML message of a server, not a data file; open the address in a browser"
    if _PAGE.match(low):
        return "is a web page (HTML), not a data file: a login, a licence to accept or a wrong address; open the address in a browser"
    return None


def is_parquet(path: Path) -> bool:
    """Does the file begin like a parquet file?"""
    with open(path, "rb") as handle:
        return handle.read(4) == b"PAR1"


def read_rows(path: Path) -> Iterator[Row]:
    """All rows of a file; `UserError` names the file and the line or row that cannot be read."""
    wrong = what_it_is_not(path)
    if wrong:
        raise UserError(f"{path}: {wrong}")
    with open(path, "rb") as handle:
        head = handle.read(8)
    if not head:
        raise UserError(f"{path}: is empty; fetch it again")
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise UserError(f"{path}: is {name}")
    if head.startswith(b"PAR1"):
        yield from _parquet(path)
    elif head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        yield from _arrow(path, head.startswith(b"ARROW1"))
    elif path.suffix == ".parquet" and not any(head.startswith(magic) for magic in _PACKED):
        raise UserError(f"{path}: is no whole parquet file (it does not begin with PAR1); delete it and fetch it again")
    else:
        yield from _text(path, head)


def check_nesting(path: Path) -> None:
    """Raises `UserError` where a column of a parquet file is nested deeper than readers can follow."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            columns = [table.metadata.schema.column(number).path for number in range(len(table.metadata.schema))]
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: is no whole parquet file ({short(error)}); delete it and fetch it again") from None
    for column in columns:
        if column.count(".") > 2 * MAX_NESTING:  # a list is two steps of a path
            raise UserError(
                f"{path}: the column '{column.split('.')[0]}' is nested more than {MAX_NESTING} deep; write its values as texts"
            )


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow.parquet as pq

    check_nesting(path)
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(_BATCH):
                yield from _as_written(batch).to_pylist()
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: is no whole parquet file ({short(error)}); delete it and fetch it again") from None


def _as_written(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with 0.1 where a column of half the width holds it: Python would show 0.10000000149011612."""
    import pyarrow as pa

    def in_place_of_it(kind: pa.DataType, new: pa.DataType) -> pa.DataType:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return pa.large_list(in_place_of_it(kind.value_type, new))
        if pa.types.is_struct(kind):
            return pa.struct([(field.name, in_place_of_it(field.type, new)) for field in kind])
        return new if pa.types.is_float32(kind) else kind

    for place, column in enumerate(batch.schema):
        texts, numbers = (in_place_of_it(column.type, new) for new in (pa.string(), pa.float64()))
        if texts != numbers:
            batch = batch.set_column(place, column.name, batch.column(place).cast(texts).cast(numbers))
    return batch


def _arrow(path: Path, file_format: bool) -> Iterator[Row]:
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source) if file_format else pa.ipc.open_stream(source)
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches)) if file_format else reader
            for batch in batches:
                for first in range(0, len(batch), _BATCH):
                    yield from _as_written(batch.slice(first, _BATCH)).to_pylist()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is no whole Arrow file ({short(error)}); delete it and fetch it again") from None


def _text(path: Path, head: bytes) -> Iterator[Row]:
    packed = next((name for magic, name in _PACKED.items() if head.startswith(magic)), None)
    try:
        with contextlib.ExitStack() as stack:
            raw = _unpacked(stack.enter_context(open(path, "rb")), packed)
            yield from _rows_of_text(io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n"), path)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise UserError(f"{path}: is no whole {packed or 'text'} file ({short(error)}); delete it and fetch it again") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text ({short(error)}); convert it to UTF-8") from None
    except Exception as error:
        if type(error).__name__ == "ZstdError":
            raise UserError(f"{path}: is no whole zstd file ({short(error)}); delete it and fetch it again") from None
        raise


def _unpacked(raw: BinaryIO, packed: str | None) -> BinaryIO:
    if packed == "zstd":
        return io.BufferedReader(ZstdReader(raw))
    opener = {"gzip": gzip.GzipFile, "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}.get(packed or "")
    if opener is None:
        return raw
    return opener(fileobj=raw) if opener is gzip.GzipFile else opener(raw)  # type: ignore[return-value]


def _rows_of_text(handle: io.TextIOWrapper, path: Path) -> Iterator[Row]:
    blank = 0
    for line in bounded_lines(handle, path, most=MAX_JSON):  # it may be all rows in one value
        if line.strip():
            break
        blank += 1
    else:
        raise UserError(f"{path}: is empty; fetch it again")
    rest = bounded_lines(handle, path, blank + 2)
    if line.lstrip()[0] not in "[{":
        yield from _csv(itertools.chain([line], rest), path)
        return
    try:
        first = parse_json(line)
    except json.JSONDecodeError:  # a value of several lines
        first = None
    except ValueError as error:
        raise _unreadable(path, blank + 1, error) from None
    lines: Iterable[str] = rest
    if first is None or (isinstance(first, list) and not _is_turns(first)):
        yield from _json(_whole(line, handle, path), path, blank)
        return
    if isinstance(first, dict):  # one row, or all of them in one value
        second = next((text for text in rest if text.strip()), None)
        if second is None:
            yield from _json(line, path, blank)
            return
        lines = itertools.chain([second], rest)
    for number, text in enumerate(itertools.chain([line], lines), blank + 1):
        if text.strip():
            try:
                yield _as_row(parse_json(text), path, f"line {number}")
            except ValueError as error:
                raise _unreadable(path, number, error) from None


def _unreadable(path: Path, number: int, error: ValueError) -> UserError:
    return UserError(f"{path}: line {number} cannot be read ({short(error)}); correct it or fetch the file again")


def _whole(line: str, handle: io.TextIOWrapper, path: Path) -> str:
    """The line and all that follows it."""
    pieces, length = [line], len(line)
    while piece := handle.read(1 << 20):
        pieces.append(piece)
        length += len(piece)
        if length > MAX_JSON:
            raise UserError(f"{path}: is one JSON value of more than {MAX_JSON >> 20} Mi characters; write it as JSON lines")
    return "".join(pieces)


def _is_turns(value: Any) -> bool:
    """One conversation as a list of turns: a line of Open-Reasoner-Zero, or the `messages` of a row."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(turn, dict) and ("from" in turn or turn.keys() >= {"role", "content"}) for turn in value)
    )


def _is_map(value: Any) -> bool:
    """A mapping of rows or of columns: every value is a mapping itself."""
    return isinstance(value, dict) and bool(value) and all(isinstance(entry, dict) for entry in value.values())


def _json(text: str, path: Path, blank: int) -> Iterator[Row]:
    try:
        value = parse_json(text)
    except ValueError as error:
        raise UserError(f"{path}: is no JSON ({short(error)}, counted from line {blank + 1}); correct it or fetch it again") from None
    if isinstance(value, dict):
        value = _rows_of_map(value)
    for number, row in enumerate(value, 1):
        yield _as_row(row, path, f"row {number}")


def _rows_of_map(value: Row) -> list[Any]:
    """Rows of `{id: row}`, of `{column: {row: value}}` (pandas), of `{column: [value]}`, or of `{"data": [row]}`."""
    if _is_map(value):
        if PROBLEM_WORDS & {name.lower() for name in value}:
            labels = dict.fromkeys(label for column in value.values() for label in column)
            return [{name: column.get(label) for name, column in value.items()} for label in labels]
        return [row if "id" in row else {"id": label, **row} for label, row in value.items()]
    lists = {name: entry for name, entry in value.items() if isinstance(entry, list)}
    if len(lists) == len(value) and len({len(entry) for entry in lists.values()}) == 1 and len(lists) > 1:
        return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
    tables = [entry for entry in lists.values() if entry and isinstance(entry[0], dict) and not _is_turns(entry)]
    if len(tables) == 1:
        return tables[0]
    return [value]  # one row


def _as_row(value: Any, path: Path, where: str) -> Row:
    if isinstance(value, dict):
        return value
    if _is_turns(value):
        return {"turns": value}
    raise UserError(f"{path}: {where} is no JSON object but {type(value).__name__}; a row is an object with named values")


def _csv(lines: Iterator[str], path: Path) -> Iterator[Row]:
    csv.field_size_limit(1 << 24)
    first = next(lines)
    separator = "\t" if first.count("\t") >= max(first.count(","), 1) else ";" if first.count(";") > first.count(",") else ","
    if separator not in first:
        raise UserError(f"{path}: is no data file that is known (parquet, Arrow, JSON, JSON lines, CSV); its first line: {first[:60]!r}")
    try:
        reader = csv.DictReader(itertools.chain([first], lines), delimiter=separator, strict=True)
        names = Counter(name.strip() for name in reader.fieldnames or ())
        doubled = [name for name, count in names.items() if name and count > 1]
        if doubled:
            raise UserError(f"{path}: two columns have the name '{doubled[0]}'; give each a name of its own")
        for number, row in enumerate(reader, 1):
            if None in row or None in row.values():
                raise UserError(f"{path}: row {number} has more or fewer cells than the first line; quote cells with '{separator}'")
            yield {name.strip(): cell if cell != "" else None for name, cell in row.items()}
    except csv.Error as error:
        raise UserError(f"{path}: is no CSV table ({error}); correct it or fetch it again") from None
