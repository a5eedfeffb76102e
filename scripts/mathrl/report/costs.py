"""What training and answering cost: one definition for the tables, the charts and the warnings of a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mathrl.config.experiment import Configuration
from mathrl.config.runs import stages, start_of
from mathrl.core.files import UserError, read_json
from mathrl.evaluation.means import cell, mean_over
from mathrl.evaluation.records import Evaluation
from mathrl.report import charts
from mathrl.report.records import Cost, CostRow, ManifestRow, Study, TrainingCost, Unit
from mathrl.statistics.records import ComparisonRow, measured
from mathrl.training.records import Manifest

COST_DIFFERS = 0.05  # share of training cost from which on two compared runs are not equals


def training_manifests(results: Path, config: Configuration, run: str, seen: tuple[str, ...] = ()) -> list[Manifest]:
    """Manifests of all stages that a run's weights went through: its own, and those of the run that `start_from` names, and so on."""
    found: list[Manifest] = []
    for place, stage in enumerate(stages(config, run)):
        kind, name = start_of(config, run, stage)
        if kind == "run" and name and name not in seen:
            found = training_manifests(results, config, name, (*seen, run))
        elif kind == "base" and place:
            found = []  # earlier stages led to nothing that this one holds
        try:
            found.append(read_json(results / run / stage / "manifest.json"))
        except UserError:
            continue
    return found


def generated_tokens(manifest: Manifest | ManifestRow) -> int | None:
    """Tokens that a stage generated, prompts not counted, as in a budget; of an older manifest all tokens."""
    found = manifest.get("generated_tokens")
    return manifest.get("tokens") if found is None else found


def training_cost(manifests: Sequence[Manifest]) -> TrainingCost:
    """Generated tokens and GPU-hours of these stages, and the runs that they are of."""
    tokens, hours = (sum(found) for found in zip(*map(_cost, manifests), strict=True)) if manifests else (0, 0)
    return {"tokens": tokens, "gpu_hours": hours, "runs": list(dict.fromkeys(str(m.get("run")) for m in manifests))}


def _cost(manifest: Manifest) -> tuple[float, float]:
    return generated_tokens(manifest) or 0, manifest.get("gpu_hours") or 0


def cost_at(manifests: Sequence[Manifest], run: str, steps_of_run: int, step: int) -> Cost:
    """Training cost of a run's checkpoint: a stage's cost is shared evenly over its steps.

    Args:
        manifests: all that its weights went through (`training_manifests`).
        run: whose steps are counted, added up over its stages.
        steps_of_run: all steps of that run; those of stages that are not among `manifests` led to nothing that counts.
        step: of the checkpoint, counted like that.
    """
    own = [m for m in manifests if m.get("run") == run]
    left = step - steps_of_run + sum(m.get("steps") or 0 for m in own)
    tokens = hours = 0.0
    for manifest in manifests:
        share = 1.0
        if manifest in own:
            steps = manifest.get("steps") or 0
            share, left = (min(1.0, max(0.0, left / steps)), left - steps) if steps else (0.0, left)
        found = _cost(manifest)
        tokens, hours = tokens + share * found[0], hours + share * found[1]
    return {"tokens": tokens, "gpu_hours": hours}


def cost_rows(study: Study, results: Path) -> list[CostRow]:
    """A row per model under the primary protocol: accuracy, tokens and seconds per response, training cost, accuracy at token caps."""
    rows: list[CostRow] = []
    for model in study["models"]:
        found = [study["evals"].get((model, study["primary"], b)) for b in study["benchmarks"]]
        mean = mean_over(found, "pass@1") or mean_over(found, "greedy")
        tokens = [e["metrics"]["mean_tokens"]["value"] or 0.0 for e in found if e and "mean_tokens" in e["metrics"]]
        if not mean or not tokens:
            continue
        manifests = study["training"].get(model, [])
        samples = min(e["n_samples"] for e in found if e and "n_samples" in e) if all(e and "n_samples" in e for e in found) else None
        seconds = seconds_per_response(results, model)
        rows.append(
            {
                "model": model,
                "mean": mean,
                "tokens": sum(tokens) / len(tokens),
                "seconds": seconds * samples if seconds is not None and samples else None,
                "caps": _caps(found),
                "training": training_cost(manifests) if manifests else None,
            }
        )
    return rows


def seconds_per_response(results: Path, model: str) -> float | None:
    """Seconds of one engine (a GPU's, or on a CPU the host's) per response, over what its jobs made last; None where they made nothing."""
    made = seconds = 0.0
    for path in sorted((results / model / "generation").glob("*.json")):
        try:
            job = read_json(path)
        except UserError:
            continue
        made, seconds = made + (job.get("made") or 0), seconds + (job.get("seconds") or 0)
    return seconds / made if made else None


def _caps(results: Sequence[Evaluation | None]) -> dict[str, float]:
    """Mean accuracy by token cap; a benchmark whose responses are all shorter than a cap has its whole accuracy there."""
    caps = sorted({int(cap) for result in results if result for cap in result.get("token_caps", {})})
    found = {}
    for cap in caps:
        parts = [
            (result.get("token_caps", {}) if result else {}).get(str(cap)) or cell(result, "pass@1") or cell(result, "greedy")
            for result in results
        ]
        values = [part["value"] for part in parts if measured(part)]
        if len(values) == len(parts):
            found[str(cap)] = sum(values) / len(values)
    return found


def cost_warnings(comparisons: Sequence[ComparisonRow], costs: Sequence[CostRow]) -> list[str]:
    """A line per comparison of trained runs whose training cost differs by more than 5 %."""
    by_run = {row["model"]: row["training"] for row in costs if row["training"]}
    lines = []
    for row in comparisons:
        sides = [cost for runs in (row["runs"], row["against_runs"]) if (cost := _mean_cost([by_run.get(run) for run in runs]))]
        if row["against"] == "base" or len(sides) < 2:
            continue
        unit: Unit = "gpu_hours" if all(side["gpu_hours"] for side in sides) else "tokens"
        ours, theirs = (side[unit] for side in sides)
        if min(ours, theirs) > 0 and max(ours, theirs) / min(ours, theirs) - 1 > COST_DIFFERS:
            what = "GPU-hours" if unit == "gpu_hours" else "generated tokens"
            lines.append(
                f"{row['model']} and {row['against']} were not trained at equal cost: {charts.thousands(ours)} and "
                f"{charts.thousands(theirs)} {what} ({100 * (ours / theirs - 1):+.0f} %)."
            )
    return lines


def _mean_cost(costs: Sequence[TrainingCost | None]) -> Cost | None:
    found = [cost for cost in costs if cost]
    if not found or len(found) < len(costs):
        return None
    tokens, hours = sum(cost["tokens"] for cost in found), sum(cost["gpu_hours"] for cost in found)
    return {"tokens": tokens / len(found), "gpu_hours": hours / len(found)}
