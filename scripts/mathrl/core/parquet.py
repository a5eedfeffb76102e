"""Parquet tables that may be larger than memory: read in parts, written in parts, the same bytes every time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from mathrl.core.files import UserError, check_unchanged

if TYPE_CHECKING:
    import polars as pl
    import pyarrow.parquet as pq

PART = 131_072  # rows in memory at a time


def schema_of(path: str | os.PathLike, needed: tuple[str, ...] = ()) -> dict[str, pl.DataType]:
    """Columns of a parquet file and their types; `UserError` if it is no whole parquet file or lacks a needed column."""
    import polars as pl

    check_unchanged(path)
    try:
        schema = dict(pl.read_parquet_schema(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:
        raise UserError(f"{path}: is no whole parquet file ({short(error)}); make or fetch it again") from None
    for name in needed:
        if name not in schema:
            raise UserError(f"{path}: lacks the column '{name}' (it has: {', '.join(schema) or 'no column'})")
    return schema


def check_text(path: str | os.PathLike, schema: Mapping[str, pl.DataType], names: Iterable[str]) -> None:
    """`UserError` where one of these columns holds something else than text; columns that are missing or all null are none."""
    import polars as pl

    for name in names:
        kind = schema.get(name, pl.String())
        if not isinstance(kind, pl.String | pl.Categorical | pl.Enum | pl.Null):
            raise UserError(f"{path}: the column '{name}' is {kind}; it must be text")


def read(path: str | os.PathLike, columns: list[str] | None = None) -> pl.DataFrame:
    """A whole table; `UserError` where it is no whole parquet file or lacks a column."""
    import polars as pl

    check_unchanged(path)
    try:
        return pl.read_parquet(path, columns=columns)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:
        raise UserError(f"{path}: is no whole parquet file ({short(error)}); make or fetch it again") from None


def row_count(path: str | os.PathLike) -> int:
    """Rows of a parquet file, from its footer."""
    import polars as pl

    return pl.scan_parquet(path).select(pl.len()).collect().item()


def parts(path: str | os.PathLike, columns: list[pl.Expr] | list[str], size: int = PART) -> Iterator[pl.DataFrame]:
    """The table in parts of `size` rows, in order; an empty table gives one empty part."""
    import polars as pl

    check_unchanged(path)
    for first in range(0, max(row_count(path), 1), size):
        try:
            part = pl.scan_parquet(path).slice(first, size).select(columns).collect()
        except Exception as error:
            raise UserError(f"{path}: cannot be read from row {first} on ({short(error)}); make or fetch it again") from None
        yield part


class PartWriter:
    """Write a parquet file part by part: `with PartWriter(path) as out: out.write(frame)`. At least one part must be written."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.path, self.rows = path, 0
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> PartWriter:
        return self

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows; all parts have the same columns and types."""
        import pyarrow.parquet as pq

        table = frame.to_arrow()
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, table.schema, compression="zstd")
        if len(frame) or not self.rows:
            self._writer.write_table(table.cast(self._writer.schema))
        self.rows += len(frame)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()


def short(error: object) -> str:
    """The beginning of a text, such as an error's, on one line."""
    return " ".join(str(error).split())[:200]
