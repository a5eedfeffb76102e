"""What a reader needs to trust a headline: the endpoint and when it was fixed, all that was tried, power, controls, sweeps and costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mathrl.config.controls import sweeps
from mathrl.config.endpoint import Endpoint, changes
from mathrl.config.runs import stages, start_of
from mathrl.core.files import UserError, read_json
from mathrl.evaluation.means import cell, clustered_error, mean_error, mean_over

COST_DIFFERS = 0.05  # share of training cost from which on two compared runs are not equals
HIGH_SHARE = 0.10  # upper limit of the share of false claims above which a page says "not shown"


def endpoint_story(
    endpoint: Endpoint, register: Sequence[Mapping[str, Any]], evaluated: Sequence[Mapping[str, Any]], damaged: int = 0
) -> dict[str, Any]:
    """When the endpoint was fixed, and whether it changed since: {"told", "sha256", "lines", "late"}; `damaged` lines are told too."""
    trained = [entry["first"] for entry in evaluated if entry["model"] != "base" and entry["first"]]
    first = min(trained, default="")
    lines, late = [], False
    if not register:
        lines.append("It was not registered: this folder has no register (checkpoints/endpoints.jsonl).")
        late = bool(evaluated)
    else:
        before = not first or register[0]["time"] <= first
        late = not before
        when = f"before the first benchmark sample of a trained run ({first})" if before and first else ""
        when = when or ("before any benchmark sample of a trained run" if before else f"after the first sample of a trained run ({first})")
        lines.append(f"Registered {register[0]['time']}, {when}, as sha256 {register[0]['sha256'][:16]}.")
        for entry, change in zip(register[1:], changes(register), strict=True):
            after = bool(first) and entry["time"] > first
            late |= after
            said = "after" if after else "before"
            lines.append(f"Changed {entry['time']}, {said} the first benchmark sample of a trained run: {change}.")
        if register[-1]["sha256"] != endpoint.sha256:
            late = True
            lines.append(f"This page uses another endpoint (sha256 {endpoint.sha256[:16]}) than the one that was registered last.")
    if damaged:
        lines.append(f"{damaged} line{'' if damaged == 1 else 's'} of the register {'is' if damaged == 1 else 'are'} not as written: ")
        lines[-1] += "cut off or edited, and left out here."
    return {"told": endpoint.told(), "sha256": endpoint.sha256[:16], "lines": lines, "late": late}


def sweep_rows(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per group of runs of each sweep: its dev accuracy at the exported checkpoint, its score, and whether dev chose it."""
    rows = []
    for name, members in sweeps(study["config"]).items():
        family = []
        for group, runs in study["groups"].items():
            if not set(runs) <= set(members):
                continue
            accuracies = [value for run in runs if (value := dev_accuracy(study["runs"].get(run, {}).get("manifests", []))) is not None]
            scores = [
                mean["value"]
                for run in runs
                if (mean := mean_over([study["evals"].get((run, study["primary"], b)) for b in study["endpoint"].benchmarks], "pass@1"))
            ]
            dev = sum(accuracies) / len(accuracies) if len(accuracies) == len(runs) else None
            family.append({"sweep": name, "model": group, "dev": dev, "score": sum(scores) / len(scores) if scores else None})
        best = max((row["dev"] for row in family if row["dev"] is not None), default=None)
        rows += [row | {"chosen": best is not None and row["dev"] == best} for row in family]
    return rows


def dev_accuracy(manifests: Sequence[Mapping[str, Any]]) -> float | None:
    """Accuracy on the dev split of the exported checkpoint of a run; None where it was not measured there."""
    if not manifests:
        return None
    curve = (manifests[-1].get("validation") or {}).get("dev") or {}
    return curve.get(str(manifests[-1].get("chosen_step")))


