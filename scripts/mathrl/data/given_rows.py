"""`data: as_given`: a file in verl's columns is trained on as it is; what of it is known to be contaminated is counted all the same."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mathrl.core import parquet
from mathrl.core.arguments import split_pair
from mathrl.core.files import UserError, atomic_path
from mathrl.core.parquet import schema_of, short
from mathrl.data import problems
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.published import FIRST, Reader, say
from mathrl.data.records import DataSummary
from mathrl.data.training_files import summarised
from mathrl.data.verl_rows import benchmark_frame, dev_groups, verl_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

NEEDED = ("data_source", "prompt", "reward_model")
TURN = ("role", "content")


def keep(paths: Sequence[Path], out: Path) -> None:
    """The published files as one parquet, with their own columns; a single one byte for byte."""
    import polars as pl

    for path in paths:
        _check_columns(path)
    if len(paths) == 1:
        shutil.copyfile(paths[0], out)
    else:
        pl.concat([pl.scan_parquet(path) for path in paths], how="diagonal_relaxed").sink_parquet(out)


def _check_columns(path: Path) -> None:
    """Refuse a file whose columns verl could not train on."""
    import polars as pl

    kind = schema_of(path, NEEDED)["prompt"]
    turn = kind.inner if isinstance(kind, pl.List | pl.Array) else None
    fields = {field.name: field.dtype for field in turn.fields} if isinstance(turn, pl.Struct) else {}
    if not all(fields.get(name) in (pl.String, pl.Categorical, pl.Enum) for name in TURN):
        raise UserError(
            f"{path}: the column 'prompt' holds {short(kind)}; data: as_given needs lists of messages with the texts role, content"
        )


def _check_rows(rows: pl.DataFrame, path: Path) -> None:
    """Refuse a file without rows, and one with rows that ask nothing."""
    import polars as pl

    if not len(rows):
        raise UserError(f"{path}: holds no rows; fetch it again or correct its pin")
    whole = pl.all_horizontal(pl.element().struct.field(name).is_not_null() for name in TURN)
    asks = rows.select(
        pl.col("prompt").cast(pl.List(rows["prompt"].dtype.inner)).list.eval(whole).list.all() & (pl.col("prompt").list.len() > 0)
    )
    lacking = asks["prompt"].fill_null(False).not_().arg_true()
    if len(lacking):
        raise UserError(
            f"{path}: {len(lacking)} of {len(rows)} rows have no prompt with role and content (the first is row {lacking[0] + 1}); "
            "remove them, or write data: raw"
        )


def make(
    args: argparse.Namespace, dirty: list[str], near: Callable[[Path, list[str]], list[str]], leaked: Callable[[pl.DataFrame], list[str]]
) -> DataSummary:
    """Write training and validation rows and return the summary; `dirty` are the ids of problems that are contaminated.

    With `--dev-size 0` the training file is the given one, byte for byte; else the dev split leaves it, and what the search for
    contamination calls the same problem as a dev row (`near`). All other rows stay as they are. Dev rows keep their prompt. Rows that a
    filter dropped before the search are searched here (`leaked`): they are trained on.
    """
    import polars as pl

    name, path = split_pair(args.validation, "--validation")
    if args.difficulty or args.sources or args.solve_rate or args.solve_rates:
        raise UserError(
            "--data as_given: all rows are trained on; difficulty, sources and solve rates choose among problems of clean or raw data"
        )
    _check_columns(args.given)
    rows = parquet.read(args.given)
    _check_rows(rows, args.given)
    texts, answers = _read(rows, args.given)
    ids = problems.problem_ids(pl.Series("problem", texts, dtype=pl.String))
    searched = parquet.read(args.problems, ["id"])["id"]
    unseen = ~ids.is_in(searched.implode())
    table = pl.DataFrame({"id": ids, "problem": pl.Series(texts, dtype=pl.String)}).unique("id", keep="first", maintain_order=True)
    found = ids.is_in([*dirty, *leaked(table.filter(pl.col("id").is_in(ids.filter(unseen).implode())))])
    groups = pl.Series("group", ids)
    dev = groups.is_in(dev_groups(groups, args.dev_size)) & ~found & pl.Series([answer is not None for answer in answers])
    held_out = groups.is_in(groups.filter(dev).implode())
    beside = ids.is_in(_near_dev(table, ids.filter(dev).unique().sort().to_list(), args.train, near)) & ~held_out
    held_out |= beside
    counts = {
        "problems": len(rows), "removed": 0, "contaminated": int(found.sum()), "searched_here": int(unseen.sum()),
        "near_dev": int(beside.sum()), "train": int((~held_out).sum()), "dev": int(dev.sum()),
    }  # fmt: skip
    if not counts["train"]:
        raise UserError(f"{args.given}: no training row is left ({counts}); lower data.dev_size")
    with atomic_path(args.train) as temporary:
        if held_out.any():
            rows.filter(~held_out).write_parquet(temporary)
        else:
            shutil.copyfile(args.given, temporary)
    frame = benchmark_frame(list(read_benchmark(path).values()))
    items = verl_rows(frame, pl.lit(name), args.instruction + args.separator, pl.int_range(len(frame), eager=True))
    with atomic_path(args.val) as temporary:
        pl.concat([items, _dev_rows(rows, texts, answers, ids, dev)]).write_parquet(temporary)
    counts["validation"] = len(items)
    return summarised(args, counts, ("data", "remove", "dev_size", "instruction", "separator"), {"given": args.given})


def _near_dev(table: pl.DataFrame, dev: list[str], beside: Path, near: Callable[[Path, list[str]], list[str]]) -> list[str]:
    """Ids of the problems that are those of the dev split by the search, which reads a file."""
    with tempfile.TemporaryDirectory(dir=beside.parent, prefix=".given_rows.") as folder:
        table.write_parquet(Path(folder) / "problems.parquet")
        return near(Path(folder) / "problems.parquet", dev)


def _read(rows: pl.DataFrame, where: Path) -> tuple[list[str], list[str | None]]:
    """The problem and the gold of each row, as its layout says; the prompt where it holds no problem."""
    dicts = rows.to_dicts()
    reader = Reader.of(dicts[:FIRST], {"layout": "verl"}, str(where))
    texts, answers = [], []
    for number, row in enumerate(dicts, 1):
        found = reader.row(row)
        if found["left_out"]:
            reader.count(number, found["left_out"])
        texts.append(found["problem"] or str(row["prompt"]))
        answers.append(found["answer"])
    if reader.reasons:
        lost = sum(reader.reasons.values())
        say(str(where), f"{lost} of {len(dicts)} rows, which are trained on, have no gold that can be read: {reader.told()}")
    return texts, answers


def _dev_rows(rows: pl.DataFrame, texts: list[str], answers: list[str | None], ids: pl.Series, dev: pl.Series) -> pl.DataFrame:
    """Rows of the dev split in our columns, each with its own prompt."""
    import polars as pl

    frame = pl.DataFrame(
        {"id": ids, "problem": texts, "answer": answers, "source": rows["data_source"].cast(pl.String)},
        schema={"id": pl.String, "problem": pl.String, "answer": pl.String, "source": pl.String},
    ).with_columns(
        domain=pl.lit(None, pl.List(pl.String)), solve_rate=pl.lit(None, pl.Float64), difficulty=pl.lit(None, pl.Int64)
    ).filter(dev)  # fmt: skip
    ours = verl_rows(frame, pl.lit("dev"), "", pl.int_range(len(frame), eager=True))
    turn = pl.struct(*(pl.element().struct.field(name).cast(pl.String) for name in TURN))
    return ours.with_columns(prompt=rows.filter(dev)["prompt"].list.eval(turn)) if len(ours) else ours
