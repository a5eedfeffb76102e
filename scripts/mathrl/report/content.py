"""What the report shows, gathered from result files. A file that is missing becomes a line that says how to make it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from mathrl.config.endpoint import REGISTER, Endpoint, damaged, registered
from mathrl.config.experiment import Configuration
from mathrl.config.messages import parse
from mathrl.config.runs import stages
from mathrl.config.stage import Stage
from mathrl.core import parquet
from mathrl.core.files import UserError, read_json, read_jsonl
from mathrl.core.provenance import Provenance
from mathrl.core.spread import spread
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.dates import Dates
from mathrl.data.records import Item
from mathrl.evaluation.evaluated import STORES, evaluated, left_out
from mathrl.evaluation.metrics import STATUS_LETTERS
from mathrl.evaluation.records import Sampled
from mathrl.evaluation.scores import Evals, load_evals, published_notes, table
from mathrl.grading import grade
from mathrl.report import augmentation, costs, evidence, progress
from mathrl.report.damaged import Files
from mathrl.report.figures import run_curves
from mathrl.report.records import (
    CleanPart,
    CleanRow,
    EvaluatedCheckpoint,
    ManifestRow,
    Pairs,
    RolloutSet,
    RunCurves,
    StatusRow,
    Story,
    Study,
    StudyData,
    StudyProvenance,
    ToldContrast,
)
from mathrl.report.samples import gather_samples, pack
from mathrl.report.shared_text import shared_runs
from mathrl.statistics.comparisons import about_controls, claim, compare_all, control_kinds, run_groups
from mathrl.statistics.contamination import contamination_contrast, told
from mathrl.training import logged
from mathrl.training.records import Manifest, TrainedBy

PAIRS = 150  # removed pairs shown side by side
PAIR_CHARACTERS = 1200
ROLLOUT_CHARACTERS = 6000
ROLLOUT_BUDGET = 1_500_000  # bytes of packed rollouts in the page


def read_config(text: str) -> Configuration:
    """The workflow's configuration from JSON text or the path of a JSON file."""
    if text.lstrip().startswith("{"):
        try:
            config = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"--config: is no JSON ({error}); give the configuration or a JSON file") from None
    else:
        config = read_json(text)
    for key in ("benchmarks", "evaluation", "runs", "training"):
        if key not in config:
            raise UserError(f"--config: lacks the key '{key}'; give the workflow's whole configuration")
    return parse(Configuration, config, "--config")


def gather(
    config: Configuration,
    models: Sequence[str],
    results: Path,
    benchmark_dir: Path,
    texts: bool = True,
    partial: bool = False,
    dates: Dates | None = None,
) -> Study:
    """All numbers and, unless `texts` is false, texts of the report as plain values; nothing is escaped yet.

    `partial`: of a study at work or one that was killed, where a damaged file counts as one that is not there yet.
    `dates`: of benchmarks and models, as far as they are known.
    """
    dates = dates or Dates()
    benchmarks, protocols = list(config.benchmarks), list(config.evaluation.select)
    endpoint = Endpoint.of(config)
    primary = endpoint.protocol
    evals, missing = load_evals(results, models, protocols, benchmarks, partial)
    files = Files(missing, partial)
    runs = _runs(results, config, models, files)
    groups = run_groups(config, models)
    plain = [model for model in models if "@" not in model]
    rows = table(evals, models, protocols, benchmarks, primary, groups, dates, config.evaluation.bands)
    tried = evaluated(results, models, results.parent / STORES)
    comparisons = compare_all(evals, groups, endpoint, control_kinds(config, plain), left_out(tried))
    study: Study = {
        "config": config,
        "models": plain,
        "groups": groups,
        "checkpoints": files.read([], _checkpoints, results, models, runs),
        "benchmarks": benchmarks,
        "protocols": protocols,
        "primary": primary,
        "evals": evals,
        "rows": rows,
        "dates": dates,
        "runs": runs,
        "endpoint": endpoint,
        "clean": _clean(evals, plain, primary, benchmarks),
        "data": _data(results, config, missing, files),
        "audit": files.read(None, _audit, results),
        "augmentation": files.read([], augmentation.gather, results, config),
        "counts": _counts(evals, plain, protocols, benchmarks),
        "provenance": _provenance(evals, runs),
        "missing": missing,
        "progress": progress.gather(results, config),
        "evaluated": tried,
        "comparisons": comparisons,
        "claim": claim(groups) + (f" {about_controls(comparisons)}" if comparisons else ""),
        "notes": [*dates.notes(rows), *published_notes(protocols, benchmarks)],
        "story": _story(results.parent / REGISTER, endpoint, tried),
        "training": {model: found for model in plain if (found := files.read([], _training, results, config, model))},
        "costs": [],
        "calibration": evidence.calibration(results),
    }
    study["costs"] = files.read([], costs.cost_rows, study, results)
    if texts:
        _add_texts(study, results, benchmark_dir, files)
    return study


