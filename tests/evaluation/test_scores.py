"""The score table and what it says about what it lacks."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.io import write_json
from mathrl.scores import PUBLISHED, PUBLISHED_BENCHMARKS, load_evals, mean_cell, table, to_csv, to_markdown

ROOT = Path(__file__).parents[2]
SIX = sorted(PUBLISHED_BENCHMARKS)


def share(value, n=30):
    return {"value": value, "low": max(0.0, value - 0.1), "high": min(1.0, value + 0.1), "n": n}


def evaluation(value):
    metrics = {"pass@1": share(value), "greedy": share(value / 2), "maj@4": share(value)}
    table = {"id": ["a", "b"], "n": [4, 4], "correct": [round(8 * value), 0], "greedy": [None, None]}
    return {"metrics": metrics, "per_problem": table, "clean_subset": {"available": True, "clean": share(value), "touched": share(0.0, 0)}}


@pytest.fixture
def results(tmp_path):
    for model, value in (("base", 0.1), ("grpo", 0.2)):
        for benchmark in SIX:
            if (model, benchmark) != ("grpo", "aime24"):
                write_json(tmp_path / f"{model}/contest/eval/{benchmark}.json", evaluation(value))
    return tmp_path


def test_rows_columns_and_the_mean(results):
    evals, missing = load_evals(results, ["base", "grpo"], ["contest"], SIX)
    rows = table(evals, ["base", "grpo"], ["contest"], SIX, "contest")
    parsed = list(csv.DictReader(io.StringIO(to_csv(rows, SIX))))
    base, grpo = parsed[0], parsed[1]
    assert (base["model"], base["mean"], base["gsm8k"], base["gsm8k_n"]) == ("base", "10.00", "10.00", "30")
    assert float(base["mean_high"]) - 10 == pytest.approx(10 / 6**0.5, abs=0.01), "six equal intervals: narrower by the root of six"
    assert (grpo["mean"], grpo["aime24"], grpo["gsm8k"]) == ("", "", "20.00"), "no mean over fewer benchmarks"
    assert [entry["path"].endswith("grpo/contest/eval/aime24.json") for entry in missing] == [True]
    assert "snakemake" in missing[0]["make"]
    assert missing[0]["make"] in to_markdown(rows, SIX, missing)


def test_published_rows_cannot_be_taken_for_measured_ones(results):
    evals, _ = load_evals(results, ["base"], ["contest"], SIX)
    rows = [row for row in table(evals, ["base"], ["contest"], SIX, "contest") if row["kind"] == "published"]
    assert [row["mean"]["value"] for row in rows] == pytest.approx([0.0765, 0.1302, 0.139])
    for row in rows:
        assert row["model"].startswith("published: ") and row["source"] and row["mean"]["low"] is None
    assert all(entry["source"] for entry in PUBLISHED)
    parsed = list(csv.DictReader(io.StringIO(to_csv(rows, SIX))))
    assert {row["kind"] for row in parsed} == {"published"} and not parsed[0]["mean_low"]


def test_published_rows_stand_only_beside_the_same_benchmarks(results):
    evals, _ = load_evals(results, ["base"], ["contest"], SIX[:5])
    assert all(row["kind"] == "measured" for row in table(evals, ["base"], ["contest"], SIX[:5], "contest"))


def test_published_mean_is_the_mean_of_its_benchmarks():
    values = PUBLISHED[0]["benchmarks"].values()
    assert sum(values) / len(values) == pytest.approx(PUBLISHED[0]["mean"], abs=0.01)


def test_mean_needs_every_benchmark():
    assert mean_cell([share(0.1), None]) is None and mean_cell([]) is None


def run(script, *arguments):
    return subprocess.run([sys.executable, ROOT / "scripts" / script, *arguments], capture_output=True, text=True)


def test_scripts(results, tmp_path):
    out = tmp_path / "scores"
    common = ["--models", "base", "grpo", "--protocols", "contest", "--benchmarks", *SIX]
    done = run("tabulate_scores.py", "--results", results, *common, "--out", out)
    assert done.returncode == 0, done.stderr
    shown = run("show_scores.py", "--scores", f"{out}.csv")
    assert shown.returncode == 0 and "base" in shown.stdout and "10.00" in shown.stdout and "quoted" in shown.stdout


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (
            "tabulate_scores.py",
            ["--results", "x", "--models", "m", "--protocols", "p", "--benchmarks", "b", "--out", "o"],
            "holds no eval JSON",
        ),
        ("show_scores.py", ["--scores", "nowhere.csv"], "nowhere.csv: no such file"),
        ("plot_training.py", ["--runs", "grpo", "--out", "o"], "expected RUN=STAGE"),
        ("render_report.py", ["--config", "{", "--models", "m", "--out", "o"], "is no JSON"),
        ("render_report.py", ["--config", "{}", "--models", "m", "--out", "o"], "lacks the key"),
        ("simulate_intervals.py", ["--repeats", "0"], "at least 1"),
    ],
)
def test_bad_input_is_one_line(script, arguments, message, tmp_path):
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_comparisons_stand_in_the_table_with_what_may_be_claimed(results, tmp_path):
    write_json(results / "grpo/contest/eval/aime24.json", evaluation(0.2))
    common = ["--models", "base", "grpo", "--protocols", "contest", "--benchmarks", *SIX]
    config = {"benchmarks": SIX, "evaluation": {}, "training": {"lr": 1, "seed": 1}, "runs": {"grpo": {}, "again": {"seed": 2}}}
    for more, said in ((["--config", json.dumps(config)], "no claim between algorithms"), ([], "no claim between algorithms")):
        done = run("tabulate_scores.py", "--results", results, *common, "--out", tmp_path / "scores", *more)
        assert done.returncode == 0, done.stderr
        text = (tmp_path / "scores.md").read_text()
        assert "| grpo | base | problems | **+" in text and said in text
