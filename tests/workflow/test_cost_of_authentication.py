"""What it costs that strangers' frames are refused: processor time of CURVE per step, of all that a step takes."""

import json
import os
import signal
import struct
import subprocess
import sys

import psutil
import pytest
from mathrl.core.code_files import SCRIPTS
from support.waiting import wait_for

from .conftest import ROOT, ShortTraining

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]

FROM, TO = 2, 6  # steps between which is counted: the first ones compile
MOST = 0.01


def sent(folder):
    """Connections, frames and bytes of all processes so far."""
    counts = [struct.unpack("<3q", path.read_bytes()) for path in folder.iterdir()]
    return [sum(column) for column in zip(*counts, strict=True)]


def processor_seconds(pid):
    """Of all processes of a training so far; of one that has ended meanwhile nothing counts, so that a share is rather too large."""
    found = {}
    for one in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found[one.pid] = times.user + times.system
    return found


def test_authentication_costs_at_most_a_hundredth_of_a_step(short: ShortTraining, capsys):
    counts = short.place / "counts"
    counts.mkdir()
    stage = short.stage(steps=60, save_every=60, validate_every=60, validate_before=False, rollouts_per_step=0)
    environment = {"PYTHONPATH": str(ROOT / "tests/verl/counting"), "MATHRL_COUNTS": str(counts)}
    process = short.start(stage, environment=environment)
    seen = []
    for step in (FROM, TO):
        wait_for(lambda step=step: short.reached() >= step or process.poll() is not None, 1800, f"step {step}")
        assert process.poll() is None, short.said() + short.log()[-4000:]
        seen.append((sent(counts), processor_seconds(process.pid)))
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=180)
    steps = TO - FROM
    connections, frames, size = ((after - before) / steps for before, after in zip(seen[0][0], seen[1][0], strict=True))
    whole = sum(seconds - seen[0][1].get(pid, 0.0) for pid, seconds in seen[1][1].items()) / steps
    command = [sys.executable, str(ROOT / "tests/verl/curve_cost.py")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True, check=True, timeout=600)
    cost = json.loads(done.stdout)
    spent = connections * cost["connection"] + frames * cost["frame"] + size * cost["byte"]
    with capsys.disabled():
        print(f"\na step: {connections:.0f} connections, {frames:.0f} frames, {size / 1e3:.0f} kB; CURVE {spent * 1e3:.1f} ms of", end=" ")
        print(f"{whole:.2f} s of processor time: {spent / whole:.2%}")
    assert frames > 10, "the queue was not seen"
    assert spent / whole <= MOST
