"""What a reader needs to trust a headline: the endpoint and when it was fixed, all that was tried, power, controls and sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from mathrl.config.controls import sweeps
from mathrl.config.endpoint import Endpoint, changes
from mathrl.config.records import Registered
from mathrl.core.files import read_object
from mathrl.data.hints import StageSummary
from mathrl.evaluation.means import cell, clustered_error, mean_error, mean_over
from mathrl.evaluation.records import Sampled
from mathrl.report.records import ReferenceCell, ReferenceRow, ShownCalibration, SplitRow, Story, Study, SweepRow
from mathrl.statistics.calibration import HIGH_SHARE
from mathrl.statistics.records import Calibration, Cell, Mean, measured
from mathrl.training.records import Manifest


def endpoint_story(endpoint: Endpoint, register: Sequence[Registered], evaluated: Sequence[Sampled], damaged: int = 0) -> Story:
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
    if open_times := sum("checksum" not in entry for entry in register):
        lines.append(
            f"No hash covers the time of {open_times} of {len(register)} lines: an earlier version wrote them, or somebody edited them."
        )
    if damaged:
        lines.append(f"{damaged} line{'' if damaged == 1 else 's'} of the register {'is' if damaged == 1 else 'are'} not as written: ")
        lines[-1] += "cut off or edited, and left out here."
    return {"told": endpoint.told(), "sha256": endpoint.sha256[:16], "lines": lines, "late": late}


def endpoint_mean(study: Study, model: str) -> Mean | None:
    """What the study is judged by, {value, low, high, n}: the endpoint's metric of a model, mean over its benchmarks."""
    endpoint = study["endpoint"]
    return mean_over([study["evals"].get((model, endpoint.protocol, name)) for name in endpoint.benchmarks], endpoint.metric)


def sweep_rows(study: Study) -> list[SweepRow]:
    """A row per group of runs of each sweep: its dev accuracy at the exported checkpoint, its score, and whether dev chose it."""
    rows: list[SweepRow] = []
    for name, members in sweeps(study["config"]).items():
        family: list[SweepRow] = []
        for group, runs in study["groups"].items():
            if not set(runs) <= set(members):
                continue
            accuracies = [
                value
                for run in runs
                if (value := dev_accuracy(study["runs"][run]["manifests"] if run in study["runs"] else [])) is not None
            ]
            scores = [mean["value"] for run in runs if (mean := endpoint_mean(study, run))]
            dev = sum(accuracies) / len(accuracies) if len(accuracies) == len(runs) else None
            family.append({"sweep": name, "model": group, "dev": dev, "score": sum(scores) / len(scores) if scores else None})
        best = max((row["dev"] for row in family if row["dev"] is not None), default=None)
        rows += [{**row, "chosen": best is not None and row["dev"] == best} for row in family]
    return rows


def dev_accuracy(manifests: Sequence[Manifest]) -> float | None:
    """Accuracy on the dev split of the exported checkpoint of a run; None where it was not measured there."""
    if not manifests:
        return None
    curve = (manifests[-1].get("validation") or {}).get("dev") or {}
    return curve.get(str(manifests[-1].get("chosen_step")))


def reference_rows(study: Study) -> list[ReferenceRow]:
    """Ours beside the usual clustered errors, a row per model on the primary protocol: {model, cells: [(cell, low, high)]}."""
    rows: list[ReferenceRow] = []
    for model in study["models"]:
        results = [study["evals"].get((model, study["primary"], b)) for b in study["benchmarks"]]
        shown: list[tuple[Cell | None, float | None]] = [(cell(r, "pass@1"), clustered_error(r, "pass@1")) for r in results]
        shown.append((mean_over(results, "pass@1"), mean_error(results, "pass@1")))
        cells: list[ReferenceCell] = [
            {**part, "usual": (part["value"] - 1.96 * error, part["value"] + 1.96 * error)}
            for part, error in shown
            if measured(part) and error is not None
        ]
        if len(cells) == len(shown):
            rows.append({"model": model, "cells": cells})
    return rows


def split_rows(splits: Mapping[str, StageSummary]) -> list[SplitRow]:
    """Counts of the training files that add up: matched rows of training and of the dev split, which are removed from both.

    What is added to a stage's problems (augmented, repeated) is beside these.
    """
    rows: list[SplitRow] = []
    for name, split in splits.items():
        counts = split["counts"]
        outside = sum(value for key, value in counts.items() if key in ("near_dev", "not_measured") or key.startswith("outside_"))
        from_dev = max(counts["problems"] - counts["removed"] - outside - counts["train"] - counts["dev"], 0)
        rows.append(
            {
                "name": name,
                "data": split["settings"]["data"],
                "counts": counts,
                "removed": counts["removed"] + from_dev,
                "from_dev": from_dev,
                "outside": outside,
                "hints": split.get("hints"),
            }
        )
    return rows


def calibration(results: Path) -> ShownCalibration | None:
    """What `make calibrate` found, with a sentence: how often runs that differ in seed alone are claimed to differ.

    None where it has not run, and where its file is damaged: a study report stands without it.
    """
    found = cast(Calibration, read_object(results / "calibration.json"))
    shares, counts = ("low", "share", "high"), ("pairs", "seeds")
    if not all(_is_within(found.get(key), 0, 1) for key in shares) or not found["low"] <= found["share"] <= found["high"]:
        return None
    if not all(_is_within(found.get(key), 1, 1_000_000) and isinstance(found.get(key), int) for key in counts):
        return None
    return {**found, "shown": found["high"] <= HIGH_SHARE}


def _is_within(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
