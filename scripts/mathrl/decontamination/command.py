"""What scripts/decontaminate.py does: check the settings, read, search, write."""

from __future__ import annotations

import argparse
import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mathrl.config.search_methods import WITH_A_MODEL, searched_by
from mathrl.core.files import UserError, atomic_path, write_json, write_text
from mathrl.core.parquet import PartWriter, parts, row_count, schema_of
from mathrl.core.provenance import provenance
from mathrl.data.benchmarks import read_benchmark
from mathrl.decontamination.search import find_matches, find_matches_in
from mathrl.decontamination.settings import FLAGGING, METHODS, Settings, settings_of_thresholds
from mathrl.decontamination.summary import CSV_COLUMNS, summarise

if TYPE_CHECKING:
    import polars as pl


def run(args: argparse.Namespace) -> None:
    """Run one decontamination from parsed arguments; all outputs are written at the end, each whole."""
    import polars as pl

    settings = settings_of(args)
    files = args.benchmark
    schema = schema_of(args.problems, ("id", "problem"))
    _check_ids(args.problems)
    benchmarks = {name: list(read_benchmark(path, may_be_empty=True).values()) for name, path in files.items()}
    if schema["problem"] != pl.String:
        raise UserError(f"{args.problems}: the column 'problem' holds {schema['problem']}, text is needed")
    columns = [pl.col("id").cast(pl.String), pl.col("problem").fill_null("")]
    matches = find_matches_in(parts(args.problems, columns), benchmarks, settings)
    count = row_count(args.problems)
    summary = summarise(matches, {name: len(rows) for name, rows in benchmarks.items()}, count, settings.methods)
    options = settings.thresholds()
    summary["settings"] = options
    summary["provenance"] = provenance({"problems": args.problems, **files}, options)
    if args.clean:
        removed = matches.filter(pl.col("removed"))["problem_id"].unique()
        with atomic_path(args.clean) as temporary:
            kept = ~pl.col("id").cast(pl.String).is_in(removed.to_list())
            with PartWriter(temporary) as out:
                for part in parts(args.problems, list(schema)):
                    out.write(part.filter(kept))
    with atomic_path(args.matches) as temporary:
        matches.write_parquet(temporary)
    if args.csv:
        text = io.StringIO()
        writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(summary["table"])
        write_text(args.csv, text.getvalue())
    write_json(args.summary, summary)


def _check_ids(problems: Path) -> None:
    """Refuse ids that are null or come twice: a match names a row by its id, and other rows would leave with it."""
    import polars as pl

    ids = pl.scan_parquet(problems).select(pl.col("id").cast(pl.String)).collect()["id"]
    if ids.null_count():
        row = int(ids.is_null().arg_max() or 0)
        raise UserError(f"{problems}: {ids.null_count()} rows have no id (the first is row {row}); give each row an id of its own")
    twice = ids.filter(ids.is_duplicated())
    if len(twice):
        raise UserError(f"{problems}: the id '{twice[0]}' occurs {int((ids == twice[0]).sum())} times; give each row an id of its own")


def same_problems(problems: Path, ids: list[str], settings: Settings) -> list[str]:
    """Ids of the rows of `problems` that are, by the methods that need no model, the same problems as the rows `ids`."""
    import polars as pl

    if not ids:
        return []
    items = pl.scan_parquet(problems).filter(pl.col("id").is_in(ids)).select("id", "problem").collect().to_dicts()
    found = find_matches_in(parts(problems, [pl.col("id"), pl.col("problem")]), {"dev": items}, settings)
    return found["problem_id"].unique().sort().to_list()


def leaked(rows: pl.DataFrame, benchmarks: Mapping[str, Path], remove: str, settings: Settings) -> list[str]:
    """Ids of the rows that those of the methods `remove` (separated by commas) which need no model call an item of the benchmarks."""
    import polars as pl

    if not len(rows) or not benchmarks:
        return []
    items = {name: list(read_benchmark(path, may_be_empty=True).values()) for name, path in benchmarks.items()}
    found = find_matches(rows, items, settings)
    return found.filter(pl.col("confirmed") & pl.col("method").is_in(remove.split(",")))["problem_id"].unique().sort().to_list()


def settings_of(args: argparse.Namespace) -> Settings:
    """Check the options of the command line."""
    methods = _names(args.methods, "--methods", METHODS)
    default = tuple(method for method in methods if method not in FLAGGING)
    remove = default if args.remove is None else _names(args.remove, "--remove", (*METHODS, "similar"))
    for name in remove:
        needed = searched_by(name)
        if needed not in methods:
            raise UserError(f"--remove {args.remove}: {name} needs {needed} among --methods ({args.methods}), else it removes nothing")
    for name in ("ngram_coverage", "fuzzy_similarity", "semantic_similarity", "reworded_similarity"):
        if not 0 < getattr(args, name) <= 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(args, name):g}: must be above 0 and at most 1")
    if args.ngram_size < 2:
        raise UserError(f"--ngram-size {args.ngram_size}: must be at least 2 words")
    for method in methods:
        if method in WITH_A_MODEL and args.embedding_model is None:
            raise UserError(f"--methods {method}: needs --embedding-model, the directory of a sentence-transformers model")
    places = {name: getattr(args, name) for name in ("embedding_model", "embedding_cache")}
    return settings_of_thresholds(args, methods=methods, remove=remove, workers=max(args.workers, 1), **places)


def _names(text: str, option: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in allowed and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", name):
            raise UserError(f"{option} {text}: '{name}' is none of {', '.join(allowed)}, and no module:Class")
    return names