def training_manifests(results: Path, config: Mapping[str, Any], run: str, seen: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Manifests of all stages that a run's weights went through: its own, and those of the run that `start_from` names, and so on."""
    found: list[dict[str, Any]] = []
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


def training_cost(manifests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Generated tokens (prompts not counted, as in a budget) and GPU-hours of these stages, and the other runs among them."""
    tokens = sum(m["generated_tokens"] if m.get("generated_tokens") is not None else m.get("tokens") or 0 for m in manifests)
    hours = sum(m.get("gpu_hours") or 0 for m in manifests)
    return {"tokens": tokens, "gpu_hours": hours, "runs": list(dict.fromkeys(str(m.get("run")) for m in manifests))}


def cost_rows(study: Mapping[str, Any], results: Path) -> list[dict[str, Any]]:
    """A row per model under the primary protocol: accuracy, tokens and seconds per response, training cost, accuracy at token caps."""
    rows = []
    for model in study["models"]:
        found = [study["evals"].get((model, study["primary"], b)) for b in study["benchmarks"]]
        mean = mean_over(found, "pass@1") or mean_over(found, "greedy")
        tokens = [e["metrics"]["mean_tokens"]["value"] for e in found if e and "mean_tokens" in e["metrics"]]
        if not mean or not tokens:
            continue
        manifests = training_manifests(results, study["config"], model) if model in study["config"]["runs"] else []
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


def _caps(results: Sequence[Mapping[str, Any] | None]) -> dict[str, float]:
    """Mean accuracy by token cap; a benchmark whose responses are all shorter than a cap has its whole accuracy there."""
    caps = sorted({int(cap) for result in results if result for cap in result.get("token_caps", {})})
    found = {}
    for cap in caps:
        values = [
            (result or {}).get("token_caps", {}).get(str(cap), cell(result, "pass@1") or cell(result, "greedy") or {}).get("value")
            for result in results
        ]
        if all(value is not None for value in values):
            found[str(cap)] = sum(values) / len(values)
    return found


def cost_warnings(
    comparisons: Sequence[Mapping[str, Any]], groups: Mapping[str, Sequence[str]], costs: Sequence[Mapping[str, Any]]
) -> list[str]:
    """A line per comparison of trained runs whose training cost differs by more than 5 %."""
    by_run = {row["model"]: row["training"] for row in costs if row["training"]}
    lines = []
    for row in comparisons:
        others = next((runs for name, runs in groups.items() if row["against"].split(" (")[0] in (name, *runs)), None)
        sides = [_mean_cost([by_run.get(run) for run in runs]) for runs in (row["runs"], others or [])]
        if row["against"] == "base" or None in sides:
            continue
        unit = "gpu_hours" if all(side["gpu_hours"] for side in sides) else "tokens"
        ours, theirs = (side[unit] for side in sides)
        if min(ours, theirs) > 0 and max(ours, theirs) / min(ours, theirs) - 1 > COST_DIFFERS:
            what = "GPU-hours" if unit == "gpu_hours" else "generated tokens"
            lines.append(
                f"{row['model']} and {row['against']} were not trained at equal cost: {_round(ours)} and {_round(theirs)} {what} "
                f"({100 * (ours / theirs - 1):+.0f} %)."
            )
    return lines


def _mean_cost(costs: Sequence[Mapping[str, Any] | None]) -> dict[str, float] | None:
    found = [cost for cost in costs if cost]
    if not found or len(found) < len(costs):
        return None
    return {key: sum(cost[key] for cost in found) / len(found) for key in ("tokens", "gpu_hours")}


def _round(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f") if value >= 1000 else f"{value:.3g}"


def reference_rows(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ours beside the usual clustered errors, a row per model on the primary protocol: {model, cells: [(cell, low, high)]}."""
    rows = []
    for model in study["models"]:
        results = [study["evals"].get((model, study["primary"], b)) for b in study["benchmarks"]]
        shown = [(cell(r, "pass@1"), clustered_error(r, "pass@1")) for r in results]
        shown.append((mean_over(results, "pass@1"), mean_error(results, "pass@1")))
        if all(part and error is not None for part, error in shown):
            cells = [{**part, "usual": (part["value"] - 1.96 * error, part["value"] + 1.96 * error)} for part, error in shown]
            rows.append({"model": model, "cells": cells})
    return rows


def split_rows(splits: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Counts of the training files that add up: matched rows of training and of the dev split, which are removed from both."""
    rows = []
    for name, split in splits.items():
        counts = split["counts"]
        outside = sum(value for key, value in counts.items() if key not in ("problems", "removed", "train", "dev", "validation"))
        from_dev = max(counts["problems"] - counts["removed"] - outside - counts["train"] - counts["dev"], 0)
        rows.append(
            {
                "name": name,
                "data": split["settings"]["data"],
                "counts": counts,
                "removed": counts["removed"] + from_dev,
                "from_dev": from_dev,
                "outside": outside,
            }
        )
    return rows


def calibration(results: Path) -> dict[str, Any] | None:
    """What `make calibrate` found, with a sentence: how often runs that differ in seed alone are claimed to differ."""
    path = results / "calibration.json"
    try:
        found = read_json(path) if path.is_file() else None
    except UserError:
        found = None
    if not found or not math.isfinite(found.get("high", math.nan)):
        return None
    shown = found["high"] <= HIGH_SHARE
    return found | {"shown": shown}
