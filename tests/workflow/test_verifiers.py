"""Verifiers that the workflow trains itself, from sampled solutions to a measured table: minutes of labels, training and scores."""

import json

import polars as pl
import pytest

from .conftest import copy_data

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]
OVERLAY = ("--configfile", "profiles/demo/demo.yaml", "profiles/demo/verifiers.yaml")
GOAL = 0.85  # of a trained verifier, on exact labels


def test_a_trained_verifier_names_the_first_wrong_step(finished, make_workflow):
    """Nobody tells it where a step is wrong: it learns right solutions, by the grader's verdict on their answers."""
    demo = copy_data(finished, make_workflow("verifiers"))
    done = demo.snakemake(*OVERLAY, "--", "verifiers", timeout=3500)
    assert done.returncode == 0, done.stdout[-5000:]
    results = demo.directory / "results/verifiers"
    labels = json.loads((results / "labels.json").read_text())
    assert labels["noise"]["labels"]["n"] > 1000 and labels["noise"]["labels"]["value"] < 0.1, labels["noise"]
    accepted = pl.read_parquet(results / "accepted.parquet")
    assert len(accepted) == labels["accepted"] > 300
    measured = json.loads((results / "measured.json").read_text())["step_sets"]["demo"]["verifiers"]
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
