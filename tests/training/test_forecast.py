"""The cost of a run from a few of its steps: the arithmetic by hand; tests/workflow compares it with a run."""

import pytest
from mathrl.config.batches import total_steps
from mathrl.config.stage import Budget, Stage
from mathrl.core.files import UserError
from mathrl.training import budget, forecast
from mathrl.training.plan import StagePlan

STAGE = Stage()  # the finalist's


def test_steps_of_the_report():
    assert total_steps(STAGE, 215_608) == 816 * 15  # 12,240 steps; the rest of an epoch is no whole batch
    assert total_steps(STAGE.changed(steps=60), 215_608) == 60


def test_cost_by_hand():
    scalars = {
        "timing_s/step": [(1, 90.0), (2, 60.0), (3, 60.0), (4, 60.0), (5, 70.0)],  # the fifth saved for 10 s
        "timing_s/save_checkpoint": [(5, 10.0)],
        "timing_s/testing": [(5, 20.0)],
    }
    found = forecast.forecast(STAGE.changed(steps=400), 1000, scalars, wall=460.0, checkpoint=20 * 10**9, gpus=6)
    assert (found["step_seconds"], found["start_seconds"]) == (60.0, 100.0)
    # 100 s to start, 400 steps, 41 validations, 2 saves
    assert found["hours"] == pytest.approx((100 + 400 * 60 + 41 * 20 + 2 * 10) / 3600, abs=1e-4)
    assert found["gpu_hours"] == pytest.approx(6 * found["hours"], abs=1e-3)
    assert (found["checkpoints"], found["disk_gb"]) == (2, 40.0)


STEPS_TRIED = {
    "timing_s/step": [(1, 90.0), (2, 60.0), (3, 60.0), (4, 60.0), (5, 70.0)],
    "timing_s/save_checkpoint": [(5, 10.0)],
    "timing_s/testing": [(5, 20.0)],
    "training/generated_tokens": [(step, 300_000.0) for step in range(1, 6)],
}


@pytest.mark.parametrize(
    ("budget", "steps", "ended_by"),
    [
        ({"tokens": None, "gpu_hours": None}, 400, "steps"),
        ({"tokens": 3_000_000, "gpu_hours": None}, 10, "budget.tokens"),
        ({"tokens": 3_000_001, "gpu_hours": None}, 11, "budget.tokens"),  # the step that uses it up is carried out
        # 10 steps and a validation take 620 s of six GPUs, 1.033 hours
        ({"tokens": None, "gpu_hours": 1.03}, 10, "budget.gpu_hours"),
        ({"tokens": None, "gpu_hours": 1.04}, 11, "budget.gpu_hours"),
        ({"tokens": 3_000_000, "gpu_hours": 0.5}, 5, "budget.gpu_hours"),  # whichever is used up first
        ({"tokens": 900_000, "gpu_hours": 0.5}, 3, "budget.tokens"),
        ({"tokens": 10**9, "gpu_hours": 1000}, 400, "steps"),
    ],
)
def test_a_budget_ends_a_forecast_where_it_ends_training(budget, steps, ended_by):
    found = forecast.forecast(STAGE.changed(steps=400, budget=budget), 1000, STEPS_TRIED, wall=460.0, checkpoint=20 * 10**9, gpus=6)
    assert (found["steps"], found["ended_by"], found["configured_steps"]) == (steps, ended_by, 400)
    assert found["generated_tokens"] == steps * 300_000
    said = forecast.describe("forecast grpo", found)
    assert said.startswith(f"forecast grpo: {steps} steps of 60.0 s") and (f"({ended_by} ends it before 400 steps)" in said) == (
        steps < 400
    )


def test_a_forecast_is_what_a_later_stages_budget_is_cut_by():
    found = forecast.forecast(STAGE.changed(steps=10), 1000, STEPS_TRIED, wall=460.0, checkpoint=1, gpus=6)
    left = budget.left(Budget(), Budget(gpu_hours=2.05), [found | {"config": {"gpus": 6, "nodes": 1}}])
    assert left.gpu_hours == pytest.approx(1.0)  # ten steps, a validation and a save: 630 s of six GPUs


def test_a_supervised_stage_is_refused(tmp_path):
    paths = dict.fromkeys(("model", "train_file", "validation_file", "root", "log"), tmp_path)
    plan = StagePlan("grpo", "main", STAGE.changed(algorithm="supervised"), accelerator="cpu", **paths)
    with pytest.raises(UserError, match="a supervised stage is not forecast"):
        forecast.measure(plan)


def test_disk_is_what_retention_leaves_and_the_one_being_written():
    scalars = {"timing_s/step": [(step, 1.0) for step in range(1, 6)]}
    found = forecast.forecast(STAGE.changed(steps=12_200), 1000, scalars, wall=5.0, checkpoint=20 * 10**9, gpus=6)
    # two newest, the best, the newest from before a collapse, the next; 61 saves without retention: 1.2 TB
    assert (found["checkpoints"], found["disk_gb"]) == (5, 100.0)
    every = forecast.forecast(STAGE.changed(steps=12_200, keep_every=2000), 1000, scalars, wall=5.0, checkpoint=20 * 10**9, gpus=6)
    assert every["checkpoints"] == 11
    odd = forecast.forecast(STAGE.changed(steps=12_200, keep_every=500), 1000, scalars, wall=5.0, checkpoint=20 * 10**9, gpus=6)
    assert odd["checkpoints"] == 5 + 12  # step 500 is never saved, so every thousandth is kept
    often = STAGE.changed(steps=12_200, save_every=2)  # neither of the two newest is from before the monitor's window
    assert forecast.forecast(often, 1000, scalars, wall=5.0, checkpoint=20 * 10**9, gpus=6)["checkpoints"] == 6


def test_each_save_is_validated():
    scalars = {"timing_s/step": [(step, 1.0) for step in range(1, 6)], "timing_s/testing": [(5, 3600.0)]}
    stage = STAGE.changed(steps=100, validate_every=30, save_every=20)  # 0, 20, 30, 40, 60, 80, 90, 100
    assert forecast.forecast(stage, 1000, scalars, wall=0.0, checkpoint=1, gpus=1)["hours"] == pytest.approx(8, abs=0.05)
