"""Curves of the report: verl's tags, joining, thinning, smoothing, and the monitor's flags of a stage still at work."""

import pytest
from mathrl.config.stage import Stage
from mathrl.core.files import UserError
from mathrl.report.curves import join, read_run, shift, smooth, thin
from mathrl.report.figures import run_curves
from support.events import write_events
from support.settings import limits


def test_verls_tags_find_their_curves(tmp_path):
    rows = [(1, "critic/score/mean", 0.3), (1, "actor/entropy", 0.2), (1, "response_length/mean", 220.0)]
    rows += [(10, "val-core/gsm8k/acc/mean@1", 0.1), (10, "val-aux/gsm8k/format/mean@1", 0.5), (1, "timing_s/step", 9.0)]
    write_events(tmp_path, rows)
    run = read_run(tmp_path)
    assert set(run["train"]) == {"reward", "entropy", "response_length"}
    assert set(run["validation"]["gsm8k"]) == {"acc", "format"}


def test_missing_logs_are_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="no such directory"):
        read_run(tmp_path / "gone")


def test_smoothing_keeps_a_constant_and_the_start():
    assert smooth([(step, 2.0) for step in range(5)], 3) == [(step, pytest.approx(2.0)) for step in range(5)]
    assert smooth([(0, 1.0), (1, 3.0)], 10)[0] == (0, 1.0)


def test_thinning_keeps_spikes_ends_and_order():
    curve = [(step, float(step == 777)) for step in range(8000)]
    kept = thin(curve, 600)
    assert len(kept) <= 620 and (777, 1.0) in kept and kept == sorted(kept)
    assert thin(curve[:10]) == curve[:10]


def test_stages_are_joined_end_to_end():
    first, second = {"train": {"a": [(1, 1.0)]}}, {"train": {"a": [(1, 2.0)], "b": [(1, 0.0)]}}
    assert join([first, shift(second, 5)]) == {"train": {"a": [(1, 1.0), (6, 2.0)], "b": [(6, 0.0)]}}


LIMITS = {"window": 5, "reward_drop": 0.5}


@pytest.mark.parametrize(
    ("given", "monitored", "steps"),
    [
        ({"main": Stage(monitor=limits(**LIMITS))}, True, [33]),
        ({"main": Stage(monitor=limits(**LIMITS | {"reward_drop": None}))}, True, []),
        (None, False, []),
    ],
    ids=["its limits", "limit off", "limits unknown"],
)
def test_a_stage_still_at_work_is_held_against_its_own_limits(tmp_path, given, monitored, steps):
    """The mean of five steps falls below half of the best with the third bad one."""
    logs = tmp_path / "checkpoints/grpo/main/0123/tensorboard"
    write_events(logs, [(step, "critic/score/mean", 0.5 if step < 31 else 0.05) for step in range(1, 51)])
    found = run_curves(tmp_path / "results", "grpo", ["main"], given)
    assert found["monitored"] == monitored and [flag["step"] for flag in found["flags"]] == steps
    assert found["curves"]["train"]["reward"]
