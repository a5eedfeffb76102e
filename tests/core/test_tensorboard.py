"""Scalars from event files: restarts, files that were cut off or overwritten, values that are not finite."""

import math
import os
import random
import subprocess
import sys

import pytest
from mathrl.core.code_files import SCRIPTS
from mathrl.core.tensorboard import by_step, read_scalars, write_scalars
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


def test_what_is_written_is_one_record_of_its_numbers(tmp_path):
    numpy = pytest.importorskip("numpy")
    write_scalars(tmp_path / "new", 7, {"a": 0.5, "b": numpy.float32(2), "n": 3, "none": math.nan, "text": "x", "list": [1]})
    assert read_scalars(tmp_path / "new", finite=False) == {
        "a": [(7, 0.5)],
        "b": [(7, 2.0)],
        "n": [(7, 3.0)],
        "none": [(7, pytest.approx(math.nan, nan_ok=True))],
    }


def test_scalars_that_find_no_room_are_an_error(tmp_path):
    """A checkpoint is marked whole after them: a write that fails silently loses its point of every curve."""
    code = (
        "import resource, sys; from pathlib import Path; from mathrl.core.tensorboard import write_scalars\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))  # as a full disk\n"
        "write_scalars(Path(sys.argv[1]), 4, {f'metric/{number}': 0.5 for number in range(20)})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True
    )
    assert done.returncode == 1 and "OSError" in done.stderr and read_scalars(tmp_path) == {}


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


def test_a_file_of_noise_is_no_curve_and_no_crash(tmp_path):
    path = write_events(tmp_path, [(step, "a", float(step)) for step in range(1, 6)])
    whole = path.read_bytes()
    generator = random.Random(2)
    for _ in range(200):
        noise = bytearray(whole)
        for _ in range(8):
            noise[generator.randrange(len(noise))] = generator.randrange(256)
        path.write_bytes(noise)
        read_scalars(tmp_path)
    path.write_bytes(generator.randbytes(5000))
    assert read_scalars(tmp_path) == {}


def test_values_by_step():
    assert by_step({"a": [(1, 0.5), (3, 0.25)], "b": [(1, 2.0)]}) == [(1, {"a": 0.5, "b": 2.0}), (3, {"a": 0.25})]
