"""What the stages of a run leave each other of its budget."""

import json

import pytest
from mathrl.config.stage import Budget
from mathrl.report.figures import run_curves
from mathrl.training import budget
from support.models import NO_WEIGHTS

NONE = {"tokens": None, "gpu_hours": None}


def finished(tokens=0, seconds=0.0, gpus=6):
    return {"generated_tokens": tokens, "seconds": seconds, "config": {"gpus": gpus, "nodes": 1}}


@pytest.mark.parametrize(
    ("own", "whole", "earlier", "left"),
    [
        (NONE, {}, [], NONE),
        (NONE, NONE, [finished(5)], NONE),
        ({"tokens": 9, "gpu_hours": None}, {}, [finished(5)], {"tokens": 9, "gpu_hours": None}),  # its own alone
        (NONE, {"tokens": 100}, [], {"tokens": 100, "gpu_hours": None}),  # the first stage may use all
        (NONE, {"tokens": 100}, [finished(30), finished(20)], {"tokens": 50, "gpu_hours": None}),
        ({"tokens": 40, "gpu_hours": None}, {"tokens": 100}, [finished(30)], {"tokens": 40, "gpu_hours": None}),  # the smaller of both
        ({"tokens": 80, "gpu_hours": None}, {"tokens": 100}, [finished(30)], {"tokens": 70, "gpu_hours": None}),
        (NONE, {"tokens": 100}, [finished(130)], {"tokens": 0, "gpu_hours": None}),  # the last step went beyond
        (NONE, {"gpu_hours": 10}, [finished(seconds=3600)], {"tokens": None, "gpu_hours": 4}),  # an hour on six GPUs
        (NONE, {"gpu_hours": 10}, [finished(seconds=5999.9)], {"tokens": None, "gpu_hours": 0}),  # rounded in the manifest
    ],
)
def test_what_is_left(own, whole, earlier, left):
    assert budget.left(Budget(**own), Budget(**whole), earlier).model_dump() == left


def test_nothing_left_is_said():
    assert budget.exhausted(Budget.model_construct(tokens=5, gpu_hours=0)) == "earlier stages left nothing of the run's budget.gpu_hours"
    assert budget.exhausted(Budget(tokens=5)) is None


def test_a_stage_that_nothing_is_left_for_ends_at_once_with_its_start_model(script, tmp_path, config):
    """Without verl: the manifest is whole, the model it starts from is exported, and a second call has nothing to do either."""
    import polars

    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(NO_WEIGHTS)
    for name in ("train.parquet", "val.parquet"):
        polars.DataFrame({"prompt": ["1+1"]}).write_parquet(tmp_path / name)
    (tmp_path / "easy.json").write_text(json.dumps(finished(tokens=1200)))
    arguments = (
        *("--run", "curriculum", "--stage", "hard", "--config", json.dumps(config["training"]), "--accelerator", "cpu", "--model", "model"),
        *("--train", "train.parquet", "--validation", "val.parquet", "--run-budget", '{"tokens": 1000}', "--earlier", "easy.json"),
    )
    for said in ("earlier stages left nothing of the run's budget.tokens; nothing to train", "training was complete at step 0"):
        done = script("train_policy.py", *arguments, "--manifest", "results/curriculum/hard/manifest.json")
        assert done.returncode == 0 and said in done.stderr, done.stderr
    path = tmp_path / "results/curriculum/hard/manifest.json"
    manifest = json.loads(path.read_text())
    assert (manifest["steps"], manifest["chosen_step"], manifest["generated_tokens"]) == (0, 0, 0)
    assert manifest["stopped_by"] == "earlier stages left nothing of the run's budget.tokens"
    (finished_file,) = (tmp_path / "checkpoints/curriculum/hard").glob("*/finished.json")
    assert json.loads(finished_file.read_text())["budget"] == {"tokens": 0, "gpu_hours": None}, "a raised budget lets it go on"
    assert manifest["chosen_why"] == f"no step was trained: {manifest['stopped_by']}"
    for choice in ("chosen", "best", "last"):
        done = script("export_model.py", "--manifest", path, "--choice", choice, "--accelerator", "cpu", "--out", f"out-{choice}")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"out-{choice}/model.safetensors").read_bytes() == NO_WEIGHTS
    assert run_curves(tmp_path / "results", "curriculum", ["hard"])["missing"] == [], "no curve is missed where no step was made"
    done = script("forecast_training.py", *arguments, "--out", "forecast.json")
    assert done.returncode == 0 and "forecast curriculum/hard: no step, earlier stages left nothing" in done.stderr, done.stderr
    assert json.loads((tmp_path / "forecast.json").read_text())["gpu_hours"] == 0
