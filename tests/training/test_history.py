"""The line of a saved step that a kill kept out of verl's log."""

import pytest
from mathrl.core.tensorboard import read_scalars, write_scalars
from mathrl.training.history import saved_curves
from support.events import write_events

LOG = "tensorboard"


@pytest.fixture
def stage(tmp_path):
    """Steps 1 to 3 are logged; the checkpoint of step 4 holds its line, and the start after the kill validated it."""
    write_events(tmp_path / LOG, [(step, "critic/score/mean", step / 10) for step in (1, 2, 3)], "events.out.tfevents.1000000100.host")
    write_events(tmp_path / LOG, [(4, "val-core/dev/acc/mean@1", 0.7)], "events.out.tfevents.1000000300.host")
    write_scalars(tmp_path / "global_step_4", 4, {"critic/score/mean": 0.4, "training/generated_tokens": 96, "timing_s/step": 7.0})
    return tmp_path


def test_the_checkpoint_brings_it(stage):
    found = saved_curves(stage, 4)
    assert [step for step, _ in found["critic/score/mean"]] == [1, 2, 3, 4]
    assert found["training/generated_tokens"] == [(4, 96.0)] and found["val-core/dev/acc/mean@1"] == [(4, pytest.approx(0.7))]
    assert read_scalars(stage / LOG) == found, "it lies with the others from here on"
    assert saved_curves(stage, 4) == found and len(list((stage / LOG).iterdir())) == 3, "once"


def test_a_line_that_was_logged_is_not_brought_again(stage):
    """Only its times differ: they count the save, too."""
    line = [(4, "critic/score/mean", 0.4), (4, "training/generated_tokens", 96), (4, "timing_s/step", 9.0)]
    write_events(stage / LOG, line, "events.out.tfevents.1000000200.host")
    before = sorted((stage / LOG).iterdir())
    assert saved_curves(stage, 4)["timing_s/step"] == [(4, 9.0)]
    assert sorted((stage / LOG).iterdir()) == before


@pytest.mark.parametrize(
    "line", [[(4, "critic/score/mean", 0.4)], [(4, "critic/score/mean", 0.9), (4, "training/generated_tokens", 50)]], ids=["cut", "lost"]
)
def test_a_line_that_was_cut_off_or_is_of_a_lost_attempt_does_not_hold(stage, line):
    write_events(stage / LOG, line, "events.out.tfevents.1000000200.host")
    found = saved_curves(stage, 4)
    assert found["critic/score/mean"][-1] == (4, pytest.approx(0.4)) and found["training/generated_tokens"] == [(4, 96.0)]


def test_a_cut_off_line_of_a_checkpoint_brings_nothing(stage):
    (path,) = (stage / "global_step_4").iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    assert [step for step, _ in saved_curves(stage, 4)["critic/score/mean"]] == [1, 2, 3]


@pytest.mark.parametrize("step", [0, 3, 5])
def test_no_checkpoint_brings_nothing(stage, step):
    """No step is saved; the saved step is logged; its checkpoint is of an earlier commit, without a line."""
    assert saved_curves(stage, step) == read_scalars(stage / LOG)
    assert len(list((stage / LOG).iterdir())) == 2
