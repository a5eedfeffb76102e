"""The cost of a run from a few of its steps: the arithmetic by hand; tests/workflow compares it with a run."""

import pytest
from mathrl import forecast
from mathrl.io import UserError

STAGE = {
    "steps": None,
    "epochs": 15,
    "train_batch_size": 264,
    "validate_before": True,
    "validate_every": 10,
    "save_every": 200,
    "keep_last": 2,
    "keep_every": None,
    "budget": {"tokens": None, "gpu_hours": None},
}


def test_steps_of_the_report():
    assert forecast.total_steps(STAGE, 215_608) == 816 * 15  # 12,240 steps; the rest of an epoch is no whole batch
    assert forecast.total_steps(STAGE | {"steps": 60}, 215_608) == 60


def test_cost_by_hand():
    scalars = {
        "timing_s/step": [(1, 90.0), (2, 60.0), (3, 60.0), (4, 60.0), (5, 70.0)],  # the fifth saved for 10 s
        "timing_s/save_checkpoint": [(5, 10.0)],
        "timing_s/testing": [(5, 20.0)],
    }
    found = forecast.forecast(STAGE | {"steps": 400}, 1000, scalars, wall=460.0, checkpoint=20 * 10**9, cards=6)
    assert (found["step_seconds"], found["start_seconds"]) == (60.0, 100.0)
    # 100 s to start, 400 steps, 41 validations, 2 saves
    assert found["hours"] == pytest.approx((100 + 400 * 60 + 41 * 20 + 2 * 10) / 3600, abs=1e-4)
    assert found["gpu_hours"] == pytest.approx(6 * found["hours"], abs=1e-3)
    assert (found["checkpoints"], found["disk_gb"]) == (2, 40.0)


def test_a_supervised_stage_is_refused(tmp_path):
    paths = dict.fromkeys(("model", "train_file", "validation_file", "place", "log"), tmp_path)
    with pytest.raises(UserError, match="a supervised stage is not forecast"):
        forecast.measure(STAGE | {"algorithm": "supervised"}, accelerator="cpu", reward={}, **paths)


def test_disk_is_what_retention_leaves_and_the_one_being_written():
    scalars = {"timing_s/step": [(step, 1.0) for step in range(1, 6)]}
    found = forecast.forecast(STAGE | {"steps": 12_200}, 1000, scalars, wall=5.0, checkpoint=20 * 10**9, cards=6)
    assert (found["checkpoints"], found["disk_gb"]) == (4, 80.0)  # two newest, the best, the next; 61 saves without retention: 1.2 TB
    every = forecast.forecast(STAGE | {"steps": 12_200, "keep_every": 2000}, 1000, scalars, wall=5.0, checkpoint=20 * 10**9, cards=6)
    assert every["checkpoints"] == 10
