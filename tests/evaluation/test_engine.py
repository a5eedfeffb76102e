"""vLLM itself on a CPU: what it samples depends neither on how the work is split nor on a kill in the middle."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mathrl.core.files import read_json, write_jsonl
from mathrl.demo.world import draw

HERE = Path(__file__).parent
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # enough for a model this small, and quicker on a busy machine
ITEMS, SAMPLES = 14, 5  # four sampled responses and a greedy one


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A benchmark; the model is made by the first that samples it."""
    folder = tmp_path_factory.mktemp("engine")
    rng = random.Random(3)
    problems = [draw(rng, "words") for _ in range(ITEMS)]
    rows = ({"id": str(i), "problem": p.text, "answer": str(p.answer)} for i, p in enumerate(problems))
    write_jsonl(folder / "toy.jsonl", rows)
    return folder


def start(world, name, shards, dtype="float32"):
    """Sampling in a process of its own; its store and its result are called `name`."""
    arguments = [world / "model", world / "toy.jsonl", world / name, shards, dtype, world / f"{name}.json"]
    command = [sys.executable, HERE / "sample_in_shards.py", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True, env=os.environ | ONE_THREAD
    )


def finish(world, name, process):
    """What was sampled: {made, samples}."""
    _, errors = process.communicate(timeout=800)
    assert process.returncode == 0, errors[-3000:]
    return read_json(world / f"{name}.json")


def kept(world, name):
    """Whole responses in a store."""
    return sum(path.read_bytes().count(b"\n") for path in (world / name).rglob("*.jsonl"))


@pytest.fixture(scope="module")
def whole(world):
    """What one undisturbed shard gives."""
    return finish(world, "one", start(world, "one", 1))


@pytest.mark.parametrize("shards", [1, pytest.param(2, marks=pytest.mark.full)])
def test_a_kill_changes_no_response(world, whole, shards):
    """Two shards and a kill give what one undisturbed shard gives."""
    name = f"killed-{shards}"
    assert whole["made"] == len(whole["samples"]) == ITEMS * SAMPLES
    assert len({row["response"] for row in whole["samples"]}) > ITEMS, "the samples of a problem differ"
    process = start(world, name, shards)
    end = time.monotonic() + 600
    while kept(world, name) < 12:
        assert process.poll() is None and time.monotonic() < end, process.stderr.read()[-3000:]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = kept(world, name)
    assert 12 <= before < ITEMS * SAMPLES, "killed in the middle"
    resumed = finish(world, name, start(world, name, shards))
    assert resumed["made"] == ITEMS * SAMPLES - before, "finished responses are kept"
    assert resumed["samples"] == whole["samples"]


@pytest.mark.full
def test_one_two_and_six_shards_agree_exactly_in_float32(world):
    found = [finish(world, f"float32-{shards}", start(world, f"float32-{shards}", shards))["samples"] for shards in (1, 2, 6)]
    assert found[0] == found[1] == found[2]
