"""The price of determinism and of checks: what is timed, and how it is told."""

import json

import pytest
from mathrl.checks import price
from mathrl.training import checkpoints, logged
from support.events import write_events

SCRIPT = "time_determinism.py"


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of 20 steps and two saves, which took 40 s."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "checkpoints/grpo/main/ab"
    (place / "global_step_20").mkdir(parents=True)
    (place / "global_step_20/model.pt").write_bytes(b"w" * 1000)
    checkpoints.mark_complete(place / "global_step_20")
    write_events(place / "tensorboard", [(20, "critic/score/mean", 0.5)], "events.out.tfevents.1000000100.host")
    logged.note(place, 20)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.safetensors").write_bytes(b"w")
    manifest = {
        "checkpoints": "checkpoints/grpo/main/ab",
        "start_model": "model",
        "steps": 20,
        "seconds": 40.0,
        "config": {"save_every": 10},
    }
    (tmp_path / "results/grpo/main").mkdir(parents=True)
    (tmp_path / "results/grpo/main/manifest.json").write_text(json.dumps(manifest))
    for name, seconds in (("train_policy", 50.0), ("grade_samples", 30.0)):
        (tmp_path / f"logs/{name}").mkdir(parents=True)
        (tmp_path / f"logs/{name}/all.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:50\n")
    return tmp_path


def test_checks_are_set_against_the_work_that_they_belong_to(study):
    found = price.check_seconds(study, "grpo")
    assert [work for _, work in found.values()] == [40.0, 80.0]
    assert all(0 < seconds < 1 for seconds, _ in found.values())


def test_the_price_is_that_of_the_median_step():
    lines = price.told({False: [2.0, 2.0, 2.0, 90.0], True: [2.2, 2.2, 2.2, 1.0]})
    assert lines[-1] == "price: +10.0%" and "2.20 s per step" in lines[1] and "4 steps" in lines[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--steps", 4, "--out", "new"), "must be at least 5"),
        (("--out", "old"), "--out old: is there already"),
        (("--out", "new"), "no such file"),
    ],
)
def test_what_cannot_be_timed_is_refused_in_a_line(script, tmp_path, arguments, said):
    (tmp_path / "old").mkdir()
    done = script(SCRIPT, *arguments)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
