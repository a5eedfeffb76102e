"""The score table and what it says about what it lacks."""

import csv
import io
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.core.files import write_json
from mathrl.evaluation.scores import PUBLISHED, PUBLISHED_BENCHMARKS, load_evals, mean_cell, table, to_csv, to_markdown
from mathrl.statistics.comparisons import claim, compare_all, compare_seeds, run_groups

ROOT = Path(__file__).parents[2]
SIX = sorted(PUBLISHED_BENCHMARKS)


def share(value, n=30):
    return {"value": value, "low": max(0.0, value - 0.1), "high": min(1.0, value + 0.1), "n": n}


def evaluation(value):
    metrics = {"pass@1": share(value), "greedy": share(value / 2), "maj@4": share(value)}
    table = {"id": ["a", "b"], "n": [4, 4], "correct": [round(8 * value), 0], "greedy": [None, None]}
    return {
        "metrics": metrics,
        "per_problem": table,
        "clean_subset": {"available": True, "clean": share(value), "contaminated": share(0.0, 0)},
    }


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
        ("plot_training.py", ["--runs", "grpo", "--out", "o"], "must be RUN=STAGE"),
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
    config = {"benchmarks": SIX, "evaluation": {}, "training": {"learning_rate": 1, "seed": 1}, "runs": {"grpo": {}, "again": {"seed": 2}}}
    for more, said in ((["--config", json.dumps(config)], "no claim between algorithms"), ([], "no claim between algorithms")):
        done = run("tabulate_scores.py", "--results", results, *common, "--out", tmp_path / "scores", *more)
        assert done.returncode == 0, done.stderr
        text = (tmp_path / "scores.md").read_text()
        assert "| grpo | base | problems | **+" in text and said in text


def scored(*counts):
    """An eval JSON in which problem i has counts[i] right samples of four."""
    metrics = {"pass@1": share(sum(counts) / 4 / len(counts), len(counts))}
    ids = [str(place) for place in range(len(counts))]
    columns = {"id": ids, "n": [4] * len(ids), "correct": list(counts), "greedy": [None] * len(ids), "contaminated": [""] * len(ids)}
    return {"metrics": metrics, "per_problem": columns, "clean_subset": {"available": False}}


SEEDS = {"base": (0, 0, 1, 0), "grpo-seed-1": (2, 1, 1, 0), "grpo-seed-2": (3, 1, 1, 1), "grpo-seed-3": (2, 2, 1, 1), "dapo": (4, 2, 1, 1)}
GROUPS = {"grpo": ["grpo-seed-1", "grpo-seed-2", "grpo-seed-3"], "dapo": ["dapo"]}


@pytest.fixture
def seeds():
    """Three replicates of one run, a run of one seed, and a checkpoint on its way, on one benchmark."""
    return {(model, "p", "toy"): scored(*counts) for model, counts in (SEEDS | {"dapo@step-10": (1, 1, 1, 0)}).items()}


def test_seed_interval_against_base_by_hand(seeds):
    runs = [{"toy": seeds[run, "p", "toy"]} for run in GROUPS["grpo"]]
    found = compare_seeds(runs, [{"toy": seeds["base", "p", "toy"]}], ["toy"])
    differences = [3 / 16, 5 / 16, 5 / 16]  # (4 − 1) / 16, (6 − 1) / 16, (6 − 1) / 16
    half = 4.302653 * statistics.stdev(differences) / 3**0.5  # Student's quantile with two degrees of freedom
    mean = statistics.mean(differences)
    assert found["mean"] == {"value": pytest.approx(mean), "low": pytest.approx(mean - half), "high": pytest.approx(mean + half), "n": 3}
    assert found["benchmarks"]["toy"] == found["mean"] and 0.01 < found["p"] < 0.05


def test_two_groups_of_replicates_by_welch():
    from scipy.stats import ttest_ind

    first, second = [(4, 3), (3, 3), (4, 4)], [(1, 2), (2, 2)]
    found = compare_seeds([{"toy": scored(*c)} for c in first], [{"toy": scored(*c)} for c in second], ["toy"])
    expected = ttest_ind([sum(c) / 8 for c in first], [sum(c) / 8 for c in second], equal_var=False)
    assert found["p"] == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval(0.95)
    assert (found["mean"]["low"], found["mean"]["high"]) == (pytest.approx(low), pytest.approx(high))


