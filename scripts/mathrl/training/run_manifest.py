"""The manifest of a run: what a reader asks of the manifests of its stages, in one file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import cast

from mathrl.core.files import UserError, read_json
from mathrl.core.provenance import provenance
from mathrl.training.records import RunManifest, StageOfRun

KEYS = ("steps", "stopped_by", "chosen_step", "chosen_why", "fingerprint")


def run_manifest(run: str, paths: Sequence[str | os.PathLike]) -> RunManifest:
    """`stages`, in order, each with its name and `KEYS`, and the steps of all of them.

    Raises:
        UserError: a manifest belongs to another run or lacks a key.
    """
    stages: list[StageOfRun] = []
    for path in paths:
        manifest = read_json(path)
        missing = [key for key in ("run", "stage", *KEYS) if key not in manifest]
        if missing:
            raise UserError(f"{path}: is no manifest of a stage, it lacks '{missing[0]}'; train it again")
        if manifest["run"] != run:
            raise UserError(f"{path}: is of run {manifest['run']}, not of {run}; give the manifests of one run")
        stages.append(cast(StageOfRun, {"stage": manifest["stage"], **{key: manifest[key] for key in KEYS}}))
    return {
        "schema_version": 1,
        "run": run,
        "steps": sum(stage["steps"] for stage in stages),
        "stages": stages,
        "provenance": provenance(inputs={stage["stage"]: path for stage, path in zip(stages, paths, strict=True)}),
    }
