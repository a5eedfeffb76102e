"""Speed of decontamination beside the usual ways, on the same rows and the same processor."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from mathrl.core import parquet
from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError, read_json
from mathrl.data.benchmarks import read_benchmark

_NUMBER = re.compile(r"\b\d{1,6}\b")
USUAL = "any 8-gram, datasets.map"
OURS = ("exact,ngram", "exact,ngram,fuzzy")


def words_of(text: str, size: int) -> set[str]:
    """All runs of `size` words of a text in lower case, as the usual way makes them."""
    words = text.lower().split()
    return {" ".join(words[place : place + size]) for place in range(len(words) - size + 1)}


def usual_way(problems: Path, benchmarks: Mapping[str, Path], size: int, workers: int) -> int:
    """Rows that share any n-gram with any item, by `datasets.map` over Python sets, once per benchmark."""
    import datasets

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        rows = datasets.Dataset.from_parquet(str(problems), cache_dir=cache).select_columns(["id", "problem"])
        for name, path in benchmarks.items():
            lookup: set[str] = set().union(*(words_of(item["problem"], size) for item in read_benchmark(path).values()))
            mark = lambda row, lookup=lookup, name=name: {name: bool(words_of(row["problem"], size) & lookup)}  # noqa: E731
            rows = rows.map(mark, num_proc=workers, load_from_cache_file=False)
        return sum(any(flags) for flags in zip(*(rows[name] for name in benchmarks), strict=True))


def time_decontamination(problems: Path, benchmarks: Mapping[str, Path], workers: int) -> dict[str, tuple[float, int]]:
    """(seconds, rows removed) of our methods, start of the process included, and of the usual way."""
    found = {}
    with tempfile.TemporaryDirectory() as out:
        for methods in OURS:
            begun = time.perf_counter()
            command: list[str | Path] = [
                sys.executable, SCRIPTS / "decontaminate.py", "--problems", problems,
                "--benchmark", *(f"{name}={path}" for name, path in benchmarks.items()),
                "--methods", methods, "--clean", f"{out}/c.parquet",
                "--workers", str(workers), "--matches", f"{out}/m.parquet", "--summary", f"{out}/s.json",
            ]  # fmt: skip
            if code := subprocess.run(command).returncode:
                raise UserError(f"scripts/decontaminate.py ended with exit code {code}; its own line says why")
            found[methods] = time.perf_counter() - begun, read_json(f"{out}/s.json")["rows_removed"]
    begun = time.perf_counter()
    removed = usual_way(problems, benchmarks, 8, workers)
    return found | {USUAL: (time.perf_counter() - begun, removed)}


def _raised(text: str, more: int) -> str:
    """The same problem with every number raised."""
    return _NUMBER.sub(lambda found: str(int(found[0]) + more), text)


def time_embeddings(
    problems: Path, benchmarks: Mapping[str, Path], model: Path, rows: int, threads: int, near: bool = False
) -> tuple[dict[str, float], int, int]:
    """Seconds of the semantic search and of sentence-transformers with its defaults; rows that were embedded; pairs that were found.

    Both sides get the items' vectors for nothing. Ours is counted whole: loading the model, embedding, comparison, and the second
    look in float64. Rows are taken from all over the table; with `near` they are the benchmarks' items with other numbers instead.
    """
    import polars as pl
    import torch
    from sentence_transformers import SentenceTransformer

    from mathrl.decontamination import Settings, find_matches
    from mathrl.decontamination.embedding import Embedder

    torch.set_num_threads(threads)
    table = parquet.read(problems, columns=["id", "problem"])
    chosen = table.gather_every(max(len(table) // rows, 1)).head(rows)
    items = {name: list(read_benchmark(path).values()) for name, path in benchmarks.items()}
    if near:
        texts = [item["problem"] for rows_of in items.values() for item in rows_of]
        other = [_raised(texts[place % len(texts)], 1 + place // len(texts)) for place in range(rows)]
        chosen = pl.DataFrame({"id": [str(place) for place in range(rows)], "problem": other})
    usual = SentenceTransformer(str(model), device="cpu")
    usual.encode(["warm up"])
    begun = time.perf_counter()
    usual.encode(chosen["problem"].to_list())
    seconds = {"sentence-transformers": time.perf_counter() - begun}
    with tempfile.TemporaryDirectory() as cache:
        embedder = Embedder(model, Path(cache))
        for _ in embedder.embed([item["problem"] for rows_of in items.values() for item in rows_of]):
            pass
        settings = Settings(methods=("semantic",), embedding_model=model, embedding_cache=Path(cache), workers=threads)
        begun = time.perf_counter()
        matches = find_matches(chosen, items, settings)
        seconds["ours"] = time.perf_counter() - begun
    return seconds, len(chosen), len(matches)
