"""The rewards of control arms are what they say, sample by sample, and change nobody else's training."""

import subprocess
import sys

import pytest
import yaml
from mathrl.config import controls, experiment, reading
from mathrl.core.files import UserError
from mathrl.rewards import controls as terms
from mathrl.rewards.outcome import reward
from support.settings import keys_of

ARMS = ("control-random", "control-inverted", "control-format", "control-constant")
SEED_KEY = f"+ray_kwargs.ray_init.runtime_env.env_vars.{terms.SEED}"
RESPONSES = [(f"So \\boxed{{{number}}}.", "42") for number in (42, 41)] + [("I do not know.", "42")]


@pytest.fixture
def file(root):
    return yaml.safe_load((root / "config.yaml").read_text())


def scores(run, file, seed=1, count=1, monkeypatch=None):
    """Rewards of the responses under the terms of a shipped arm, `count` problems each."""
    monkeypatch.setenv(terms.SEED, str(seed))
    weights = file["runs"][run]["reward"]["terms"]
    return [
        reward("demo", response, answer, {"original_problem": f"problem {number}"}, weights)["score"]
        for number in range(count)
        for response, answer in RESPONSES
    ]


def test_each_arm_pays_what_it_says_sample_by_sample(file, monkeypatch):
    """For a right box, a wrong box and no box."""
    assert scores("control-inverted", file, monkeypatch=monkeypatch) == [0.0, 1.0, 1.0]
    assert scores("control-format", file, monkeypatch=monkeypatch) == [1.0, 1.0, 0.0]
    assert scores("control-constant", file, monkeypatch=monkeypatch) == [1.0, 1.0, 1.0]


def test_random_rewards_are_fair_coins_that_know_no_answer(file, monkeypatch):
    found = scores("control-random", file, count=1000, monkeypatch=monkeypatch)
    assert set(found) == {0.0, 1.0}
    for kind in range(3):  # right, wrong, none: 1000 coins each, four standard deviations of 0.016
        assert sum(found[kind::3]) / 1000 == pytest.approx(0.5, abs=0.064)


def test_random_rewards_come_again_with_their_seed_alone(file, monkeypatch):
    first = scores("control-random", file, seed=1, count=100, monkeypatch=monkeypatch)
    assert first == scores("control-random", file, seed=1, count=100, monkeypatch=monkeypatch)
    other = scores("control-random", file, seed=2, count=100, monkeypatch=monkeypatch)
    assert 100 < sum(a != b for a, b in zip(first, other, strict=True)) < 200


def test_random_rewards_do_not_depend_on_the_process(root, monkeypatch):
    """Python salts its own hashes by process."""
    program = "from mathrl.rewards.controls import *; print([random_reward(None, '', str(n), '') for n in range(40)])"
    monkeypatch.setenv(terms.SEED, "7")
    run = subprocess.run([sys.executable, "-c", program], cwd=root / "scripts", capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str([terms.random_reward(None, "", str(n), "") for n in range(40)])


@pytest.mark.parametrize("run", ARMS)
def test_the_arms_are_known_as_controls(file, run):
    assert controls.control_kind(experiment.spelled_out(file), run) == run.removeprefix("control-")


def test_the_seed_reaches_the_reward_of_a_random_arm_and_of_no_other(file):
    file["runs"]["control-random"]["seed"] = 5
    assert keys_of(file, "control-random")[SEED_KEY] == "5"
    for run in ("grpo", "control-inverted", "control-constant", "dapo"):
        assert SEED_KEY not in keys_of(file, run), run


def test_controls_true_adds_the_arms_with_the_seeds_of_the_study(file):
    file["runs"]["three"] = {"seeds": [1, 2, 3], "mini_batch_size": 88}
    plain = reading.expanded({**file, "select": ["three"]})[0]
    assert plain["select"] == ["three-seed-1", "three-seed-2", "three-seed-3"]
    found = reading.expanded({**file, "select": ["three"], "controls": True})[0]
    assert found["select"] == [*plain["select"], *(f"{arm}-seed-{seed}" for arm in ARMS for seed in (1, 2, 3))]
    one = reading.expanded({**file, "controls": True})[0]
    assert one["select"] == ["grpo", *ARMS]
    assert reading.expanded({**file, "select": ["grpo", "control-format"], "controls": True})[0]["select"].count("control-format") == 1


def test_the_arms_begin_and_last_as_the_first_selected_run(file):
    """Net of a control that starts elsewhere or trains longer, an effect says nothing."""
    file["runs"]["warm"] = {"seeds": [1, 2], "mini_batch_size": 88, "steps": 5}
    file["runs"]["after"] = {"seeds": [1, 2], "mini_batch_size": 88, "start_from": "warm", "steps": 40, "advantage": "rloo"}
    runs = reading.expanded({**file, "select": ["after", "grpo"], "controls": True})[0]["runs"]
    for arm in ARMS:
        for seed in (1, 2):
            own = runs[f"{arm}-seed-{seed}"]
            assert (own["start_from"], own["steps"], "advantage" in own) == (f"warm-seed-{seed}", 40, False), arm
    file["runs"]["warm"] |= {"algorithm": "supervised", "learning_rate": 1e-5}
    runs = reading.expanded({**file, "select": ["warm", "after"], "controls": True})[0]["runs"]
    assert (runs["control-format-seed-2"]["steps"], "learning_rate" in runs["control-format-seed-2"]) == (40, False), "no supervised run"
    file["runs"]["small"] = {"train_batch_size": 64, "mini_batch_size": 32}
    own = reading.expanded({**file, "select": ["small"], "controls": True})[0]["runs"]["control-random"]
    assert (own["train_batch_size"], own["mini_batch_size"]) == (64, 32), "sizes that divide"
    file["runs"]["control-random"]["steps"] = 7
    assert reading.expanded({**file, "select": ["after"], "controls": True})[0]["runs"]["control-random-seed-1"]["steps"] == 7, (
        "said is said"
    )
    file["runs"]["two"] = {"mini_batch_size": 88, "stages": [{"name": "a"}, {"name": "b"}]}
    with pytest.raises(UserError, match="config: controls: run two has stages, and the control arms have one"):
        reading.expanded({**file, "select": ["two"], "controls": True})


def test_a_study_without_the_arms_says_which_is_missing(file):
    del file["runs"]["control-format"]
    with pytest.raises(UserError, match="config: controls: there is no run control-format in runs"):
        reading.expanded({**file, "controls": True})
