"""Scores beside the bands that others published: who is compared with what, and in which words."""

import csv
import io

import pytest
import yaml
from mathrl.config import reading, validation
from mathrl.config.evaluation import Band
from mathrl.core.files import UserError
from mathrl.data.downloads import pin_rows
from mathrl.evaluation.bands import beside, in_words, verdict
from mathrl.evaluation.scores import score_table
from mathrl.report.page import scores_page
from mathrl.report.terminal import read_scores, tables

BAND = {"run": "grpo", "benchmark": "gsm8k", "low": 0.78, "high": 0.80, "source": "two <frameworks>"}


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (0.79, 0.77, 0.81, "within"),
        (0.78, 0.76, 0.80, "within"),  # both ends belong to the band
        (0.77, 0.75, 0.79, "below, but its interval reaches it"),
        (0.70, 0.68, 0.72, "below"),
        (0.81, 0.79, 0.83, "above, but its interval reaches it"),
        (0.90, 0.88, 0.92, "above"),
    ],
)
def test_verdicts(value, low, high, said):
    assert verdict({"value": value, "low": low, "high": high}, 0.78, 0.80) == said


def evaluation(value, n=100):
    right = round(value * n)
    columns = {"id": [str(i) for i in range(n)], "n": [1] * n, "correct": [1] * right + [0] * (n - right), "greedy": [None] * n}
    return {"metrics": {"pass@1": {"value": value, "low": value - 0.1, "high": value + 0.1, "n": n}}, "per_problem": columns}


@pytest.fixture
def table():
    """A run of two seeds, a run that no band is about, and a checkpoint."""
    scores = {"base": 0.5, "grpo-seed-1": 0.6, "grpo-seed-2": 0.79, "dapo": 0.79, "grpo-seed-1@last": 0.6}
    evals = {(model, "recipe", "gsm8k"): evaluation(value) for model, value in scores.items()}
    of_base = BAND | {"run": "base", "benchmark": "mean", "low": 0.5, "high": 0.5}
    bands = [Band(**BAND), Band(**of_base), Band(**BAND | {"metric": "greedy"})]
    groups = {"grpo": ["grpo-seed-1", "grpo-seed-2"], "dapo": ["dapo"]}
    return score_table(evals, [], list(scores), ["recipe"], ["gsm8k"], "recipe", groups, bands=bands)


def test_a_band_is_its_runs_replicates_and_their_means(table):
    said = {row["model"]: [in_words(entry) for entry in row["bands"]] for row in table.rows}
    assert said == {
        "base": ["mean 50.00, expected 50.00: within"],
        "grpo-seed-1": ["gsm8k 60.00, expected 78.00–80.00: below"],
        "grpo-seed-2": ["gsm8k 79.00, expected 78.00–80.00: within"],
        "grpo (2 seeds)": ["gsm8k 69.50, expected 78.00–80.00: below, but its interval reaches it"],
        "dapo": [],
        "grpo-seed-1@last": [],
    }


def test_every_form_of_the_table_says_it(table, tmp_path):
    line = "gsm8k 79.00, expected 78.00–80.00: within"
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert [row["bands"] for row in rows if row["model"] == "grpo-seed-2"] == [line]
    assert f"- grpo-seed-2: {line}. two &lt;frameworks&gt;." in table.markdown().splitlines()
    page = scores_page(table)
    assert f"grpo-seed-2: {line}." in page and "two &lt;frameworks&gt;" in page
    (tmp_path / "scores.csv").write_text(table.csv())
    assert f"grpo-seed-2: {line}" in [str(part) for part in tables(read_scores(tmp_path / "scores.csv"), every=False)]


def test_another_protocol_is_not_compared():
    row = {"protocol": "contest", "metric": "pass@1", "cells": {"gsm8k": {"value": 0.79, "low": 0.7, "high": 0.9}}, "mean": None}
    assert beside(row, {"grpo"}, [Band(**BAND)], "recipe") == []
    (found,) = beside(row, {"grpo"}, [Band(**BAND, protocol="contest")], "recipe")
    assert found["verdict"] == "within"
    assert beside(row, {"grpo"}, [Band(**BAND | {"benchmark": "mean"}, protocol="contest")], "recipe") == [], "no mean, no verdict"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 0.9}, "evaluation.bands.0: low 0.9 is more than high 0.8; write the lower one first"),
        ({"low": 78}, "low is 78; it must be at most 1"),
        ({"run": "grop"}, "evaluation.bands.0.run: unknown run 'grop'; known: base, grpo, "),
        ({"benchmark": "gsm9k"}, "evaluation.bands.0.benchmark: 'gsm9k' is not in benchmarks: aime24"),
        ({"protocol": "recipe"}, "evaluation.bands.0.protocol: 'recipe' is not in evaluation.select: finalist, contest; add it there"),
        ({"metric": "greedy"}, "evaluation.bands.0.metric: protocol contest makes no responses for greedy; write greedy: true there"),
        ({"metric": "pass@16"}, "metric"),
        ({"source": ""}, "source"),
        ({"bench": "gsm8k"}, "unknown key"),
    ],
)
def test_a_bad_band_is_one_line(root, change, message):
    config = yaml.safe_load((root / "config.yaml").read_text())
    config = reading.merge(config, {"evaluation": {"bands": [BAND | change]}})
    with pytest.raises(UserError) as error:
        validation.validate(config, lambda path: pin_rows(root / path))
    assert message in str(error.value) and "\n" not in str(error.value)
