"""Hostile answers in the reward batches of a real verl run (tests/grading/hostile_reward.py)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(2400)]

ROOT = Path(__file__).resolve().parents[2]
SAMPLES, STEPS = 36, 2


@pytest.fixture(scope="module")
def trained(finished, tmp_path_factory):
    """Two steps from the demo's trained model, a sixth of all answers hostile: (calls of the reward, TensorBoard's curves)."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from mathrl.core.curves import read_scalars

    place = tmp_path_factory.mktemp("hostile")
    stage = json.loads((finished.directory / "results/grpo/main/manifest.json").read_text())["config"]
    stage |= {"steps": STEPS, "train_batch_size": 6, "mini_batch_size": 6, "micro_batch_size": SAMPLES, "save_every": STEPS}
    stage |= {"micro_batch_size_log_prob": SAMPLES, "validate_before": False, "choose": "last"}
    stage["verl"] = {"trainer.test_freq": -1, "reward.custom_reward_function.path": str(ROOT / "tests/grading/hostile_reward.py")}
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "scripts/train_policy.py", "--run", "hostile", "--accelerator", "cpu"),
            *("--config", json.dumps(stage), "--model", finished.directory / "results/grpo/model"),
            *("--train", finished.directory / "results/grpo/main/train.parquet"),
            *("--validation", finished.directory / "results/grpo/main/val.parquet"),
            *("--checkpoints", place, "--log", place / "verl.log", "--manifest", place / "manifest.json"),
        ],
        env=os.environ | {"MATHRL_HOSTILE_LOG": str(place / "calls.jsonl")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:] + (place / "verl.log").read_text()[-4000:]
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["steps"] == STEPS
    calls = [json.loads(line) for line in (place / "calls.jsonl").read_text().splitlines()]
    return calls, read_scalars(manifest["tensorboard"])


def test_the_steps_go_on_and_hostile_answers_have_their_status(trained):
    calls, _ = trained
    assert len(calls) == SAMPLES * STEPS
    hostile = [call for call in calls if call["kind"]]
    assert len(hostile) == 12 and len({call["kind"] for call in hostile}) == 4
    assert {call["status"] for call in hostile} <= {"different", "unparsed_answer", "no_box", "unparsed_gold"}, hostile
    assert {call["score"] for call in hostile} <= {0.0, 0.1}


def test_right_answers_still_score_one(trained):
    from mathrl.grading import grade

    calls, _ = trained
    usual = [call for call in calls if not call["kind"]]
    for call in usual:
        assert call["score"] == pytest.approx(grade(call["response"], call["gold"]).score) or call["status"] == "copied", call
    assert sum(call["score"] == pytest.approx(1.0) for call in usual) >= 10


def test_a_hostile_answer_costs_little(trained):
    calls, _ = trained
    assert max(call["seconds"] for call in calls) < 0.5


def test_every_status_and_term_of_a_step_is_in_tensorboard(trained):
    from mathrl.grading import STATUSES

    calls, scalars = trained
    for step in range(1, STEPS + 1):
        batch = calls[(step - 1) * SAMPLES : step * SAMPLES]
        for status in STATUSES:
            assert dict(scalars[f"grader/{status}"])[step] == sum(call["status"] == status for call in batch), status
        for term in ("format", "correct"):
            mean = sum(call[f"term_{term}"] for call in batch) / SAMPLES
            assert dict(scalars[f"reward_terms/{term}"])[step] == pytest.approx(mean, abs=1e-6), term
        terms = [dict(scalars[f"reward_terms/{term}"])[step] for term in ("format", "correct")]
        assert dict(scalars["training/boxed"])[step] == terms[0]
        assert 0.1 * terms[0] + 0.9 * terms[1] == pytest.approx(dict(scalars["critic/score/mean"])[step], abs=1e-6)


def test_the_demos_report_draws_reward_terms_and_grader_verdicts(finished):
    page = (finished.directory / "results/report.html").read_text()
    assert "grpo: reward terms in training" in page and "grpo: grader verdicts" in page
