"""`data: as_given`: a file in verl's columns is trained on as it is; what of it is known to be contaminated is counted all the same."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathrl.core import parquet
from mathrl.core.arguments import split_pair
from mathrl.core.files import UserError, atomic_path
from mathrl.core.parquet import schema_of
from mathrl.data import problems
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.published import FIRST, Reader
from mathrl.data.training_files import summarised
from mathrl.data.verl_rows import benchmark_frame, dev_groups, verl_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

NEEDED = ("data_source", "prompt", "reward_model")


def keep(paths: Sequence[Path], out: Path) -> None:
    """The published files as one parquet, with their own columns; a single one byte for byte."""
    import polars as pl

    for path in paths:
        schema_of(path, NEEDED)
    if len(paths) == 1:
        shutil.copyfile(paths[0], out)
    else:
        pl.concat([pl.scan_parquet(path) for path in paths], how="diagonal_relaxed").sink_parquet(out)


def make(args: argparse.Namespace, dirty: list[str]) -> dict[str, Any]:
    """Write training and validation rows and return the summary; `dirty` are the ids of problems that are contaminated.

    With `--dev-size 0` the training file is the given one, byte for byte; else the rows of the dev split leave it, all others stay as
    they are. Dev rows keep their prompt.
    """
    import polars as pl

    name, path = split_pair(args.validation, "--validation")
    if args.difficulty or args.sources or args.solve_rate or args.solve_rates:
        raise UserError(
            "--data as_given: all rows are trained on; difficulty, sources and solve rates choose among problems of clean or raw data"
        )
    schema_of(args.given, NEEDED)
    rows = parquet.read(args.given)
    texts, answers = _read(rows, args.given)
    ids = problems.problem_ids(pl.Series("problem", texts, dtype=pl.String))
    searched = parquet.read(args.problems, ["id"])["id"]
    found = ids.is_in(dirty)
    groups = pl.Series("group", ids)
    dev = groups.is_in(dev_groups(groups, args.dev_size)) & ~found & pl.Series([answer is not None for answer in answers])
    held_out = groups.is_in(groups.filter(dev).implode())
    counts = {
        "problems": len(rows), "removed": 0, "contaminated": int(found.sum()), "not_searched": int((~ids.is_in(searched.implode())).sum()),
        "train": int((~held_out).sum()), "dev": int(dev.sum()),
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


def _read(rows: pl.DataFrame, where: Path) -> tuple[list[str], list[str | None]]:
    """The problem and the gold of each row, as its layout says; the prompt where it holds no problem."""
    dicts = rows.to_dicts()
    reader = Reader.of(dicts[:FIRST], {"layout": "verl"}, str(where))
    texts, answers = [], []
    for row in dicts:
        found = reader.row(row)
        texts.append(found["problem"] or str(row["prompt"]))
        answers.append(found["answer"])
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
    turn = pl.struct(*(pl.element().struct.field(name).cast(pl.String) for name in ("role", "content")))
    return ours.with_columns(prompt=rows.filter(dev)["prompt"].list.eval(turn)) if len(ours) else ours
