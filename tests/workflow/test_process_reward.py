"""Real trainings with a process reward. A gate: a verifier that breaks ends it at a checkpoint, and the same command goes on. A filter: who
leaves is not learnt from, and counts as generated. Credit by the worst step: what the steps earn is what verl trains on."""

import json
import os
from itertools import groupby

import pytest
from mathrl.config.process import Process
from mathrl.config.verifiers import Settings
from mathrl.core.tensorboard import read_scalars
from mathrl.rewards.process import verdict, with_process
from mathrl.rewards.process_filter import of_right
from mathrl.text.reasoning_steps import reasoning_steps
from mathrl.training import checkpoints
from mathrl.verifiers import load
from mathrl.verifiers.arithmetic import Arithmetic

from .conftest import ROOT

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]

# Flags the first step of every other response. It breaks at the first problem of the second step, until it is mended.
VERIFIER = """
import json, os
from pathlib import Path
PLACE = Path(os.environ["MY_VERIFIER"])
def scores(problems, responses, breaks_after):
    with open(PLACE / "scored.jsonl", "a") as log:
        for problem, steps in zip(problems, responses):
            print(json.dumps([problem, steps]), file=log)
    seen = {json.loads(line)[0] for line in (PLACE / "scored.jsonl").read_text().splitlines()}
    if len(seen) > breaks_after and not (PLACE / "mended").exists():
        raise RuntimeError("the verifier's disk is on fire")
    return [[float(len("".join(steps)) % 2)] + [1.0] * (len(steps) - 1) for steps in responses]
"""
PROMPTS, SAMPLES = 8, 32  # of a step


EQUALITIES = {"named": {"equalities": {"kind": "arithmetic"}}}
TERMS = {"format": 0.1, "correct": 0.9}


def trained(short, verifiers=EQUALITIES, **changes):
    """A training of two steps from the demo's trained model, which is right often: manifest, kept rollouts by step, curves."""
    own = {"steps": 2, "save_every": 2, "validate_before": False, "rollouts_per_step": 100, **changes}
    stage = short.stage(**own)
    stage["verl"] = {"trainer.test_freq": -1}
    manifest = short.train(stage, verifiers=verifiers, model=short.demo.directory / "results/grpo/model")
    texts = {step: (short.directory() / f"rollouts/{step}.jsonl").read_text() for step in (1, 2)}
    rows = {step: [json.loads(line) for line in text.splitlines()] for step, text in texts.items()}
    assert {len(of_step) for of_step in rows.values()} == {SAMPLES}
    curves = {tag: dict(points) for tag, points in read_scalars(manifest["tensorboard"]).items()}
    return manifest, rows, curves


def test_a_filter_leaves_out_and_counts_what_it_leaves_out(short):
    process = {"verifiers": ["equalities"], "mode": "filter", "drop": 2}
    manifest, rows, curves = trained(short, reward={"terms": TERMS, "process": process})
    assert manifest["steps"] == 2
    for step in (1, 2):
        assert curves["process/dropped"][step] == 0.5
        assert curves["critic/score/mean"][step] == pytest.approx(sum(row["score"] for row in rows[step]) / SAMPLES, abs=1e-6)
        dropped = [row for row in rows[step] if row["dropped"]]
        assert curves["process/dropped_right"][step] == pytest.approx(sum(row["acc"] for row in dropped) / len(dropped), abs=1e-6)
        for _, group in groupby(rows[step], key=lambda row: row["uid"].rsplit("_", 2)[0]):
            group = list(group)
            gone, right = [row for row in group if row["dropped"]], sum(row["acc"] for row in group)
            assert len(group) == 4 and len(gone) == 2
            assert sum(row["acc"] for row in gone) == of_right(round(right), round(4 - right), 2)
        generated = curves["training/generated_tokens"][step]
        assert generated == pytest.approx(curves["response_length/mean"][step] * SAMPLES)
        assert 0 < curves["training/tokens"][step] < generated + curves["prompt_length/mean"][step] * SAMPLES
    assert manifest["generated_tokens"] == sum(curves["training/generated_tokens"].values())


def test_the_worst_step_of_a_response_is_what_it_earns(short):
    process = {"verifiers": ["equalities"], "mode": "min", "weight": 0.5}
    manifest, rows, curves = trained(short, reward={"terms": TERMS, "process": process}, advantage="rloo")
    assert manifest["steps"] == 2
    arithmetic = Settings("equalities", "arithmetic")
    worst = 0.0
    for step in (1, 2):
        told = []
        for row in rows[step]:
            steps = reasoning_steps(row["output"])
            scores = Arithmetic().score([""], [steps])
            outcome = {"score": 0.1 * row["format"] + 0.9 * row["acc"], "acc": row["acc"]}
            told.append(with_process(outcome, verdict(scores, arithmetic, [arithmetic]), Process(**process), steps))
            assert row["score"] == pytest.approx(told[-1]["score"], abs=1e-6)
        assert curves["process/worst"][step] == pytest.approx(sum(one["process_worst"] for one in told) / SAMPLES, abs=1e-6)
        assert curves["critic/score/mean"][step] == pytest.approx(sum(one["score"] for one in told) / SAMPLES, abs=1e-6)
        assert abs(curves["critic/advantages/mean"][step]) < 1e-3 < curves["critic/advantages/max"][step], "whitened over the batch"
        worst += curves["process/worst"][step]
    assert 0 < worst < 2, "some responses have a false equation and some have none"


