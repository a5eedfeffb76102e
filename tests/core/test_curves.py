"""Training curves from event files: restarts, cut-off files, thinning, smoothing, signs of collapse."""

import math
import random

import pytest
from mathrl.core.curves import collapse_flags, join, read_run, read_scalars, shift, smooth, thin
from mathrl.core.files import UserError
from support.events import write_events


def test_reads_what_the_writer_wrote(tmp_path):
    write_events(tmp_path, [(1, "a", 0.5), (2, "a", 0.25), (2, "b/c", -1.0)])
    assert read_scalars(tmp_path) == {"a": [(1, 0.5), (2, 0.25)], "b/c": [(2, -1.0)]}
    assert list(read_scalars(tmp_path, lambda tag: tag == "a")) == ["a"]


def test_agrees_with_tensorboards_own_reader(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    generator = random.Random(1)
    write_events(tmp_path, [(step, f"t{step % 3}", generator.random()) for step in range(300)])
    accumulator = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0}).Reload()
    theirs = {tag: [(e.step, pytest.approx(e.value)) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}
    assert read_scalars(tmp_path) == theirs


def test_torch_writer_is_read_too(tmp_path):
    writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter(str(tmp_path))
    writer.add_scalar("a", 0.5, 3)
    writer.close()
    assert read_scalars(tmp_path) == {"a": [(3, 0.5)]}


def test_a_resumed_run_is_one_curve(tmp_path):
    write_events(tmp_path, [(1, "a", 1.0), (2, "a", 2.0), (3, "a", 3.0)], "events.out.tfevents.100.host")
    write_events(tmp_path, [(3, "a", 30.0), (4, "a", 40.0)], "events.out.tfevents.200.host")
    assert read_scalars(tmp_path)["a"] == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0)]


def test_a_killed_job_leaves_a_readable_file(tmp_path):
    path = write_events(tmp_path, [(step, "a", float(step)) for step in range(1, 6)])
    path.write_bytes(path.read_bytes()[:-7])
    assert read_scalars(tmp_path)["a"] == [(step, float(step)) for step in range(1, 5)]


def test_values_that_are_not_finite_are_left_out(tmp_path):
    write_events(tmp_path, [(1, "a", math.nan), (2, "a", math.inf), (3, "a", 1.0)])
    assert read_scalars(tmp_path)["a"] == [(3, 1.0)]


def test_values_that_are_not_finite_are_kept_for_the_monitor(tmp_path):
    """A later log holds, finite or not: what an earlier process logged of that step is not what was trained on."""
    write_events(tmp_path, [(1, "a", 1.0), (2, "a", 2.0), (1, "b", math.inf)], "events.out.tfevents.100.host")
    write_events(tmp_path, [(2, "a", math.nan)], "events.out.tfevents.200.host")
    assert read_scalars(tmp_path, finite=False) == {"a": [(1, 1.0), (2, pytest.approx(math.nan, nan_ok=True))], "b": [(1, math.inf)]}
    assert read_scalars(tmp_path) == {"a": [(1, 1.0)]}


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


@pytest.mark.parametrize(
    ("curve", "shape", "flagged"),
    [
        ("reward", lambda t: 0.3 + 0.1 * t, False),
        ("reward", lambda t: 0.4 if t < 0.6 else 0.1, True),
        ("response_length", lambda t: 220 + 20 * t, False),
        ("response_length", lambda t: 220 * (1 - 0.8 * t), True),
        ("entropy", lambda t: 0.18 - 0.08 * t, False),
        ("entropy", lambda t: 0.18 * (1 + 5 * t), True),
        ("entropy", lambda t: 0.18 * 0.001**t, True),
    ],
)
def test_signs_of_collapse(curve, shape, flagged):
    points = [(step, shape(step / 200)) for step in range(201)]
    found = collapse_flags({curve: points})
    assert bool(found) == flagged
    assert all(flag["step"] > 5 for flag in found)
