"""Another number of GPUs goes on from the weights with a fresh optimizer; verl's own engine saves and loads."""

import json
import os
import subprocess
import sys

import pytest
from mathrl.training import resharding

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


def ranks(root, folder, world):
    from mathrl.verl.environment import verl_environment

    environment = {**os.environ, **verl_environment("cpu"), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    environment |= {"MASTER_ADDR": "127.0.0.1", "VLLM_LOGGING_LEVEL": "ERROR"}
    pipes = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    program = [sys.executable, root / "tests/verl/reshard.py", folder]
    started = [subprocess.Popen([*program, str(rank), str(world)], **pipes) for rank in range(world)]
    ended = [process.communicate(timeout=600) for process in started]
    assert all(process.returncode == 0 for process in started), ended[0][0][-500:] + ended[0][1][-3000:]
    (line,) = (line for line in ended[0][0].splitlines() if line.startswith('{"said"'))
    return json.loads(line)["said"]


def test_two_ranks_go_on_from_what_one_saved(root, tmp_path):
    one, two = ranks(root, tmp_path, 1), ranks(root, tmp_path, 2)
    assert two["weights"] == one["weights"], "every bit, of weights that do not divide by two ranks too"
    assert one["moments"] > 0 == two["moments"], "the optimizer is fresh"
    assert two["schedule"] == one["schedule"] == 2, "the warm-up of the learning rate goes on"
    assert two["losses"][0] < one["losses"][0]
    assert two["own moments"] == one["moments"], "what two ranks saved is loaded with its optimizer"
    assert [resharding.saved_by(tmp_path / f"global_step_{world}") for world in (1, 2)] == [1, 2]
