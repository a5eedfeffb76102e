"""A checkpoint that somebody else saved: its weights are loaded, its code never runs."""

import os
import subprocess
import sys

import pytest
import torch
from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError
from mathrl.models import export


class Bomb:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (os.system, (f"touch {self.place}",))


def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path):
    shards = tmp_path / "global_step_7/actor"
    (shards / "huggingface").mkdir(parents=True)
    torch.save({"weight": torch.zeros(2), "more": Bomb(tmp_path / "ran")}, shards / "model_world_size_1_rank_0.pt")
    with pytest.raises(UserError, match=r"rank_0.pt: holds more than weights, or is damaged \(.*system.*\); nothing of it was run"):
        export.export_checkpoint(tmp_path / "global_step_7", tmp_path / "out", {}, {}, {})
    assert not (tmp_path / "ran").exists() and not (tmp_path / "out").exists()


SHARDED = """
import os, sys
import torch, torch.distributed as dist
from pathlib import Path
from torch.distributed.tensor import Shard, distribute_tensor, init_device_mesh
from mathrl.models.export import check_weights
dist.init_process_group("gloo", init_method="file://" + sys.argv[1] + "/store", rank=0, world_size=1)
mesh = init_device_mesh("cpu", (1,), mesh_dim_names=("fsdp",))
state = {"weight": distribute_tensor(torch.arange(4.0), mesh, [Shard(0)]), "plain": torch.ones(1), "count": 3}
torch.save(state, sys.argv[1] + "/model_world_size_1_rank_0.pt")
check_weights(Path(sys.argv[1]))
"""


def test_what_verl_saves_are_weights(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run([sys.executable, "-c", SHARDED, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
