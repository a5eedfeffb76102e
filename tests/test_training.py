"""Fingerprints, the choice of a checkpoint, progress lines, and what is refused before verl starts."""

import json

import pytest
from mathrl import training
from mathrl.io import UserError

STAGE = {"learning_rate": 1e-5, "rollout_n": 6, "choose": "best", "save_every": 200, "validate_every": 10}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"rows")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    return tmp_path / "train.parquet", model


def directory(tmp_path, files, stage=STAGE, policy=1):
    train, model = files
    content = training.fingerprint(stage, train, model, {"terms": {"correct": 1.0}}, policy)
    return training.open_directory(tmp_path / "checkpoints", content)


@pytest.mark.parametrize("key", ["choose", "save_every", "validate_every"])
def test_watching_keys_keep_the_checkpoints(tmp_path, files, key):
    assert directory(tmp_path, files) == directory(tmp_path, files, {**STAGE, key: 1})


def test_training_keys_open_a_new_directory_and_keep_the_old(tmp_path, files, capsys):
    old = directory(tmp_path, files)
    new = directory(tmp_path, files, {**STAGE, "learning_rate": 2e-5})
    assert old != new and old.exists()
    assert "stage.learning_rate (1e-05 → 2e-05)" in capsys.readouterr().err


def test_other_data_model_or_grading_policy_is_another_training(tmp_path, files):
    train, model = files
    seen = {directory(tmp_path, files), directory(tmp_path, files, policy=2)}
    train.write_bytes(b"other rows")
    seen.add(directory(tmp_path, files))
    (model / "config.json").write_text('{"a": 1}')
    seen.add(directory(tmp_path, files))
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("rule", "saved", "dev", "step", "why"),
    [
        ("best", [10, 20, 30], {"0": 0.1, "10": 0.5, "20": 0.7, "30": 0.6}, 20, "0.7000"),
        ("best", [10, 20, 30], {"0": 0.1, "10": 0.7, "20": 0.7, "30": 0.6}, 10, "highest"),  # the earlier of equals
        ("best", [10, 20], {"0": 0.9, "10": 0.1, "20": 0.2}, 0, "highest"),  # training only did harm: the start is exported
        ("best", [20], {"10": 0.9, "20": 0.2}, 20, "highest"),  # step 10 was validated, not saved
        ("best", [10], {}, 10, "none was validated"),
        ("last", [10, 20], {"10": 0.9, "20": 0.1}, 20, "as configured"),
        ("best", [], {}, 0, "no checkpoint"),
    ],
)
def test_choice_of_a_checkpoint(rule, saved, dev, step, why):
    chosen, reason = training.choose(rule, saved, dev)
    assert chosen == step and why in reason


def test_validation_curves_by_data_source():
    scalars = {
        "val-core/gsm8k/acc/mean@1": [(0, 0.07), (10, 0.2)],
        "val-aux/gsm8k/format/mean@1": [(0, 0.5)],
        "val-core/dev/acc/mean@1": [(0, 0.1)],
    }
    assert training.validation_curves(scalars) == {"gsm8k": {"0": 0.07, "10": 0.2}, "dev": {"0": 0.1}}


def test_progress_is_one_line_a_step():
    progress = training.Progress("train grpo", 60)
    first = "(TaskRunnerV1 pid=1) step:0 - val-core/dev/acc/mean@1:np.float64(0.25) - val-aux/num_turns/min:np.int32(2)"
    assert progress.line(first) == "train grpo: step 0 of 60  validation dev 0.250"
    second = "step:1 - critic/score/mean:0.1234375 - response_length/mean:13.625 - timing_s/step:12.6"
    assert progress.line(second).startswith("train grpo: step 1 of 60  reward 0.123  length 14 tokens  validation dev 0.250")
    assert progress.line("(vLLM) loading step: model - done") is None


@pytest.mark.parametrize(
    ("files_there", "message"), [([], "config.json is missing"), (["config.json"], "holds no weights"), (None, "no such directory")]
)
def test_a_directory_that_is_no_model_is_refused(tmp_path, files_there, message):
    model = tmp_path / "model"
    for name in files_there or []:
        model.mkdir(exist_ok=True)
        (model / name).write_text("{}")
    if files_there == []:
        model.mkdir()
    with pytest.raises(UserError, match=message):
        training.check_model(model)


def test_script_refuses_in_one_line(script):
    done = script(
        "train_policy.py",
        "--run",
        "r",
        "--config",
        json.dumps(STAGE),
        "--model",
        "nowhere",
        "--train",
        "t",
        "--validation",
        "v",
        "--manifest",
        "m.json",
    )
    assert done.returncode == 2
    assert (
        done.stderr
        == "error: nowhere: is no Hugging Face model, config.json is missing (no such directory); check base_model in the config\n"
    )


def test_no_room_for_a_checkpoint_is_said_before_training(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    with open(model / "model.safetensors", "wb") as weights:
        weights.truncate(2**42)  # a hole of 4 TiB: takes no room itself, its checkpoints would take 28 TiB
    with pytest.raises(UserError, match=r"a checkpoint takes about .* GB are free; make room there"):
        training.check_space(tmp_path / "checkpoints/grpo/main", model)
