"""From problems and matches to verl's files: what is removed, what is held out, what is trained on, each counted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .benchmarks import load_benchmark
from .io import UserError, sha256_file
from .provenance import provenance
from .verl_data import benchmark_frame, split_dev, verl_rows

if TYPE_CHECKING:
    import polars as pl

NEEDED = ("id", "problem", "answer", "source", "domain", "solve_rate", "difficulty", "duplicate_group")


def make(args: argparse.Namespace) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Training rows, validation rows and the summary.

    The dev split is chosen before anything is removed, so that a run on raw data and one on clean data hold out the same
    groups; contaminated rows are never in dev.
    """
    import polars as pl

    name, sign, path = args.validation.partition("=")
    if not sign or not name or not path:
        raise UserError(f"--validation {args.validation}: must be NAME=FILE")
    problems = _read(args.problems, NEEDED)
    counts = {"problems": len(problems)}
    training, dev = split_dev(problems, args.dev_size)
    if args.matches is not None:
        methods = [method for method in args.remove.split(",") if method]
        listed = pl.col("method").is_in(methods) & pl.col("confirmed")
        if "similar" in methods:
            listed = listed | ((pl.col("method") == "semantic") & ~pl.col("confirmed"))
        matched = _read(args.matches, ("problem_id", "method", "confirmed")).filter(listed)["problem_id"].unique().implode()
        dev = dev.filter(~pl.col("id").is_in(matched))
        if args.data == "clean":
            kept = training.filter(~pl.col("id").is_in(matched))
            counts["removed"] = len(training) - len(kept)
            training = kept
    elif args.data == "clean":
        raise UserError("--data clean: needs --matches, the table of contaminated rows")
    if args.difficulty:
        kept = training.filter(pl.col("difficulty").is_in(args.difficulty).fill_null(False))
        counts["outside_difficulty"] = len(training) - len(kept)
        training = kept
    if training.is_empty():
        raise UserError(f"{args.problems}: no training row is left ({counts}); lower data.dev_size or widen the filters")
    prefix = args.instruction + args.separator
    items = benchmark_frame(load_benchmark(Path(path)))
    validation = verl_rows(items, pl.lit(name), prefix)
    val = pl.concat([validation, verl_rows(dev, pl.lit("dev"), prefix)], how="vertical_relaxed")
    train = verl_rows(training, pl.col("source").fill_null("unknown"), prefix)
    counts |= {"train": len(train), "dev": len(dev), "validation": len(validation)}
    settings = {
        "data": args.data, "remove": args.remove, "difficulty": args.difficulty, "dev_size": args.dev_size,
        "instruction": args.instruction, "separator": args.separator, "validation": name,
    }  # fmt: skip
    inputs = {"problems": args.problems, "validation": Path(path)} | ({"matches": args.matches} if args.matches else {})
    summary = {"schema_version": 1, "counts": counts, "settings": settings, "provenance": provenance(inputs, settings)}
    return train, val, summary


def with_hashes(summary: dict[str, Any], train: Path, val: Path) -> dict[str, Any]:
    """Add the SHA-256 of the written files."""
    return summary | {"sha256": {"train": sha256_file(train), "val": sha256_file(val)}}


def _read(path: Path, needed: tuple[str, ...]) -> pl.DataFrame:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:
        raise UserError(f"{path}: is no whole parquet file ({' '.join(str(error).split())[:200]}); make it again") from None
    for name in needed:
        if name not in frame.columns:
            raise UserError(f"{path}: lacks the column '{name}' (it has: {', '.join(frame.columns)})")
    return frame
