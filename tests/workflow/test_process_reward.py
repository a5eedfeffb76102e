"""A real training with a gate: a verifier that breaks ends it at a checkpoint, and the same command goes on."""

import json
import os

import pytest
from mathrl.core.tensorboard import read_scalars
from mathrl.training import checkpoints

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


def test_a_gate_takes_from_right_answers_alone_and_a_broken_verifier_ends_at_a_checkpoint(short):
    (short.place / "my_verifier.py").write_text(VERIFIER)
    told = short.place / "told"  # what the code writes beside itself under a name that it spells out would count as its own
    told.mkdir()
    gate = {"verifiers": ["equalities", "mine"], "weight": 0.5}
    mine = {"kind": "my_verifier:scores", "options": {"breaks_after": PROMPTS}}
    verifiers = {"named": {"equalities": {"kind": "arithmetic"}, "mine": mine}, "retries": 0}
    stage = short.stage(
        reward={"terms": {"format": 0.1, "correct": 0.9}, "process": gate},
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
    assert right > 0 and {"process/score", "process/steps", "process/seconds"} <= curves.keys()
    asked = [json.loads(line)[0] for line in (told / "scored.jsonl").read_text().splitlines()]
    of_training = [problem for problem in asked if any(problem in prompt for prompt in prompts)]  # validations ask too
    assert 0 < len(of_training) <= 4 * SAMPLES, "one step was asked for twice, as none of it was kept"