def test_a_model_scores_beside_a_training_on_a_cpu(short, tmp_path):
    model = short.demo.directory / "results/grpo/model"  # any causal language model is one; what it says of a step is noise
    verifiers = {"named": {"checker": {"kind": "prm", "model": str(model), "aggregate": "mean"}}}
    manifest, rows, curves = trained(short, verifiers, reward={"terms": TERMS, "process": {"verifiers": ["checker"], "mode": "blend"}})
    assert manifest["steps"] == 2
    assert "train grpo: verifier checker is served after" in short.said()
    assert "verifier checker: is served" in (short.directory() / "verifier-checker.log").read_text()
    one = Settings("checker", "prm", aggregate="mean")
    again = load.make(one, root=tmp_path, timeout=600, retries=0, batch_size=8, model=model)
    for step in (1, 2):
        problems = [row["input"].partition("Question: ")[2].partition("\nassistant")[0] for row in rows[step]]
        steps = [reasoning_steps(row["output"]) for row in rows[step]]
        said = [verdict([scores], one, [one]) for scores in again.score(problems, steps)]
        assert curves["process/score"][step] == pytest.approx(sum(one.score for one in said) / SAMPLES, abs=1e-4)
        for row, of_it in zip(rows[step], said, strict=True):
            assert row["score"] == pytest.approx(0.5 * (0.1 * row["format"] + 0.9 * row["acc"]) + 0.5 * of_it.score, abs=1e-4)
    assert len({round(row["score"], 4) for row in rows[1]}) > 4


def test_a_gate_takes_from_right_answers_alone_and_a_broken_verifier_ends_at_a_checkpoint(short):
    (short.place / "my_verifier.py").write_text(VERIFIER)
    told = short.place / "told"  # what the code writes beside itself under a name that it spells out would count as its own
    told.mkdir()
    gate = {"verifiers": ["equalities", "mine"], "weight": 0.5}
    mine = {"kind": "my_verifier:scores", "options": {"breaks_after": PROMPTS}}
    verifiers = {"named": {**EQUALITIES["named"], "mine": mine}, "retries": 0}
    stage = short.stage(
        reward={"terms": TERMS, "process": gate},
        steps=3,
        save_every=3,
        validate_before=False,
        rollouts_per_step=100,
    )
    stage["verl"] = {"trainer.test_freq": -1}
    environment = {"MY_VERIFIER": str(told), "PYTHONPATH": os.pathsep.join([str(short.place), str(ROOT / "scripts")])}
    model = short.demo.directory / "results/grpo/model"  # which is right often

    short.train(stage, code=2, verifiers=verifiers, environment=environment, model=model)
    said = short.said()
    assert (
        "verifier mine: failed 1 times" in said
        and "RuntimeError: the verifier's disk is on fire; checkpoints up to step 1 are kept" in said
    )
    assert checkpoints.steps(short.directory()) == [1], "save_every is 3: what was learnt before the failure is saved all the same"

    (told / "mended").touch()
    manifest = short.train(stage, verifiers=verifiers, environment=environment, model=model)
    assert "goes on from step 1" in short.said() and manifest["steps"] == 3
    curves = {tag: dict(points) for tag, points in read_scalars(manifest["tensorboard"]).items()}
    right, prompts = 0, set()
    for step in (1, 2, 3):
        rows = [json.loads(line) for line in (short.directory() / f"rollouts/{step}.jsonl").read_text().splitlines()]
        assert len(rows) == SAMPLES, "no response is left out"
        lost = [round(0.1 * row["format"] + 0.9 * row["acc"] - row["score"], 6) for row in rows]
        assert {one for one, row in zip(lost, rows, strict=True) if not row["acc"]} <= {0.0}
        of_right = [one for one, row in zip(lost, rows, strict=True) if row["acc"]]
        assert set(of_right) <= {0.0, 0.5}
        if of_right:
            assert curves["process/flagged_right"][step] == pytest.approx(of_right.count(0.5) / len(of_right), abs=1e-6)
        assert curves["critic/score/mean"][step] == pytest.approx(sum(row["score"] for row in rows) / SAMPLES, abs=1e-6)
        right += len(of_right)
        prompts |= {row["input"] for row in rows}
    assert right > 0 and {"process/score", "process/steps", "process/tokens_per_step", "process/seconds"} <= curves.keys()
    lengths = curves["response_length/mean"]
    assert all(
        curves["process/tokens_per_step"][step] == pytest.approx(lengths[step] / steps) for step, steps in curves["process/steps"].items()
    )
    asked = [json.loads(line)[0] for line in (told / "scored.jsonl").read_text().splitlines()]
    of_training = [problem for problem in asked if any(problem in prompt for prompt in prompts)]  # validations ask too
    assert 0 < len(of_training) <= 4 * SAMPLES, "one step was asked for twice, as none of it was kept"
