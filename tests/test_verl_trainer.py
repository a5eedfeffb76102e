"""What our subclass changes in verl's trainer, on verl's own code."""

import json
import os
import subprocess
import sys

import pytest
from mathrl import verl_config

# Two responses of 1 and 3 tokens after a prompt of two; verl's trainer with everything around it left out.
ENTROPY = """
import json, types, torch
from omegaconf import OmegaConf
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from mathrl.verl_trainer import Trainer, trainer_base
nested = lambda *rows: torch.nested.as_nested_tensor([torch.tensor(row) for row in rows], layout=torch.jagged)
entropy = nested([9.0, 1.0, 9.0], [9.0, 2.0, 3.0, 4.0, 9.0])  # a token's stands at the token before it
fields = TensorDict({"entropy": entropy, "log_probs": entropy, "response_mask": nested([1], [1, 1, 1])}, batch_size=2)
batch = KVBatchMeta(partition_id="train", keys=["a_0_0", "b_0_0"], tags=[{}, {}])
trainer_base.tq = types.SimpleNamespace(kv_batch_get=lambda **_: fields.copy(), kv_batch_put=lambda **_: batch)
found = {}
for mode in ("token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"):
    actor = {"loss_agg_mode": mode, "loss_scale_factor": 512}
    settings = {"actor_rollout_ref": {"actor": actor, "rollout": {"temperature": 1.0, "calculate_log_probs": False}}, "algorithm": {}}
    trainer, metrics = object.__new__(Trainer), {}
    trainer.config = OmegaConf.create(settings)
    trainer.actor_rollout_wg = types.SimpleNamespace(compute_log_prob=lambda batch: batch)
    trainer._compute_old_log_prob(batch, metrics)
    assert trainer.config.actor_rollout_ref.actor.loss_agg_mode == mode
    found[mode] = metrics["actor/entropy"]
print("FOUND" + json.dumps(found))
"""


def test_entropy_is_per_token_however_the_loss_is_aggregated(root):
    environment = {**os.environ, **verl_config.environment("cpu")}
    done = subprocess.run([sys.executable, "-c", ENTROPY], env=environment, capture_output=True, text=True, cwd=root, timeout=300)
    line = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert line, done.stderr[-2000:]
    assert list(json.loads(line[0].removeprefix("FOUND")).values()) == pytest.approx([2.5] * 4)
