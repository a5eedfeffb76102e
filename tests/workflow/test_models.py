"""Further models and checkpoints along training: planned without training anything, and evaluated by the very rules."""

import csv
import json
import shutil

import pytest

from .conftest import Workflow, job_counts


@pytest.fixture(scope="module")
def fresh(make_workflow):
    workflow = make_workflow("models")
    theirs = workflow.directory / "theirs"
    theirs.mkdir()
    for name in ("config.json", "model.safetensors"):
        (theirs / name).write_text("{}")
    return workflow


def overlay(workflow, **settings):
    """Arguments that lay `settings` over the demo's."""
    (workflow.directory / "more.json").write_text(json.dumps(settings))
    return "--configfile", "profiles/demo/demo.yaml", "more.json"


def test_models_and_checkpoints_are_planned(fresh):
    more = overlay(fresh, models={"theirs": "theirs", "pinned": "demo-base"}, evaluation={"steps": [50, "best"]})
    jobs = fresh.planned(*more)
    assert (jobs["train_policy"], jobs["export_model"], jobs["export_checkpoint"]) == (1, 1, 2)
    assert jobs["generate_samples"] == 6, "base, two further models, the run and two checkpoints of it"
    assert jobs["grade_samples"] == 6 * 3
    assert "merge_checkpoint" not in jobs, "neither is a checkpoint of verl"


def test_models_alone_need_no_training(fresh):
    jobs = fresh.planned(*overlay(fresh, models={"theirs": "theirs"}, select=[]))
    assert "train_policy" not in jobs and jobs["generate_samples"] == 2


def test_a_missing_model_is_one_line(fresh):
    done = fresh.snakemake("-n", *overlay(fresh, models={"theirs": "nowhere"}))
    assert done.returncode != 0 and "config: models.theirs: 'nowhere' is no directory and no model of" in " ".join(done.stdout.split())


@pytest.mark.full
@pytest.mark.workflow
def test_models_and_checkpoints_are_evaluated(finished, tmp_path):
    """A twin of the base model, a checkpoint of verl and the run's last one are known weights: only step 50 is sampled."""
    shutil.copytree(finished.directory, tmp_path / "workflow", symlinks=True)
    workflow = Workflow(tmp_path / "workflow")
    manifest = json.loads((workflow.directory / "results/grpo/main/manifest.json").read_text())
    models = {"twin": "resources/models/demo-base", "theirs": f"{manifest['checkpoints']}/global_step_60"}
    more = overlay(workflow, models=models, evaluation={"steps": [50, "last"]})
    done = workflow.snakemake(*more)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "train_policy" not in job_counts(done.stdout)
    made = {}
    for model in ("twin", "theirs", "grpo@step-50", "grpo@last"):
        made[model] = json.loads((workflow.directory / f"results/{model}/generation/0.json").read_text())["made"]
    assert made.pop("grpo@step-50") == 3 * 100 * 5 and set(made.values()) == {0}, "what is known by its weights is sampled once"
    with open(workflow.directory / "results/scores.csv") as handle:
        rows = {row["model"]: row for row in csv.DictReader(handle) if row["metric"] == "pass@1"}
    assert rows["twin"]["mean"] == rows["base"]["mean"] and rows["theirs"]["mean"] == rows["grpo@last"]["mean"] == rows["grpo"]["mean"]
    assert {model: row["kind"] for model, row in rows.items()} == {
        **dict.fromkeys(("base", "twin", "theirs", "grpo"), "measured"),
        **dict.fromkeys(("grpo@step-50", "grpo@last"), "checkpoint"),
    }
    page = (workflow.directory / "results/report.html").read_text()
    assert "<h3>Along training</h3>" in page and "Holm's correction counts 1 comparison." in page