def _add_texts(study: Study, results: Path, benchmark_dir: Path, files: Files) -> None:
    """What of problems, samples and rollouts the page shows as they are written."""
    study["pairs"] = files.read(None, _pairs, results, benchmark_dir, study["benchmarks"], files.missing)
    rollouts = _rollouts({name: files.read([], _read_rollouts, run["manifests"]) for name, run in study["runs"].items()})
    study["samples"] = gather_samples(results, benchmark_dir, study, files) | {"rollouts": rollouts}


def _story(register: Path, endpoint: Endpoint, tried: Sequence[Sampled]) -> Story:
    """When the endpoint was fixed, by its register."""
    return evidence.endpoint_story(endpoint, registered(register), tried, damaged(register))


def _optional(path: Path, what: str, missing: list[dict[str, str]]) -> Any:
    """A JSON file's content, or None and an entry in `missing`."""
    if path.is_file():
        try:
            return read_json(path)
        except UserError as error:
            what = f"{what} ({error})"
    missing.append({"what": what, "path": str(path), "make": f"snakemake --cores all {path}"})
    return None


_NO_CURVES: RunCurves = {"curves": {}, "stages": [], "missing": [], "manifests": [], "flags": [], "monitored": False}


def _runs(results: Path, config: Configuration, models: Sequence[str], files: Files) -> dict[str, RunCurves]:
    """Curves of plot_training, or, where it has not run yet, of the logs as they are."""
    path = results / "figures" / "curves.json"
    drawn = files.read(None, read_json, path) if path.is_file() else None
    if drawn:
        found = {run: entry for run, entry in drawn["runs"].items() if run in config.select}
    else:
        found = {
            run: files.read(_NO_CURVES, run_curves, results, run, stages(config, run), _settings(config, run)) for run in config.select
        }
    files.missing.extend(entry for run in found.values() for entry in run["missing"])
    return {name: found[name] for name in [*(m for m in models if m in found), *(n for n in found if n not in models)]}


def _training(results: Path, config: Configuration, model: str) -> list[Manifest]:
    """Manifests of what a model's weights went through; none where it is no run."""
    return costs.training_manifests(results, config, model) if model in config.runs else []


def _settings(config: Configuration, run: str) -> dict[str, Stage]:
    """The configuration of each stage of a run."""
    return {stage: config.stage(run, stage) for stage in stages(config, run)}


def _checkpoints(results: Path, models: Sequence[str], runs: Mapping[str, RunCurves]) -> list[EvaluatedCheckpoint]:
    """Evaluated checkpoints along training by run and step; steps are added up over the stages of a run."""
    found: list[EvaluatedCheckpoint] = []
    for model in models:
        run, at, choice = model.partition("@")
        if not at:
            continue
        export = results / model / "model" / "export.json"
        number = choice.removeprefix("step-")
        step = read_json(export).get("step") if export.is_file() else (int(number) if number.isdigit() else None)
        if step is not None:
            marks = runs.get(run, _NO_CURVES).get("stages")
            found.append({"model": model, "run": run, "step": (marks[-1]["from"] if marks else 0) + step})
    return sorted(found, key=lambda entry: (models.index(entry["run"]) if entry["run"] in models else -1, entry["step"]))


