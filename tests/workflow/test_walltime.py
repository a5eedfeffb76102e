"""A training that is eight times as long as its SLURM walltime completes unattended; `make test-hpc` pauses one in a real SLURM."""

import os
import time

import pytest
from mathrl.core.tensorboard import read_scalars
from mathrl.execution import pauses
from mathrl.training import checkpoints

from .conftest import ShortTraining, wait_for

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(7200)]

PARTS = 8
EACH = 2  # steps that a walltime has room for
SCONTROL = """#!/bin/sh
echo "$@" >> asked
[ "$1" = requeue ] || echo "JobId=7 JobState=RUNNING Reason=None"
"""


def test_a_training_eight_times_as_long_as_its_walltime_completes(short: ShortTraining, monkeypatch):
    """Each attempt is the same job, which SLURM starts again because it is asked to; nobody types anything, and no retry is used."""
    (short.place / "bin").mkdir()
    (short.place / "bin/scontrol").write_text(SCONTROL)
    (short.place / "bin/scontrol").chmod(0o755)
    for name, value in {"PATH": f"{short.place}/bin:{os.environ['PATH']}", "SLURM_JOB_ID": "7", pauses.QUEUES: "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(short.place)
    steps = PARTS * EACH
    stage = short.stage(steps=steps, save_every=steps, validate_every=steps, validate_before=False)
    first = short.start(stage)  # it is pre-empted, and shows how long a start and a step take
    begin = time.time()
    wait_for(lambda: short.reached() >= 1 or first.poll() is not None, 1800, "a step")
    started = time.time() - begin
    wait_for(lambda: short.reached() >= 2 or first.poll() is not None, 1800, "another step")
    step = time.time() - begin - started
    first.terminate()
    codes = [first.wait(timeout=600)]
    while codes[-1] and len(codes) < 4 * PARTS:
        pauses.queue_again()
        assert requeued() == len(codes), short.said()
        walltime = 2 * (started + (EACH - 0.5) * step)  # a job of minutes is told at half of it
        codes.append(short.start(stage, environment={"MATHRL_DEADLINE": str(int(time.time() + walltime))}).wait(timeout=1800))
    assert codes[-1] == 0 and set(codes[:-1]) == {143} and len(codes) >= PARTS - 2, (codes, short.said())
    assert "the walltime ends soon" in short.said()
    assert short.manifest()["steps"] == steps and checkpoints.steps(short.directory())[-1] == steps
    curve = [at for at, _ in read_scalars(short.directory() / "tensorboard")["critic/score/mean"]]
    assert curve == list(range(1, steps + 1)), "no pause loses a point of a curve"


def requeued() -> int:
    """How often SLURM was asked to queue the job again."""
    with open("asked") as asked:
        return asked.read().count("requeue 7")
