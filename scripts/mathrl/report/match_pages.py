"""The page of matches: each training problem beside its benchmark item, what they share marked."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path

from mathrl.core import parquet
from mathrl.core.parquet import schema_of
from mathrl.data.benchmarks import read_benchmark
from mathrl.report.records import PairOfMethods
from mathrl.report.shared_text import shared_runs

STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;padding:0 1rem;max-width:75rem;color:#1b1b1b;background:#fff}
h1{font-size:1.4rem}article{border-top:1px solid #ccc;padding:.7rem 0}header{color:#555;font-size:.9rem}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1.2rem}.pair div{white-space:pre-wrap;overflow-wrap:anywhere}
mark{background:#ffe08a}.kept{opacity:.75}"""
CHARACTERS = 6000  # of a text that are shown


def marked(left: str, right: str) -> list[str]:
    """Both texts as HTML, with what they share marked."""
    return [
        "".join(f"<mark>{html.escape(text)}</mark>" if shared else html.escape(text) for text, shared in side)
        for side in shared_runs(left, right, CHARACTERS)
    ]


def matches_page(problems: Path, matches: Path, benchmarks: Mapping[str, Path], limit: int) -> str:
    """All pairs, removed ones first, as one HTML page without scripts or outside files."""
    import polars as pl

    schema_of(matches, ("problem_id", "benchmark", "item_id", "method", "score", "removed"))
    schema_of(problems, ("id", "problem"))
    pairs = (
        parquet.read(matches)
        .group_by("benchmark", "item_id", "problem_id")
        .agg(pl.struct("method", "score").sort_by("method"), pl.col("removed").any())
        .sort("removed", "benchmark", "item_id", "problem_id", descending=[True, False, False, False])
    )
    wanted = pairs["problem_id"].unique().to_list()
    texts = dict(parquet.read(problems, ["id", "problem"]).filter(pl.col("id").is_in(wanted)).iter_rows())
    read = {name: read_benchmark(path, may_be_empty=True) for name, path in benchmarks.items()}
    items = {(name, key): item["problem"] for name, rows in read.items() for key, item in rows.items()}
    shown = [_pair(row, texts, items) for row in pairs.head(limit).iter_rows(named=True)]
    more = f"<p>{len(pairs) - limit} more pairs are in {html.escape(matches.name)}.</p>" if len(pairs) > limit else ""
    counts = f"{pairs['removed'].sum()} pairs are removed, {(~pairs['removed']).sum()} are reported only."
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Matches</title><style>{STYLE}</style>'
        f"<h1>Benchmark items among the training problems</h1><p>{counts} "
        "Left the benchmark's item, right the training problem; shared text is marked.</p>" + "".join(shown) + more + "</html>\n"
    )


def _pair(row: PairOfMethods, texts: Mapping[str, str], items: Mapping[tuple[str, str], str]) -> str:
    left, right = marked(items.get((row["benchmark"], row["item_id"]), ""), texts.get(row["problem_id"], ""))
    methods = ", ".join(f"{entry['method']} {entry['score']:.2f}" for entry in row["method"])
    label = "removed" if row["removed"] else "kept"
    return (
        f'<article class="{label}"><header>{html.escape(row["benchmark"])} {html.escape(row["item_id"])} · '
        f"{html.escape(row['problem_id'])} · "
        f'{methods} · {label}</header><div class="pair"><div>{left}</div><div>{right}</div></div></article>'
    )