def _clean(evals: Evals, models: Sequence[str], protocol: str, benchmarks: Sequence[str]) -> CleanPart:
    """Scores of contaminated and clean items a model and benchmark, and each model's contrast against base."""
    tables = {m: {b: evals[m, protocol, b] for b in benchmarks if (m, protocol, b) in evals} for m in models}
    rows: list[CleanRow] = []
    for model in models:
        parts = {b: tables[model][b]["clean_subset"] for b in benchmarks if b in tables[model]}
        shown = {b: part for b, part in parts.items() if part.get("available")}
        if shown:
            rows.append({"model": model, "parts": shown, "any": any(p["contaminated"]["n"] for p in shown.values())})
    contrasts: list[ToldContrast] = []
    for model in models:
        if model != "base" and tables.get("base"):
            found = contamination_contrast(tables[model], tables["base"], benchmarks)
            if found:
                contrasts.append({"model": model, "told": told(found), **found})
    return {"rows": rows, "contrasts": contrasts, "any": any(row["any"] for row in rows)}


def _data(results: Path, config: Configuration, missing: list[dict[str, str]], files: Files) -> StudyData:
    funnel = _optional(results / "data" / "funnel.json", "the data funnel", missing)
    contamination = _optional(results / "data" / "contamination.json", "the contamination table", missing)
    splits = {}
    for run in config.select:
        for path in sorted((results / run).glob("*/data.json")):
            split = files.read(None, read_json, path)
            if split:
                splits[f"{run} / {path.parent.name}"] = split
    return {"funnel": funnel, "contamination": contamination, "splits": splits}


def _audit(results: Path) -> Any:
    path = results / "audit.json"
    return read_json(path) if path.is_file() else None


def _counts(evals: Evals, models: Sequence[str], protocols: Sequence[str], benchmarks: Sequence[str]) -> list[StatusRow]:
    """Grader statuses and other counts, summed over benchmarks, a row a model and protocol."""
    rows: list[StatusRow] = []
    for protocol in protocols:
        for model in models:
            found = [evals[model, protocol, b] for b in benchmarks if (model, protocol, b) in evals]
            if found:
                statuses = {name: sum(e["statuses"].get(name, 0) for e in found) for name in STATUS_LETTERS}
                counts = {name: sum(e["counts"][name] for e in found) for name in ("samples", "truncated")}
                rows.append({"model": model, "protocol": protocol, "statuses": statuses, "counts": counts})
    return rows


def _provenance(evals: Evals, runs: Mapping[str, RunCurves]) -> StudyProvenance:
    blocks: list[Provenance | TrainedBy] = [e["provenance"] for e in evals.values() if "provenance" in e]
    manifests = [m for run in runs.values() for m in run["manifests"]]
    blocks += [m["provenance"] for m in manifests if "provenance" in m]
    blocks += [part for m in manifests for part in m.get("trained_by", [])]
    versions: dict[str, set[str]] = {}
    for block in blocks:
        for name, version in block.get("versions", {}).items():
            versions.setdefault(name, set()).add(version)
    return {
        "commits": sorted({b["git_commit"] for b in blocks if b.get("git_commit")}),
        "images": sorted({b["image"] for b in blocks if b.get("image")}),
        "versions": {name: ", ".join(sorted(found)) for name, found in sorted(versions.items())},
        "inputs": sorted({(n, h) for b in blocks for n, h in (b.get("inputs") or {}).items() if isinstance(h, str)})[:200],
        "manifests": [cast("ManifestRow", {k: m.get(k) for k in _MANIFEST_KEYS}) for m in manifests],
    }


_MANIFEST_KEYS = (
    "run", "stage", "steps", "chosen_step", "chosen_why", "fingerprint", "gpu_hours", "tokens", "generated_tokens", "seconds",
)  # fmt: skip


def _benchmark_rows(benchmark_dir: Path, benchmark: str) -> dict[str, Item]:
    path = benchmark_dir / f"{benchmark}.jsonl"
    return read_benchmark(path) if path.is_file() else {}


