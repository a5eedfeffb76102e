"""Verifiers that the workflow trains itself, from sampled solutions to a measured table, killed on the way: labels, training and scores."""

import os
import random
import signal
import time

import polars as pl
import pytest
from mathrl.core.files import read_json
from support.waiting import wait_for

from .conftest import Workflow, copy_data

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]
OVERLAY = ("--configfile", "profiles/demo/demo.yaml", "profiles/demo/verifiers.yaml")
GOAL = 0.85  # of a trained verifier, on exact labels
# Words of a job's command, for each kill: solutions and completions are sampled, labelled, learned from, scored.
KILLED = ("solution_samples", "completion_samples", "label_steps.py", "--run checker", "score_step_sets.py")


def kill_at(workflow: Workflow, word: str, chance: random.Random) -> str:
    """Start the study and kill one process of the job with this word in its command, or Snakemake; who it was."""
    process = workflow.start(*OVERLAY, "--", "verifiers")

    def at_work() -> list[int]:
        return [pid for pid, command in workflow.processes().items() if word in command and pid != process.pid]

    wait_for(lambda: at_work() or process.poll() is not None, 1500, word)
    time.sleep(chance.uniform(0.5, 4))
    assert process.poll() is None, f"it ended before {word}"
    victim = chance.choice([*at_work(), process.pid])
    os.kill(victim, signal.SIGKILL)
    process.wait(timeout=600)
    recovered = workflow.run(".venv-driver/bin/python", "scripts/recover_workflow.py", "--directory", ".")
    assert recovered.returncode == 0, recovered.stdout
    return f"{word}: {'Snakemake' if victim == process.pid else 'the job'}"


def test_a_trained_verifier_names_the_first_wrong_step_though_its_study_was_killed(finished, make_workflow):
    """Nobody tells it where a step is wrong: it learns right solutions, by the grader's verdict on their answers."""
    calm = copy_data(finished, make_workflow("calm"))
    done = calm.snakemake(*OVERLAY, "--", "results/verifiers/labels.json", timeout=1500)
    assert done.returncode == 0, done.stdout[-5000:]
    demo = copy_data(finished, make_workflow("verifiers"))
    chance = random.Random(7)
    victims = [kill_at(demo, word, chance) for word in KILLED]
    done = demo.snakemake(*OVERLAY, "--", "verifiers", timeout=2500)
    assert done.returncode == 0, done.stdout[-5000:]
    results = demo.directory / "results/verifiers"
    for name in ("labels.parquet", "accepted.parquet"):
        assert (results / name).read_bytes() == (calm.directory / "results/verifiers" / name).read_bytes(), victims
    labels = read_json(results / "labels.json")
    assert labels["noise"]["labels"]["n"] > 1000 and labels["noise"]["labels"]["value"] < 0.1, labels["noise"]
    assert len(pl.read_parquet(results / "accepted.parquet")) == labels["accepted"] > 300
    measured = read_json(results / "measured.json")["step_sets"]["demo"]["verifiers"]
    assert {name: one["kind"] for name, one in measured.items()} == {
        "equalities": "arithmetic",
        "checker": "prm",
        "likely": "likelihood",
        "both": "ensemble",
    }
    assert measured["likely"]["f1"]["value"] >= GOAL, measured["likely"]
    assert measured["likely"]["clean"]["value"] >= GOAL, "it flags right solutions"
    page = (demo.directory / "results/steps.html").read_text()
    assert all(name in page for name in measured)
