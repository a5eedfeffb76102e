"""From problems and matches to verl's files: what is removed, what is held out, what is trained on, each counted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mathrl.core import parquet
from mathrl.core.arguments import split_pair
from mathrl.core.files import UserError, atomic_path, sha256_file
from mathrl.core.parquet import PartWriter, parts, schema_of
from mathrl.core.provenance import provenance
from mathrl.data import added_rows, hints, solve_rates
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.cleaning import parse_bands
from mathrl.data.problems import bands, own_quintiles
from mathrl.data.records import DataSummary, OwnBands
from mathrl.data.sources import check_sources
from mathrl.data.verl_rows import benchmark_frame, dev_groups, verl_rows

if TYPE_CHECKING:
    import polars as pl

NEEDED = ("id", "problem", "answer", "source", "domain", "solve_rate", "difficulty", "duplicate_group")


def make(args: argparse.Namespace, near: Callable[[Path, list[str]], list[str]]) -> hints.StageSummary:
    """Write training and validation rows and return the summary.

    The dev split is chosen before anything is removed, so that a run on raw data and one on clean data hold out the same
    groups; contaminated rows are never in dev. `near` finds, for the table of problems and the ids in dev, the ids of further rows
    that are the same problems by the search for contamination: they are in neither part.
    """
    import polars as pl

    name, path = split_pair(args.validation, "--validation")
    if args.data == "clean" and args.matches is None:
        raise UserError("--data clean: needs --matches, the table of contaminated rows")
    schema_of(args.problems, NEEDED)
    matched = contaminated(args.matches, args.remove) if args.matches else []
    rows = parquet.read(args.problems, columns=["id", "duplicate_group", "difficulty", "source", "solve_rate"])
    if args.solve_rates:
        own = solve_rates.read(args.solve_rates)
        rows = rows.drop("solve_rate").join(own.select("id", "solve_rate"), on="id", how="left", maintain_order="left")
        cuts = parse_bands(args.difficulty_bands) or own_quintiles(rows["solve_rate"])
        rows = rows.with_columns(difficulty=bands(rows["solve_rate"], cuts))
    held_out = rows["duplicate_group"].is_in(dev_groups(rows["duplicate_group"], args.dev_size))
    dirty = rows["id"].is_in(matched)
    removed = ~held_out & dirty if args.data == "clean" else pl.repeat(False, len(rows), dtype=pl.Boolean, eager=True)
    dev = held_out & ~dirty
    beside = rows["id"].is_in(near(args.problems, rows["id"].filter(dev).to_list())) & ~held_out & ~removed
    training = ~held_out & ~removed & ~beside
    outside = {"near_dev": int(beside.sum())} if beside.any() else {}
    for reason, kept in selections(rows, args):
        outside[reason] = int((training & ~kept).sum())
        training &= kept
    counts = {
        "problems": len(rows), "removed": int(removed.sum()), **outside,
        "train": int(training.sum()), "dev": int(dev.sum()),
    }  # fmt: skip
    own_bands = _own_bands(args, rows, cuts, training) if args.solve_rates else None
    if not counts["train"]:
        raise UserError(f"{args.problems}: no training row is left ({counts}); lower data.dev_size or widen the filters")
    more = added_rows.of(args, rows.filter(training)["id"]) if args.augmented or args.repeated else {}
    counts |= {what: len(frame) for what, frame in more.items()}
    carried, told = hints.of(args, rows.filter(training).select("id", "solve_rate")) if args.hints else (None, None)
    items = benchmark_frame(list(read_benchmark(path).values()))
    counts["validation"] = len(items)
    _write(args, training, dev, name, items, list(more.values()), carried)
    names = ["data", "remove", "difficulty", "sources", "solve_rate", "dev_size", "instruction", "separator"]
    names += ["hint_share", "hint_solve_rate"] if args.hints else []
    read = {"solve_rates": args.solve_rates, "hints": args.hints}
    inputs = {what: path for what, path in read.items() if path} | added_rows.inputs(args)
    summary: hints.StageSummary = {**summarised(args, counts, names, inputs)}
    if own_bands:
        summary["own_bands"] = own_bands
    if told:
        summary["hints"] = told
    return summary


def summarised(args: argparse.Namespace, counts: dict[str, int], settings: Sequence[str], inputs: dict[str, Path]) -> DataSummary:
    """What stands beside both files: `counts`, these options with the validation's name, hashes and provenance.

    `inputs` are read beside the problems, the validation's benchmark and the matches.
    """
    name, path = split_pair(args.validation, "--validation")
    told = {key: getattr(args, key) for key in settings} | {"validation": name}
    inputs = {"problems": args.problems, "validation": Path(path), **({"matches": args.matches} if args.matches else {}), **inputs}
    return {
        "schema_version": 1,
        "counts": counts,
        "settings": told,
        "sha256": {"train": sha256_file(args.train), "val": sha256_file(args.val)},
        "provenance": provenance(inputs, told),
    }


def _write(
    args: argparse.Namespace,
    training: pl.Series,
    dev: pl.Series,
    benchmark: str,
    items: pl.DataFrame,
    more: list[pl.DataFrame],
    carried: pl.DataFrame | None,
) -> None:
    """Write both files, each whole or not at all: of the problems those that are marked, and the benchmark's items before the dev rows.

    What is added to the training rows comes behind them. Training rows alone carry hints (`carried`), and of these no added ones.
    """
    import polars as pl

    prefix = args.instruction + args.separator
    index_of = {"train": _ranks(training), "dev": _ranks(dev)}
    with (
        atomic_path(args.train) as train_file,
        atomic_path(args.val) as val_file,
        PartWriter(train_file) as train,
        PartWriter(val_file) as val,
    ):
        val.write(verl_rows(items, pl.lit(benchmark), prefix, pl.int_range(len(items), eager=True)))
        first = 0
        for part in parts(args.problems, list(NEEDED)):
            here = slice(first, first + len(part))
            first += len(part)
            chosen = _select(part, training[here], index_of["train"][here], pl.col("source").fill_null("unknown"), prefix)
            train.write(hints.beside(chosen, carried))
            val.write(_select(part, dev[here], index_of["dev"][here], pl.lit("dev"), prefix))
        first = int(training.sum())
        for frame in filter(len, more):
            index = pl.int_range(first, first + len(frame), eager=True)
            added = verl_rows(frame, pl.col("source").fill_null("unknown"), prefix, index)
            train.write(hints.beside(added, None if carried is None else carried.clear()))
            first += len(frame)


def _own_bands(args: argparse.Namespace, rows: pl.DataFrame, cuts: list[float], training: pl.Series) -> OwnBands:
    """Cut-offs of the bands of own solve rates and how many problems are in each.

    Raises:
        UserError: the stage asks for bands, and none of its problems was solved sometimes and missed sometimes.
    """

    sizes = rows["difficulty"].drop_nulls().value_counts().sort("difficulty").rows()
    found: OwnBands = {"cutoffs": [round(cut, 6) for cut in cuts], "problems": {str(band): count for band, count in sizes}}
    held = ", ".join(f"band {band}: {count}" for band, count in sizes) or "no band has any"
    remedy = "raise data.own_solve_rates.n, which tells rates apart, or set data.difficulty_bands to cut-offs between them"
    between = training & rows["solve_rate"].is_between(0, 1, closed="none").fill_null(False)
    if args.difficulty and not (training if args.solve_rate else between).any():
        wanted = ", ".join(map(str, args.difficulty))
        raise UserError(
            f"{args.solve_rates}: no problem in the bands {wanted} was solved sometimes and missed sometimes ({held}; cut-offs "
            f"{found['cutoffs']}); {remedy}, or choose other bands as the stage's difficulty"
        )
    if args.difficulty and len(set(cuts)) < len(cuts):
        print(
            f"notice: {args.solve_rates}: cut-offs {found['cutoffs']} coincide, so that bands are empty ({held}); {remedy}", file=sys.stderr
        )
    return found


def selections(rows: pl.DataFrame, args: argparse.Namespace) -> list[tuple[str, pl.Series]]:
    """What a stage selects, in this order: the name under which the rows outside are counted, and which rows are inside."""
    import polars as pl

    check_sources(args.sources or (), rows["source"].drop_nulls().to_list(), "training.sources")
    everything = pl.repeat(True, len(rows), dtype=pl.Boolean, eager=True)
    low, high = args.solve_rate or (0.0, 1.0)
    if low > high:
        raise UserError(f"--solve-rate {low} {high}: the lower bound comes first")
    return [
        ("not_measured", rows["solve_rate"].is_not_null() if args.solve_rates else everything),
        ("outside_difficulty", rows["difficulty"].is_in(args.difficulty).fill_null(False) if args.difficulty else everything),
        ("outside_sources", rows["source"].is_in(args.sources).fill_null(False) if args.sources else everything),
        ("outside_solve_rate", rows["solve_rate"].is_between(low, high).fill_null(False) if args.solve_rate else everything),
    ]


def _ranks(chosen: pl.Series) -> pl.Series:
    return chosen.cum_sum().cast(int) - 1


def _select(part: pl.DataFrame, chosen: pl.Series, index: pl.Series, source: pl.Expr, prefix: str) -> pl.DataFrame:
    return verl_rows(part.filter(chosen), source, prefix, index.filter(chosen))


def contaminated(path: Path, remove: str) -> list[str]:
    """Ids of the problems that the named methods (separated by commas) found; `similar` names unconfirmed semantic matches."""
    import polars as pl

    schema_of(path, ("problem_id", "method", "confirmed"))
    methods = [method for method in remove.split(",") if method]
    listed = pl.col("method").is_in(methods) & pl.col("confirmed")
    if "similar" in methods:
        listed = listed | ((pl.col("method") == "semantic") & ~pl.col("confirmed"))
    return parquet.read(path).filter(listed)["problem_id"].unique().sort().to_list()
