"""Rows of the score table besides base and runs: further models, and checkpoints along training."""

import json

import pytest
from mathrl.config import reading, runs, validation
from mathrl.core.files import UserError, write_json
from mathrl.data.downloads import pin_rows
from mathrl.training import checkpoints
from mathrl.training.checkpoint_choice import pick


@pytest.fixture
def checked(config, root, tmp_path, monkeypatch):
    """Validate config.yaml with changes, in an empty directory that holds two models."""
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "mine/config.json", {})
    (tmp_path / "mine/model.safetensors").write_bytes(b"")
    write_json(tmp_path / "theirs/global_step_40/actor/huggingface/config.json", {})
    (tmp_path / "half").mkdir()
    (tmp_path / "global_step_9").mkdir()
    pins = pin_rows(root / "pins.tsv")

    def check(**changes):
        found, _ = validation.validate(reading.merge(config, changes), lambda _: pins)
        return found, pins

    return check


def test_every_kind_of_model_is_known(checked):
    config, pins = checked(models={"a": "mine", "b": "theirs/global_step_40/", "c": "openseek"})
    found = {name: runs.model_source(config, name, pins) for name in config.models}
    assert found == {"a": ("directory", "mine"), "b": ("checkpoint", "theirs/global_step_40"), "c": ("pin", "openseek")}
    assert runs.evaluated_models(config) == ["base", "a", "b", "c", "grpo"]


# models, what the one line must hold
BAD_MODELS = [
    ({"a": "nowhere"}, "models.a: 'nowhere' is no directory and no model of pins.tsv"),
    ({"a": "half"}, "models.a: half is no Hugging Face model"),
    ({"a": "global_step_9"}, "models.a: global_step_9 is no checkpoint of verl"),
    ({"grpo": "mine"}, "models.grpo: this name is taken"),  # a run's
    ({"base": "mine"}, "models.base: this name is taken"),
    ({"data": "mine"}, "models.data: this name is taken"),  # results/data is something else
    ({"a@b": "mine"}, "'a@b' is no name"),  # @ stands between a run and its checkpoint
    ({"a": 3}, "models.a is 3; it must be string"),
]


@pytest.mark.parametrize(("models", "message"), BAD_MODELS, ids=[message for _, message in BAD_MODELS])
def test_bad_models_stop_before_any_job(checked, models, message):
    with pytest.raises(UserError) as error:
        checked(models=models)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_batch_invariant_kernels_are_refused_where_there_are_none(checked):
    with pytest.raises(UserError, match=r"batch_invariant: vLLM has no such kernels for a CPU; use evaluation.dtype float32"):
        checked(accelerator="cpu", evaluation={"batch_invariant": True})


def test_checkpoints_are_rows_of_each_selected_run(checked):
    wanted = {"grpo": {"keep_every": 200}, "other": {"steps": 400}}
    config, _ = checked(runs=wanted, select=["grpo", "other"], evaluation={"steps": [400, "best", "last"]})
    rows = ["grpo@step-400", "grpo@best", "grpo@last", "other@step-400", "other@best", "other@last"]
    assert runs.checkpoint_models(config) == rows
    assert runs.evaluated_models(config)[-6:] == rows


# points, changes of training, what the one line must hold
BAD_POINTS = [
    ([205], {"steps": 1000}, "run grpo saves no step 205; it saves 200, 400, 600, 800, 1000 (save_every 200)"),
    ([1200], {"steps": 1000}, "saves no step 1200"),
    ([200], {"steps": 1000}, "does not keep step 200 (keep_last 2, keep_every None); set training.keep_every to 200"),
    ([200], {"steps": None}, "does not keep step 200"),  # epochs decide, but retention removes it all the same
    ([0], {}, "evaluation.steps.0"),
    (["bets"], {}, "a step of the run's last stage, best or last"),
    (["best", "best"], {}, "evaluation.steps"),
]


@pytest.mark.parametrize(("points", "training", "message"), BAD_POINTS)
def test_steps_that_are_never_there_stop_before_any_job(checked, points, training, message):
    with pytest.raises(UserError) as error:
        checked(training=training, evaluation={"steps": points})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("points", "training"),
    [
        ([1000, 800], {"steps": 1000}),  # the newest two are kept
        ([400], {"steps": 1000, "keep_every": 200}),
        ([7], {"steps": 7}),  # the last step is saved whatever save_every is
    ],
)
def test_steps_that_will_be_there_pass(checked, points, training):
    checked(training=training, evaluation={"steps": points})


@pytest.fixture
def manifest(tmp_path):
    """Of a stage of 60 steps that saved four checkpoints and has lost one of them."""
    for step in (20, 40, 60):
        write_json(tmp_path / f"global_step_{step}/actor/x.json", {})
        checkpoints.mark_complete(tmp_path / f"global_step_{step}")
    found = {"run": "grpo", "stage": "main", "checkpoints": str(tmp_path), "config": {"choose": "last", "save_every": 20}, "validation": {}}
    dev = {"0": 0.1, "20": 0.4, "40": 0.4, "60": 0.3}
    return found | {"chosen_step": 60, "chosen_why": "last", "validation": {"dev": dev}, "saved_steps": [10, 20, 40, 60]}


@pytest.mark.parametrize(
    ("point", "step", "why"),
    [
        ("chosen", 60, "what the run exports"),
        ("last", 60, "the same"),
        ("best", 20, "highest on dev, the earlier of equals, although the run exports its last"),
        ("step-40", 40, "by number"),
    ],
)
def test_points(manifest, point, step, why):
    assert pick(manifest, point)[0] == step, why


def test_best_is_no_step_that_an_interruption_saved(manifest, tmp_path):
    write_json(tmp_path / "global_step_33/actor/x.json", {})
    checkpoints.mark_complete(tmp_path / "global_step_33")
    manifest["validation"]["dev"]["33"] = 0.9
    assert pick(manifest, "best")[0] == 20
    assert pick(manifest, "step-33")[0] == 33, "by number it can be had"


@pytest.mark.parametrize("point", ["step-10", "step-15", "step-99"])
def test_a_step_that_is_gone_is_named_with_those_that_are_there(manifest, point):
    with pytest.raises(UserError, match=r"was never saved or has been removed; there are steps 20, 40, 60") as error:
        pick(manifest, point)
    assert "\n" not in str(error.value)


def test_best_is_never_after_a_collapse(manifest):
    manifest["validation"]["dev"]["60"] = 0.9
    collapse = [{"limit": "reward_drop", "metric": "reward", "step": 55, "value": 0.1, "bound": 0.2}]
    manifest |= {"collapse": collapse, "config": {"choose": "last", "save_every": 20, "monitor": {"window": 10}}, "chosen_step": 40}
    assert pick(manifest, "best")[0] == 20
    assert pick(manifest, "last")[0] == 60, "where training ended, sound or not"


def test_export_says_it_in_one_line(manifest, script, tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(manifest))
    done = script("export_model.py", "--manifest", "m.json", "--choice", "step-10", "--out", "model")
    assert done.returncode == 2 and "there are steps 20, 40, 60" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "model").exists()
