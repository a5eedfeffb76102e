"""The files of a finished study that travel, and what is taken out of them on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mathrl.config.experiment import Configuration
from mathrl.config.messages import parse
from mathrl.config.runs import stages
from mathrl.core import parquet
from mathrl.core.files import UserError, check_unchanged, read_json, read_jsonl, sha256_file, write_json, write_jsonl, write_text
from mathrl.core.provenance import git_commit
from mathrl.crate import private, withheld
from mathrl.crate.licences import permits
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.downloads import Pin, read_pins
from mathrl.evaluation.evaluated import STORES, evaluated, left_out
from mathrl.evaluation.scores import eval_path

STUDY, CONFIG, PINS = "study.json", "config.json", "pins.tsv"
SAMPLES, EVAL = "results/{model}/{protocol}/samples/{benchmark}.jsonl.zst", "results/{model}/{protocol}/eval/{benchmark}.json"
RESULTS = ("scores.csv", "scores.md", "scores.html", "audit.json", "figures/*.svg", "figures/curves.json")
DATA = ("contamination.json", "contamination.csv", "funnel.json", "funnel.svg", "matches.parquet")
OF_RUN = ("manifest.json", "model/export.json", "model/README.md")
OF_STAGE = ("manifest.json", "data.json", "forecast.json", "model/export.json")
CODE = ("Snakefile", "rules/*.smk", "rules/common/*.smk", "rules/schemas/*", "envs/*.txt", "LICENSE")


@dataclass(frozen=True)
class Study:
    """A finished study in the working directory, and what may travel of it.

    Attributes:
        config: the whole configuration, as Snakemake merged it.
        models: rows of the score table, in order.
        results, resources: their folders.
        pins: the table of downloads.
        root: the installation of the workflow.
    """

    config: Configuration
    models: Sequence[str]
    results: Path
    resources: Path
    pins: Path
    root: Path
    licences: dict[str, str] = field(default_factory=dict)
    """Licence of each benchmark and of the dataset, by name; filled by `open_study`."""

    @property
    def benchmarks(self) -> list[str]:
        return list(self.config.benchmarks)

    @property
    def protocols(self) -> list[str]:
        return list(self.config.evaluation.select)

    @property
    def dataset(self) -> str:
        return self.config.dataset

    @property
    def withheld(self) -> list[str]:
        """Benchmarks, and the dataset, whose problem texts stay here."""
        return [name for name, licence in self.licences.items() if not permits(licence)]

    def told_config(self, folder: Path) -> Configuration:
        """The configuration as the crate in `folder` tells it."""
        return parse(Configuration, read_json(folder / CONFIG), str(folder / CONFIG))

    def cells(self) -> Iterator[dict[str, str]]:
        """Each cell of the score table."""
        for model in self.models:
            for protocol in self.protocols:
                for benchmark in self.benchmarks:
                    yield {"model": model, "protocol": protocol, "benchmark": benchmark}


def open_study(config: Configuration, models: Sequence[str], results: Path, resources: Path, pins: Path, root: Path) -> Study:
    """The study with its licences, finished and of one piece.

    Raises:
        UserError: a result is missing, or a grade was made from other samples or another benchmark than those that lie there.
    """
    table = read_pins(pins)
    named = [*config.benchmarks, config.dataset]
    licences = {name: table[name].licence if name in table else "" for name in named}
    study = Study(config, list(models), results, resources, pins, root, licences)
    finished = [results / "scores.csv", results / "data/matches.parquet"]
    for path in finished:
        if not path.is_file():
            raise UserError(f"{path}: is missing; finish the study first: snakemake --cores all")
    for cell in study.cells():
        _check_cell(study, cell)
    return study


def _check_cell(study: Study, cell: Mapping[str, str]) -> None:
    path = eval_path(study.results, **cell)
    if not path.is_file():
        raise UserError(f"{path}: is missing; finish the study first: snakemake --cores all {path}")
    graded = read_json(path)
    inputs = graded.get("provenance", {}).get("inputs", {})
    places = {"samples": study.results.parent / SAMPLES.format(**cell), "benchmark": benchmark_path(study, cell["benchmark"])}
    for name, place in (places | {"matches": study.results / "data/matches.parquet"}).items():
        if not place.is_file():
            raise UserError(f"{place}: is missing, and {path} was made from it; finish the study first: snakemake --cores all {place}")
        check_unchanged(place)
        if inputs.get(name) != sha256_file(place):
            raise UserError(f"{path}: was made from other content of {place}; grade again: snakemake --cores all {path}")


def benchmark_path(study: Study, name: str) -> Path:
    """The benchmark as it was evaluated."""
    return study.resources / "benchmarks" / f"{name}.jsonl"


def stage_files(study: Study, folder: Path) -> None:
    """Copy what travels into an empty folder, in the layout of the working directory. The report and the metadata are not there yet."""
    items = {name: read_benchmark(benchmark_path(study, name)) for name in study.benchmarks}
    texts = {name: {key: row["problem"] for key, row in items[name].items()} for name in study.benchmarks if name in study.withheld}
    _benchmarks(study, folder, texts)
    for cell in study.cells():
        _samples(study, folder, cell, texts.get(cell["benchmark"]))
        _described(eval_path(study.results, **cell), folder / EVAL.format(**cell))
    for path in _results(study):
        target = folder / "results" / path.relative_to(study.results)
        if path.name == "matches.parquet":
            _matches(study, path, target)
        elif path.name == "audit.json":
            audit = read_json(path)
            for name in set(texts) & set(audit.get("benchmarks", {})):
                audit["benchmarks"][name] = withheld.without_quotes(audit["benchmarks"][name], texts[name])
            _write_as(path, target, audit)
        else:
            _described(path, target)
    _settings(study, folder)


def _results(study: Study) -> Iterator[Path]:
    """Results but samples and grades, those that are there."""
    runs = [run for run in study.config.select if (study.results / run).is_dir()]
    patterns = [*RESULTS, *(f"data/{name}" for name in DATA)]
    patterns += [f"{run}/{name}" for run in runs for name in OF_RUN]
    patterns += [f"{run}/{stage}/{name}" for run in runs for stage in stages(study.config, run) for name in OF_STAGE]
    patterns += [f"{model}/generation/*.json" for model in study.models]
    patterns += [f"{model}/model/export.json" for model in study.models if "@" in model]
    for pattern in dict.fromkeys(patterns):
        yield from sorted(path for path in study.results.glob(pattern) if path.is_file())


def _benchmarks(study: Study, folder: Path, texts: Mapping[str, Mapping[str, str]]) -> None:
    for name in study.benchmarks:
        source = benchmark_path(study, name)
        target = folder / "resources/benchmarks" / source.name
        if name in texts:
            write_jsonl(target, map(withheld.item_without_text, read_benchmark(source).values()))
            same_time(source, target)
        else:
            _copy(source, target)


def _samples(study: Study, folder: Path, cell: Mapping[str, str], texts: Mapping[str, str] | None) -> None:
    place = SAMPLES.format(**cell)
    source, target = study.results.parent / place, folder / place
    if texts is None:
        return _copy(source, target)
    rows = read_jsonl(source, ("id", "sample", "response"))
    write_jsonl(target, (withheld.sample_without_text(row, texts[str(row["id"])]) for row in rows))
    return same_time(source, target)


def _matches(study: Study, source: Path, target: Path) -> None:
    hidden = set(study.withheld)
    if not hidden:
        return _copy(source, target)
    table = withheld.matches_without_text(parquet.read(source), hidden & set(study.benchmarks), study.dataset in hidden)
    target.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(target)
    return same_time(source, target)


def _described(source: Path, target: Path) -> None:
    """A result that describes the study: JSON and Markdown without private paths, anything else as it is."""
    check_unchanged(source)
    if source.suffix == ".json":
        _write_as(source, target, read_json(source))
    elif source.suffix == ".md":
        write_text(target, private.scrub_text(source.read_text(encoding="utf-8")))
        same_time(source, target)
    else:
        _copy(source, target)


def _write_as(source: Path, target: Path, value: Any) -> None:
    write_json(target, private.scrub(value))
    same_time(source, target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    same_time(source, target)


def same_time(source: Path, target: Path) -> None:
    """When the original was made; the metadata say so."""
    at = source.stat().st_mtime_ns
    os.utime(target, ns=(at, at))


def _settings(study: Study, folder: Path) -> None:
    """Configuration, pins, locks, the workflow's rules, and what a reader of the crate must know."""
    write_json(folder / CONFIG, private.scrub(study.config.plain()))
    write_text(folder / PINS, private.scrub_text(study.pins.read_text(encoding="utf-8")))
    same_time(study.pins, folder / PINS)
    for lock in sorted(study.pins.with_suffix(".lock").glob("*.json")):
        _described(lock, folder / "pins.lock" / lock.name)
    for pattern in CODE:
        for path in sorted(study.root.glob(pattern)):
            _copy(path, folder / path.relative_to(study.root))
    for note in sorted((study.resources / "models").glob("*.json")):
        _described(note, folder / "resources/models" / note.name)
    evaluation = study.config.evaluation
    write_json(
        folder / STUDY,
        {
            "schema_version": 1,
            "models": list(study.models),
            "protocols": study.protocols,
            "benchmarks": study.benchmarks,
            "primary": evaluation.primary if evaluation.primary in study.protocols else study.protocols[0],
            "dataset": study.dataset,
            "licences": study.licences,
            "withheld": study.withheld,
            "git_commit": git_commit(),
            "graded_by": graded_by(study),
            "evaluated_besides": left_out(evaluated(study.results, study.models, study.results.parent / STORES)),
        },
    )


def graded_by(study: Study) -> list[str]:
    """The commits whose grader made the grades, as each eval JSON says."""
    blocks = (read_json(eval_path(study.results, **cell)).get("provenance", {}) for cell in study.cells())
    return sorted({str(block.get("git_commit", "unknown")) for block in blocks})


def pins_of(study: Study) -> dict[str, Pin]:
    """The rows of the table of downloads that the study used."""
    table = read_pins(study.pins)
    used = [*study.benchmarks, study.dataset, study.config.base_model, study.config.embedding_model]
    return {name: table[name] for name in used if name in table}