def test_replicates_are_compared_once_and_checkpoints_never(seeds):
    rows = compare_all(seeds, GROUPS, "p", ["toy"])
    assert [(row["model"], row["against"], row["level"]) for row in rows] == [
        ("grpo (3 seeds)", "base", "seeds"),
        ("dapo", "base", "problems"),
        ("dapo", "grpo (3 seeds)", "problems"),  # one seed against three says nothing about another seed
    ]
    assert rows[0]["mean"]["n"] == 3
    assert rows[2]["mean"]["value"] == pytest.approx(8 / 16 - (4 + 6 + 6) / 3 / 16), "replicates are averaged problem by problem"


def test_replicates_and_checkpoints_have_rows_of_their_own_kind(seeds):
    models = [*SEEDS, "dapo@step-10"]
    rows = table(seeds, models, ["p"], ["toy"], "p", GROUPS)
    assert [(row["model"], row["kind"]) for row in rows] == [
        ("base", "measured"),
        *((run, "measured") for run in GROUPS["grpo"]),
        ("dapo", "measured"),
        ("dapo@step-10", "checkpoint"),
        ("grpo (3 seeds)", "seeds"),
    ]
    pooled = rows[-1]["cells"]["toy"]
    assert pooled["value"] == pytest.approx(16 / 48) and pooled["low"] < 4 / 16 and pooled["n"] == 4
    assert "| dapo@step-10 (checkpoint) |" in to_markdown(rows, ["toy"], [])


@pytest.mark.parametrize(
    ("groups", "said", "not_said"),
    [
        ({}, "nothing to claim", "Replicates"),
        ({"grpo": ["grpo"], "dapo": ["dapo"]}, "no claim between algorithms is made", "Replicates"),
        ({"grpo": ["a", "b"], "dapo": ["dapo"]}, "Nothing else has replicates, so that no claim between algorithms is made", "dapo"),
        ({"grpo": ["a", "b"], "dapo": ["c", "d"]}, "Replicates over seeds: grpo (2 seeds), dapo (2 seeds)", "no claim"),
        ({"grpo": ["a", "b"], "dapo": ["c", "d"], "x": ["x"]}, "With a single seed x enter no claim between algorithms", "Nothing else"),
    ],
)
def test_what_may_be_claimed(groups, said, not_said):
    assert said in claim(groups) and not_said not in claim(groups)


def test_groups_of_the_configuration_are_its_replicates(config):
    from mathrl.config.experiment import spelled_out
    from mathrl.config.reading import expanded

    config |= {"runs": {"grpo": {"seeds": [1, 2]}, "wide": {"sweep": {"rollout_n": [4, 8]}, "seeds": [1, 2]}}, "select": ["grpo", "wide"]}
    groups = expanded(config)[1]
    study = spelled_out(config)
    found = run_groups(study, study.select)
    wanted = {}
    for run, entry in groups.items():
        wanted.setdefault(entry["group"], []).append(run)
    assert found == wanted and len(found) == 3


def test_groups_on_the_command_line(seeds, tmp_path):
    for (model, protocol, benchmark), result in seeds.items():
        write_json(tmp_path / f"{model}/{protocol}/eval/{benchmark}.json", result)
    common = ["--results", tmp_path, "--models", *SEEDS, "--protocols", "p", "--benchmarks", "toy", "--out", tmp_path / "scores"]
    done = run("tabulate_scores.py", *common, "--group", f"grpo={','.join(GROUPS['grpo'])}")
    assert done.returncode == 0, done.stderr
    assert "| grpo (3 seeds) | base | seeds | **+27.08" in (tmp_path / "scores.md").read_text()
    for wrong in ("grpo=grpo-seed-1,nobody", "grpo"):
        done = run("tabulate_scores.py", *common, "--group", wrong)
        assert done.returncode == 2 and "must be NAME=RUN,RUN" in done.stderr