def _pairs(results: Path, benchmark_dir: Path, benchmarks: Sequence[str], missing: list[dict[str, str]]) -> Pairs | None:
    """Matched pairs, side by side: removed ones first, evenly spread over benchmarks and methods."""
    matches, problems = results / "data" / "matches.parquet", results / "data" / "problems.parquet"
    for path, what in ((matches, "the matches between training rows and benchmark items"), (problems, "the problems")):
        if not path.is_file():
            missing.append({"what": what, "path": str(path), "make": f"snakemake --cores all {path}"})
            return None
    import polars as pl

    grouped = (
        parquet.read(matches)
        .filter(pl.col("benchmark").is_in(list(benchmarks)))
        .group_by("benchmark", "item_id", "problem_id")
        .agg(pl.col("method").sort(), pl.col("score").max(), pl.col("removed").any())
        .sort(["benchmark", "removed", "score", "item_id", "problem_id"], descending=[False, True, True, False, False])
    )
    total = {"removed": int(grouped["removed"].sum()), "similar": int((~grouped["removed"]).sum())}
    share = max(1, PAIRS // max(len(benchmarks), 1))
    shown = pl.concat([part[spread(len(part), share)] for part in grouped.partition_by("benchmark", maintain_order=True)] or [grouped])
    wanted = shown["problem_id"].unique()
    texts = dict(parquet.read(problems, ["id", "problem"]).filter(pl.col("id").is_in(wanted.implode())).iter_rows())
    items = {name: _benchmark_rows(benchmark_dir, name) for name in shown["benchmark"].unique().to_list()}
    pairs = []
    for row in shown.iter_rows(named=True):
        known = items[row["benchmark"]]
        item = known[row["item_id"]]["problem"] if row["item_id"] in known else ""
        left, right = shared_runs(texts.get(row["problem_id"], ""), item, PAIR_CHARACTERS)
        pairs.append(row | {"left": left, "right": right})
    return {"shown": pairs, "total": total}


def _rollouts(runs: Mapping[str, list[list[Any]]]) -> list[RolloutSet]:
    """Kept training rollouts by run, packed: [{run, data}]; what does not fit into their share of the page is left out."""
    packed: list[RolloutSet] = []
    budget = ROLLOUT_BUDGET
    for run, rows in runs.items():
        data = pack(rows) if rows else ""
        budget -= len(data)
        if data and budget >= 0:
            packed.append({"run": run, "data": data})
    return packed


def _read_rollouts(manifests: Sequence[Manifest], most: int = 240) -> list[list[Any]]:
    """Rows [step, right, score, prompt, gold answer, response] of kept training rollouts, a few of each of some steps.

    verl dumps them (trainer.rollout_data_dir) as one JSON-lines file a step with input, output, gts, score, step, and with the
    reward's other keys where it carries them. `right` is the reward's own verdict (`acc`), else our judge's, or null where the
    gold answer is not known. Steps are added up over stages.
    """
    files, done = [], 0
    for manifest in manifests:
        directory = Path(manifest.get("rollouts") or "")
        if manifest.get("rollouts") and directory.is_dir():
            logged.check(directory.parent, logged.ROLLOUTS)
            found = [path for path in directory.iterdir() if re.fullmatch(r"\d+\.jsonl(\.zst|\.gz)?", path.name)]
            files += [(done + _step(path), path) for path in sorted(found, key=_step)]
        done += int(manifest.get("steps") or 0)
    rows = []
    for place in spread(len(files), 30):
        step, path = files[place]
        dumped = list(read_jsonl(path, ("output",)))
        for index in spread(len(dumped), max(1, most // 30)):
            row = dumped[index]
            gold = "" if row.get("gts") is None else str(row["gts"])
            right = row["acc"] > 0.5 if isinstance(row.get("acc"), int | float) else None
            if right is None and gold:
                right = grade(str(row["output"]), gold).correct
            score = float(row["score"]) if isinstance(row.get("score"), int | float) else None
            rows.append([step, right, score, str(row.get("input", ""))[-2000:], gold[:400], str(row["output"])[:ROLLOUT_CHARACTERS]])
    return rows


def _step(path: Path) -> int:
    return int(path.name.split(".")[0])


def settings_changed(config: Configuration, run: str) -> list[str]:
    """What a run changes of the training defaults, as `key = value`."""
    own = config.runs.get(run)
    over = own.model_dump(exclude_unset=True) if own else {}
    return [f"{key} = {json.dumps(value)}" for key, value in over.items()]
