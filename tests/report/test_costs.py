"""Cost has one definition: generated tokens and GPU-hours of all stages that the weights went through, in tables and charts alike."""

import re

import pytest
from mathrl.config.endpoint import Endpoint
from mathrl.config.experiment import spelled_out
from mathrl.core.files import write_json
from mathrl.report.costs import cost_at, cost_rows, cost_warnings, generated_tokens, training_cost, training_manifests
from mathrl.report.effect_charts import cost_charts
from mathrl.report.evidence import sweep_rows


def manifest(run, stage, steps, tokens, hours, **more):
    return {"run": run, "stage": stage, "steps": steps, "generated_tokens": tokens, "tokens": 9 * tokens, "gpu_hours": hours} | more


FIRST = manifest("first", "main", 10, 1000, 1.0)
OWN = [manifest("run", "a", 20, 4000, 2.0), manifest("run", "b", 10, 1000, 5.0, chosen_step=5)]


def test_prompts_are_no_cost():
    assert (
        generated_tokens(FIRST) == 1000
        and generated_tokens({"tokens": 7}) == 7
        and generated_tokens({"generated_tokens": 0, "tokens": 7}) == 0
    )
    assert training_cost([FIRST, *OWN]) == {"tokens": 6000, "gpu_hours": 8.0, "runs": ["first", "run"]} and training_cost([])["tokens"] == 0


@pytest.mark.parametrize(
    ("step", "tokens", "hours"), [(0, 1000, 1.0), (10, 3000, 2.0), (20, 5000, 3.0), (25, 5500, 5.5), (30, 6000, 8.0), (99, 6000, 8.0)]
)
def test_a_checkpoint_costs_what_lies_before_it(step, tokens, hours):
    assert cost_at([FIRST, *OWN], "run", 30, step) == {"tokens": tokens, "gpu_hours": hours}


def test_a_stage_that_led_to_nothing_costs_its_successor_nothing():
    """Stage b starts from the base model: steps are counted from a on, but a is not among what the weights went through."""
    assert cost_at(OWN[1:], "run", 30, 25) == {"tokens": 500, "gpu_hours": 2.5}


def test_manifests_follow_start_from(config, tmp_path):
    config |= {"runs": {"first": {}, "run": {"start_from": "first"}}, "select": ["run"]}
    for run in ("first", "run"):
        write_json(tmp_path / run / "main/manifest.json", manifest(run, "main", 10, 1, 1.0))
    assert [m["run"] for m in training_manifests(tmp_path, spelled_out(config), "run")] == ["first", "run"]


def evaluation(right):
    metrics = {"pass@1": {"value": right / 4, "low": 0.0, "high": 1.0, "n": 2}, "greedy": {"value": 0.5, "low": 0.0, "high": 1.0, "n": 2}}
    columns = {"id": ["a", "b"], "n": [4, 4], "correct": [right, right], "greedy": [1, 0]}
    return {"metrics": metrics, "per_problem": columns}


def test_caps_of_the_page_are_means_over_benchmarks(tmp_path):
    """Responses of the second benchmark are all shorter than 512 tokens: there it has its whole accuracy."""
    long, short = evaluation(2), evaluation(3)
    for one, caps in ((long, {"256": 0.125, "512": 0.25}), (short, {"256": 0.5})):
        one["token_caps"] = {cap: {"value": value, "low": 0.0, "high": 1.0, "n": 2} for cap, value in caps.items()}
        one["metrics"]["mean_tokens"], one["n_samples"] = {"value": 300.0, "low": 0.0, "high": 1.0, "n": 2}, 4
    evals = {("base", "p", "long"): long, ("base", "p", "short"): short}
    study = {"models": ["base"], "primary": "p", "benchmarks": ["long", "short"], "evals": evals, "training": {}}
    (row,) = cost_rows(study, tmp_path)
    assert row["caps"] == {"256": (0.125 + 0.5) / 2, "512": (0.25 + 0.75) / 2} and row["tokens"] == 300


@pytest.fixture
def study():
    models = ("base", "run", "run@step-10")
    evals = {(model, "p", name): evaluation(number + 1) for number, model in enumerate(models) for name in ("toy", "other")}
    endpoint = Endpoint("p", ("toy",), metric="greedy")
    runs = {"run": {"stages": [{"from": 0, "to": 20}, {"from": 20, "to": 30}], "manifests": OWN}}
    checkpoints = [{"model": "run@step-10", "run": "run", "step": 10}]
    config = {"runs": {"run": {}}, "evaluation": {}}
    return {
        "models": list(models[:2]), "evals": evals, "endpoint": endpoint, "primary": "p", "benchmarks": ["toy", "other"], "runs": runs,
        "checkpoints": checkpoints, "training": {"run": [FIRST, *OWN]}, "config": config, "groups": {"run": ["run"]},
    }  # fmt: skip


def test_the_chart_counts_what_the_table_counts(study):
    """The same tokens, with those of the run that it started from, and the endpoint's own metric and benchmarks."""
    (name, svg, caption), (_, hours, _) = cost_charts(study)
    assert name == "cost_tokens" and "tokens that training generated" in svg and "read" not in caption
    assert re.findall(r"<title>run: (\S+) % at (\S+)</title>", svg) == [("50", "0"), ("50", "3k"), ("50", "5500")], "greedy: one of two"
    assert re.findall(r"<title>run: \S+ % at (\S+)</title>", hours) == ["0", "2", "5.5"]
    assert caption.startswith("greedy under p, mean over toy,")


def test_a_sweep_is_scored_by_the_endpoint(study, monkeypatch):
    monkeypatch.setattr("mathrl.report.evidence.sweeps", lambda config: {"family": ["run"]})
    assert [row["score"] for row in sweep_rows(study)] == [0.5]


def test_unequal_cost_is_told_whatever_a_group_is_called():
    costs = [{"model": run, "training": {"tokens": 1000 * n, "gpu_hours": 0}} for n, run in enumerate(("a", "b (2 seeds)"), 1)]
    row = {"model": "a", "runs": ["a"], "against": "b (2 seeds)", "against_runs": ["b (2 seeds)"]}
    (line,) = cost_warnings([row], costs)
    assert "1\u202f000 and 2\u202f000 generated tokens (-50 %)" in line


@pytest.mark.parametrize(("tokens", "told"), [(1049, 0), (1051, 1), (952, 1), (953, 0)])
def test_cost_is_unequal_from_more_than_5_percent_on(tokens, told):
    costs = [{"model": run, "training": {"tokens": n, "gpu_hours": 0}} for run, n in (("a", tokens), ("b", 1000))]
    assert len(cost_warnings([{"model": "a", "runs": ["a"], "against": "b", "against_runs": ["b"]}], costs)) == told
