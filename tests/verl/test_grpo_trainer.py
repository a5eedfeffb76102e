"""What our subclass changes in verl's trainer, on verl's own code."""

import json
import os
import subprocess
import sys

import pytest
from mathrl.verl import stop_file
from mathrl.verl.environment import verl_environment

# Two responses of 1 and 3 tokens after a prompt of two; verl's trainer with everything around it left out.
ENTROPY = """
import json, types, torch
from omegaconf import OmegaConf
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from mathrl.verl.grpo_trainer import Trainer, trainer_base
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
    environment = {**os.environ, **verl_environment("cpu")}
    done = subprocess.run([sys.executable, "-c", ENTROPY], env=environment, capture_output=True, text=True, cwd=root, timeout=300)
    line = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert line, done.stderr[-2000:]
    assert list(json.loads(line[0].removeprefix("FOUND")).values()) == pytest.approx([2.5] * 4)


# verl's own training loop with a step, a save and a validation that only say so; once for each way to be asked for an end.
LOOP = """
import json, sys, types
from pathlib import Path
from omegaconf import OmegaConf
from mathrl.verl import stop_file
from mathrl.verl.grpo_trainer import PPOTrainerSync, Trainer, trainer_base
trainer_base.SkipManager = types.SimpleNamespace(init=lambda *a: None, set_step=lambda *a: None)
trainer_base.tq = types.SimpleNamespace(kv_clear=lambda **k: None)
trainer_base.Tracking = lambda **k: types.SimpleNamespace(log=lambda **k: None)
def step(self, metrics, timing_raw):
    self.done["step"].append(self.global_steps)
    if self.global_steps == self.asked[0]:
        stop_file.ask(Path(self.config.trainer.default_local_dir), self.asked[1])
    return types.SimpleNamespace(keys=[], partition_id="train")
PPOTrainerSync.step = step
def run(place, asked):
    stop_file.clear(place)
    trainer, done = object.__new__(Trainer), {"step": [], "save": [], "validate": []}
    own = {"save_freq": 4, "test_freq": 6, "default_local_dir": str(place), "val_before_train": False, "total_epochs": 9, "logger": []}
    own |= {"project_name": "p", "experiment_name": "e"}
    trainer.config = OmegaConf.create({"trainer": own, "global_profiler": {"steps": None}})
    OmegaConf.set_struct(trainer.config, True)
    trainer.done, trainer.asked, trainer._save_every, trainer._validate_every = done, asked, 4, 6
    trainer.global_steps, trainer.total_training_steps, trainer.steps_per_epoch = 0, 12, 100
    note = lambda what: lambda: done[what].append(trainer.global_steps) or {}
    trainer._save_checkpoint, trainer._validate = note("save"), note("validate")
    others = "_compute_metrics _reissue_inflight_prompts on_step_end _start_profiling _stop_profiling _shutdown_dump_executor"
    for name in others.split():
        setattr(trainer, name, lambda *a, **k: None)
    trainer.fit(None)
    return done
print("FOUND" + json.dumps([run(Path(sys.argv[1]), asked) for asked in json.loads(sys.argv[2])]))
"""

# asked for in which step, what: steps that are taken, saved, validated; save_every 4, validate_every 6
ENDS = [
    ((None, None), 12, [4, 8, 12], [4, 6, 8, 12]),
    ((5, "pause"), 5, [4, 5], [4]),
    ((8, "pause"), 8, [4, 8], [4, 6]),  # a walltime nears: it is validated when training goes on
    ((5, "finish"), 5, [4, 5], [4, 5]),
    ((8, "abandon"), 8, [4], [4, 6]),
    ((12, "pause"), 12, [4, 8, 12], [4, 6, 8, 12]),  # the last step has nothing to pause
]


def test_what_is_saved_is_validated(root, tmp_path):
    environment = {**os.environ, **verl_environment("cpu")}
    command = [sys.executable, "-c", LOOP, str(tmp_path), json.dumps([asked for asked, *_ in ENDS])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=root, timeout=300)
    line = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert line, done.stderr[-2000:]
    expected = [{"step": list(range(1, steps + 1)), "save": saved, "validate": validated} for _, steps, saved, validated in ENDS]
    assert json.loads(line[0].removeprefix("FOUND")) == expected


# verl's SFT trainer with nothing around its own loop.
SUPERVISED = """
import sys
from mathrl.verl.sft_trainer import Trainer, sft_trainer
Trainer.__mro__[1].fit = lambda self: print("FIT", self.rank, flush=True)
for rank in (0, 1):
    trainer = object.__new__(sft_trainer.SFTTrainer)
    trainer.rank, trainer.total_training_steps = rank, 40
    trainer.fit()
"""


def test_the_supervised_trainer_says_once_that_steps_begin(root):
    """From there on SIGTERM saves instead of kills."""
    environment = {**os.environ, **verl_environment("cpu")}
    done = subprocess.run([sys.executable, "-c", SUPERVISED], env=environment, capture_output=True, text=True, cwd=root, timeout=300)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FIT", stop_file.TOTAL))]
    assert lines == [f"{stop_file.TOTAL}40", "FIT 0", "FIT 1"], done.stderr[-2000:]
