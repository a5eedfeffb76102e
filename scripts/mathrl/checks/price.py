"""What it costs that training is deterministic, and that nothing damaged is used in silence, by a study that has ended on this machine."""

from __future__ import annotations

import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mathrl.config.determinism import ONE_THREAD
from mathrl.core import checksums
from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError, read_json
from mathrl.core.hashes import model_sha256, sha256_files
from mathrl.core.tensorboard import read_scalars
from mathrl.training import checkpoints, logged
from mathrl.training.records import Manifest


def step_seconds(study: Path, run: str, steps: int, rounds: int, out: Path) -> dict[bool, list[float]]:
    """Seconds of each step but the first of short trainings, by whether they are deterministic; the two kinds take turns.

    Each has one thread per process, as the demo trains. What is trained lies below `out`.

    Raises:
        UserError: a training failed; the line names its log.
    """
    found: dict[bool, list[float]] = {False: [], True: []}
    for number in range(rounds):
        for deterministic in (number % 2 == 0, number % 2 == 1):
            place = out / f"{number}-{'with' if deterministic else 'without'}"
            found[deterministic] += _train(study, run, steps, deterministic, place)
    return found


def _train(study: Path, run: str, steps: int, deterministic: bool, place: Path) -> list[float]:
    manifest: Manifest = read_json(study / f"results/{run}/main/manifest.json")
    ends = {"steps": steps, "save_every": steps, "validate_every": steps, "validate_before": False, "choose": "last", "adopt": None}
    config = {**manifest["config"], **ends, "deterministic": deterministic}
    data = study / f"results/{run}/main"
    place.mkdir(parents=True)
    command: list[str | Path] = [sys.executable, SCRIPTS / "run_job.py", "--grace", "60", "--", sys.executable, SCRIPTS / "train_policy.py"]
    command += ["--run", run, "--accelerator", "cpu", "--config", json.dumps(config), "--model", study / manifest["start_model"]]
    command += ["--train", data / "train.parquet", "--validation", data / "val.parquet", "--checkpoints", place / "checkpoints"]
    command += ["--log", place / "verl.log", "--manifest", place / "manifest.json"]
    with open(place / "lines", "w") as lines:
        done = subprocess.run(command, cwd=place, stdout=lines, stderr=lines, env={**os.environ, **ONE_THREAD})
    if done.returncode:
        raise UserError(f"{place / 'lines'}: the training failed; its log is {place / 'verl.log'}")
    curve = read_scalars(read_json(place / "manifest.json")["tensorboard"])["timing_s/step"]
    shutil.rmtree(place / "checkpoints")
    return [seconds for step, seconds in curve if 1 < step < steps]  # the last holds its save and validation


def check_seconds(study: Path, run: str) -> dict[str, tuple[float, float]]:
    """By what is checked: seconds of all its checks in a study made without an interruption, and of the work that they belong to.

    The files are read once before, as whoever wrote them has just done.
    """
    manifest: Manifest = read_json(study / f"results/{run}/main/manifest.json")
    directory, model = study / manifest["checkpoints"], study / manifest["start_model"]
    saves = checkpoints.steps(directory)
    if not saves:
        raise UserError(f"{directory}: holds no checkpoint; train run {run} first")
    newest = directory / f"global_step_{saves[-1]}"
    count = manifest["steps"] // int(manifest["config"]["save_every"])
    of_training = count * (_seconds(lambda: checkpoints.damage(newest)) + _seconds(lambda: logged.check(directory)))
    of_training += _seconds(lambda: model_sha256(model)) + _seconds(lambda: checkpoints.check(newest))
    before = os.getcwd()
    os.chdir(study)  # what is noted is looked for from there
    try:
        files = [file for path, record in checksums.records() for file in checksums.files_of(path, checksums.noted(record))]
    finally:
        os.chdir(before)
    of_study = 2 * _seconds(lambda: sha256_files([study / file for file in files]))  # once as it is written, once as it is read
    whole = sum(_job_seconds(path) for path in (study / "logs").rglob("*.tsv"))
    return {"training": (of_training, manifest["seconds"]), "results and resources": (of_study, whole)}


def _seconds(call: Callable[[], object]) -> float:
    call()
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _job_seconds(timing: Path) -> float:
    with open(timing, newline="") as lines:
        return sum(float(row["s"]) for row in csv.DictReader(lines, delimiter="\t"))


def told(seconds: dict[bool, list[float]]) -> list[str]:
    """The two kinds of steps, a line each, and what one is of the other."""
    lines = []
    for deterministic, found in seconds.items():
        low, middle, high = statistics.quantiles(found, n=4)
        name = "deterministic: true" if deterministic else "deterministic: false"
        lines.append(f"{name:22} {middle:6.2f} s per step (quartiles {low:.2f} to {high:.2f}; {len(found)} steps)")
    ratio = statistics.median(seconds[True]) / statistics.median(seconds[False])
    return [*lines, f"price: {ratio - 1:+.1%}"]
