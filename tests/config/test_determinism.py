"""Where the same seed is to give the same bytes, and where that is refused before anything runs."""

import pytest
from mathrl.config import validation
from mathrl.config.determinism import is_deterministic
from mathrl.config.experiment import spelled_out
from mathrl.config.stage import Stage
from mathrl.core.files import UserError

STAGE = Stage(gpus=1, dtype="float32")


@pytest.mark.parametrize(
    ("change", "accelerator", "expected"),
    [
        ({}, "cpu", True),
        ({"dtype": "bfloat16"}, "cpu", False),
        ({"gpus": 2}, "cpu", False),
        ({"gpus": 2, "tensor_parallel": 2}, "cpu", True),
        ({"gpus": 3, "tensor_parallel": 2}, "cpu", False),
        ({"verl": {"actor_rollout_ref.rollout.multi_turn.enable": True}}, "cpu", False),
        ({"deterministic": False}, "cpu", False),
        ({}, "cuda", False),
        ({"deterministic": True, "gpus": 6, "dtype": "bfloat16"}, "cuda", True),
    ],
)
def test_where_training_is_deterministic(change, accelerator, expected):
    assert is_deterministic(STAGE.changed(**change), accelerator) is expected


@pytest.mark.parametrize("change", [{"dtype": "bfloat16"}, {"gpus": 2}])
def test_it_is_refused_where_it_cannot_be_had(change):
    with pytest.raises(UserError, match="deterministic: false"):
        is_deterministic(STAGE.changed(deterministic=True, **change), "cpu")


def test_it_is_refused_before_anything_runs(config):
    config["accelerator"] = "cpu"
    config["training"] |= {"deterministic": True, "dtype": "float32", "gpus": 2}
    with pytest.raises(UserError, match=r"^config: run grpo, stage main: deterministic: true, with dtype float32, gpus 2 on 1 node"):
        validation.check_stage(spelled_out(config), "grpo", "main")
