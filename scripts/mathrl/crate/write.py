"""The crate of a finished study: files, report, README, metadata, in one zip file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from mathrl.core import parquet
from mathrl.core.files import read_json, write_json, write_text
from mathrl.crate.archive import pack
from mathrl.crate.licences import permits
from mathrl.crate.metadata import write_metadata
from mathrl.crate.study import CONFIG, STUDY, Study, same_time

README = """# {title}

A finished study of the workflow "Maths reasoning by reinforcement learning", without weights and training data.

| file | what it is |
|---|---|
| `results/report.html` | the study report: one file, no network needed |
| `results/scores.csv`, `.md`, `.html` | the score table |
| `results/MODEL/PROTOCOL/samples`, `eval` | every response, and its grades |
| `results/data/matches.parquet` | which training rows are benchmark problems |
| `results/RUN/STAGE/manifest.json` | how each stage was trained, and by which commit |
| `config.json`, `pins.tsv`, `pins.lock`, `envs` | configuration, downloads, locked packages |
| `ro-crate-metadata.json` | size, SHA-256 and origin of each file (Provenance Run Crate 0.5) |

## Rebuild the score table

In a clone of the workflow with its environments, at the commit that graded the samples (`{commit}`):

    make rebuild CRATE=crate.zip

Every sample is graded again. No model and no network are needed.

## Licences

The workflow's own files are under Apache-2.0. Benchmarks and dataset have the licences of their pins:

| name | licence | problem texts |
|---|---|---|
{licences}

Where problem texts are left out, ids, gold answers and SHA-256 of the texts are here; what a response repeats of its problem is cut out.
"""


def prepare_report(study: Study, folder: Path, render: Path) -> None:
    """Lay what the report of the crate is rendered from into `render`: the crate's own files, and matched problems that may travel."""
    source = folder / "results"
    hide = study.dataset in study.withheld
    for path in sorted(source.rglob("*")):
        if not path.is_file():
            continue
        target = render / "results" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if study.withheld and path.name in ("manifest.json", "curves.json"):
            write_json(target, _without_rollouts(read_json(path)))  # rollouts begin with the training problem, which may be such an item
        else:
            target.symlink_to(path.resolve())
    problems = study.results / "data/problems.parquet"
    if problems.is_file():
        matched = parquet.read(source / "data/matches.parquet", ["problem_id", "benchmark"])
        mine = pl.col("id").is_in(matched.filter(~pl.col("benchmark").is_in(study.withheld))["problem_id"].unique().implode())
        # A training row that a withheld item matched is that item's text.
        theirs = pl.col("id").is_in(matched.filter(pl.col("benchmark").is_in(study.withheld))["problem_id"].unique().implode())
        shown = parquet.read(problems, ["id", "problem"]).filter(pl.lit(not hide) & mine & ~theirs)
        shown.write_parquet(render / "results/data/problems.parquet")


def _without_rollouts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_rollouts(part) for key, part in value.items() if key != "rollouts"}
    return [_without_rollouts(part) for part in value] if isinstance(value, list) else value


def finish(study: Study, folder: Path, out: Path) -> None:
    """Add README and metadata to the staged files and write the zip file."""
    known = read_json(folder / STUDY)
    rows = [f"| {name} | {text or 'none given'} | {'here' if permits(text) else 'left out'} |" for name, text in study.licences.items()]
    title = f"Study of {', '.join(known['models'])} on {', '.join(known['benchmarks'])}"
    write_text(folder / "README.md", README.format(title=title, commit="`, `".join(known["graded_by"]), licences="\n".join(rows)))
    table, report = study.results / "scores.csv", study.results / "report.html"
    for name in ("README.md", CONFIG, STUDY):
        same_time(table, folder / name)
    same_time(report if report.is_file() else table, folder / "results/report.html")
    write_metadata(folder, study)
    pack(folder, out)
