"""The process reward in verl's own hands: its keys, its coroutine, its curves, and the end where a verifier fails."""

import json

import pytest
from mathrl.config.verifiers import Settings
from mathrl.rewards import failure
from mathrl.verifiers import load
from mathrl.verl import process_reward
from support.settings import process_keys

KWARGS = "+reward.custom_reward_function.reward_kwargs"
NAMED = {"eq": {"kind": "arithmetic"}, "other": {"kind": "arithmetic", "threshold": 0.9}}


def test_the_configuration_becomes_verls_keys(config, tmp_path):
    keys = process_keys(config, tmp_path, NAMED, weight=0.25)
    assert keys["reward.custom_reward_function.path"].endswith("/scripts/process_reward.py")
    assert json.loads(keys[f"{KWARGS}.process"]) == {
        "process": {"verifiers": ["eq"], "weight": 0.25},
        "verifiers": {"named": {"eq": {"kind": "arithmetic", "prompt": None}}, "timeout": 300, "retries": 4, "batch_size": 64},
        "workers": 8,
    }
    assert (keys[f"{KWARGS}.store"], keys[f"{KWARGS}.failure"]) == (str(tmp_path / "scores"), str(tmp_path / "c" / failure.NAME))
    assert "mathrl.verl.process_reward" in keys["actor_rollout_ref.model.external_lib"]
    assert keys["algorithm.filter_groups.metric"] == "process_acc", "right answers of one prompt differ under a gate"
    other = {mode: process_keys(config, tmp_path, NAMED, mode=mode) for mode in ("blend", "filter", "min")}
    compared = {mode: keys["algorithm.filter_groups.metric"] for mode, keys in other.items()}
    assert compared == {"blend": "acc", "filter": "acc", "min": "reward"}, "under min wrong answers of one prompt differ, too"
    libraries = {mode: keys["actor_rollout_ref.model.external_lib"] for mode, keys in other.items()}
    assert libraries == {
        "blend": "mathrl.verl.process_reward",
        "filter": ["mathrl.verl.process_reward", "mathrl.verl.process_filter"],
        "min": ["mathrl.verl.process_reward", "mathrl.verl.process_min"],
    }


def test_a_file_of_the_users_is_found_from_anywhere(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(NAMED, "eq", {"kind": "mine/steps.py:scores"})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/steps.py").write_text("def scores(problems, responses):\n    return [[1.0] * len(steps) for steps in responses]\n")
    told = json.loads(process_keys(config, tmp_path, NAMED)[f"{KWARGS}.process"])["verifiers"]["named"]["eq"]["kind"]
    assert told == f"{tmp_path}/mine/steps.py:scores"
    made = [load.make(Settings("eq", kind), root=tmp_path, timeout=1, retries=0, batch_size=1) for kind in ("mine/steps.py:scores", told)]
    assert made[0].directory == made[1].directory, "training and evaluation share the scores"


# verl composes the keys, loads the function by its path, and awaits it in its own reward manager.
REWARDED = """
import asyncio, json, sys
import numpy as np, torch
from omegaconf import OmegaConf
from mathrl.verl import grpo_config
from verl import DataProto
from verl.trainer.ppo.reward import load_reward_manager
class Tokenizer:
    def decode(self, ids, **_):
        return bytes(ids.tolist()).decode()
async def main():
    manager = load_reward_manager(OmegaConf.create(grpo_config.resolve(json.loads(sys.argv[1]))), Tokenizer())
    found = []
    for text in json.loads(sys.argv[2]):
        ids = torch.tensor([list(text.encode())])
        tensors = {"responses": ids, "attention_mask": torch.ones_like(ids)}
        row = {"data_source": "d", "reward_model": {"ground_truth": "2"}, "extra_info": {"original_problem": "What?"}}
        others = {key: np.array([value], dtype=object) for key, value in row.items()}
        found.append(await manager.run_single(DataProto.from_dict(tensors=tensors, non_tensors=others)))
    print("FOUND" + json.dumps([manager.is_async_reward_score, found]))
asyncio.get_event_loop().run_until_complete(main())
"""
TEXTS = ["1 + 1 = 2\nSo \\boxed{2}.", "1 + 1 = 3\nSo \\boxed{2}.", "So \\boxed{3}."]


def found(printed):
    (line,) = [line for line in printed.splitlines() if line.startswith("FOUND")]
    return json.loads(line.removeprefix("FOUND"))


@pytest.mark.parametrize(
    ("process", "rewards"),
    [
        ({"weight": 0.25}, [1.0, 0.75, 0.0]),
        ({"mode": "blend", "weight": 0.2}, [1.0, 0.8, 0.2]),
        ({"verifiers": ["eq", "other"], "combine": "vote"}, [1.0, 0.5, 0.0]),
        ({"mode": "filter"}, [1.0, 1.0, 0.0]),
        ({"mode": "min"}, [1.0, 0.0, 0.5]),
    ],
    ids=["gate", "blend", "two", "filter", "min"],
)
def test_verl_awaits_it_and_takes_its_keys(verl, config, tmp_path, process, rewards):
    asynchronous, rows = found(verl("cuda").ask(REWARDED, json.dumps(process_keys(config, tmp_path, NAMED, **process)), json.dumps(TEXTS)))
    assert asynchronous, "verl would call it in a thread"
    assert [row["reward_score"] for row in rows] == pytest.approx(rewards, abs=1e-6)
    assert [row["reward_extra_info"]["process_flagged"] for row in rows] == [0.0, 0.5, 0.0]


def row(acc, score, flagged=0.0, steps=2, outcome=1.0):
    said = {
        "process_score": score,
        "process_flagged": flagged,
        "process_steps": steps,
        "process_disagreement": 0.0,
        "process_seconds": steps / 2,
    }
    return {"acc": acc, "outcome": outcome, **said}


def test_curves_of_a_step():
    rows = [row(1.0, 1.0), row(1.0, 0.0, 0.5), row(0.0, 0.0, 0.5, 4, 0.1), row(0.0, 0.0, 1.0, 4, 0.1)]
    told = process_reward.summarize(rows)
    assert told == pytest.approx(
        {
            "process/score": 0.25, "process/flagged": 0.5, "process/steps": 3.0, "process/disagreement": 0.0, "process/outcome": 0.55,
            "process/seconds": 1.5, "process/seconds_max": 2.0, "process/flagged_right": 0.5, "process/correlation": 1 / 3**0.5,
            "process/score_right": 0.5, "process/spread": 3**0.5 / 4,
        }
    )  # fmt: skip
    assert "process/correlation" not in process_reward.summarize(rows[:2]), "all are right: nothing goes with anything"
    assert process_reward.summarize(rows[1:3])["process/correlation"] == 0.0, "a verifier that all of them please tells nothing"
    worst = [{**one, "process_worst": number / 4} for number, one in enumerate(rows)]
    assert process_reward.summarize(worst) == pytest.approx({**told, "process/worst": 0.375}), "of a mode, where it is told"
    assert not {"process/flagged_right", "process/score_right"} & process_reward.summarize(rows[2:]).keys()
    assert process_reward.summarize([{"acc": 1.0}]) == {}
    assert process_reward.tokens_per_step(told, {"response_length/mean": 24.0}) == {"process/tokens_per_step": 8.0}
    assert process_reward.tokens_per_step(told, {}) == process_reward.tokens_per_step({}, {"response_length/mean": 24.0}) == {}


# verl's own training loop over 9 steps. Sampling, learning, saving and validating only say that they happen, with the place in the data; in
# step `failing` a reward worker notes a failure, and verl's buffer either gives what is left, or raises.
LOOP = """
import json, sys, types
from pathlib import Path
from omegaconf import OmegaConf
from mathrl.rewards import failure
from mathrl.verifiers import load
from mathrl.verl.grpo_trainer import PPOTrainerSync, Trainer, trainer_base
trainer_base.PPOTrainer._validate = lambda self: self.own_validation()  # before ours is put around it
from mathrl.verl import process_reward
trainer_base.SkipManager = types.SimpleNamespace(init=lambda *a: None, set_step=lambda *a: None)
trainer_base.tq = types.SimpleNamespace(kv_clear=lambda **k: None)
trainer_base.Tracking = lambda **k: types.SimpleNamespace(log=lambda **k: None)
batch = types.SimpleNamespace(keys=[], tags=[], partition_id="train", extra_info={})
class Loader:
    place = 0
    def state_dict(self):
        return {"place": self.place}
def run(place, failing, where, raises):
    place.mkdir()
    trainer, done = object.__new__(Trainer), {"learnt": [], "saved": [], "validated": [], "ended": None}
    own = {"save_freq": 4, "test_freq": 3, "default_local_dir": str(place), "val_before_train": True, "total_epochs": 9, "logger": []}
    own |= {"project_name": "p", "experiment_name": "e"}
    data = {"train_batch_size": 2}
    rollout = {"actor_rollout_ref": {"rollout": {"temperature": 1.0}}}
    trainer.config = OmegaConf.create({"trainer": own, "global_profiler": {"steps": None}, "data": data, **rollout})
    OmegaConf.set_struct(trainer.config, True)
    trainer._save_every, trainer._validate_every, trainer.parameter_sync_step = 4, 3, 1
    trainer.global_steps, trainer.total_training_steps, trainer.steps_per_epoch = 0, 9, 100
    trainer.train_dataloader, trainer.train_dataloader_it = Loader(), None
    trainer.curr_step_profile, trainer._discarded_tokens = False, 0
    trainer._rollout_moe_lb_metrics_accumulator = None
    engine = {"awake": True}
    trainer.checkpoint_manager = types.SimpleNamespace(sleep_replicas=lambda: engine.update(awake=False))
    trainer.reward_loop_manager = types.SimpleNamespace(reward_loop_worker_handles=[])
    def fail(here):
        if here == where and trainer.global_steps == failing:
            failure.note(place / failure.NAME, "verifier judge: is gone")
            if raises:
                raise RuntimeError("2 prompts got no answer")
    def sample(**_):
        trainer.train_dataloader_it = trainer.train_dataloader
        trainer.train_dataloader.place += 2
        fail("train")
        return batch, {}
    trainer.replay_buffer = types.SimpleNamespace(sample=sample)
    def save(self):
        assert not engine["awake"], "no room for both on a GPU"
        (place / f"global_step_{self.global_steps}").mkdir(exist_ok=True)  # with the metrics of its step
        done["saved"].append([self.global_steps, self.train_dataloader.state_dict()["place"]])
    def validate():
        fail("validate")
        done["validated"].append(trainer.global_steps)
        return {"acc": 1.0}
    PPOTrainerSync._save_checkpoint = save
    trainer.own_validation = validate
    def learn(self, batch, metrics):
        done["learnt"].append(self.global_steps)
        return batch
    PPOTrainerSync._update_actor = learn
    for name in ("_balance_batch", "_compute_old_log_prob", "_compute_advantage"):
        setattr(trainer, name, lambda batch, **_: batch)
    trainer.use_reference_policy = trainer.use_critic = False
    with __import__("omegaconf").open_dict(trainer.config):
        trainer.config.trainer.critic_warmup = 0
    for name in "_reissue_inflight_prompts _start_profiling _stop_profiling _shutdown_dump_executor".split():
        setattr(trainer, name, lambda *a, **k: None)
    trainer._compute_metrics = trainer.prepare_step = lambda *a, **k: None
    trainer.on_step_begin = trainer.on_validate_begin = lambda: None
    trainer.on_step_end = lambda: engine.update(awake=True)
    try:
        trainer.fit(None)
    except Exception as error:
        done["ended"] = f"{type(error).__name__}: {error}"
    return done
place = Path(sys.argv[1])
print("FOUND" + json.dumps([run(place / str(n), *case) for n, case in enumerate(json.loads(sys.argv[2]))]))
"""

# failing step, where, verl raises: steps learnt; saved with the place in the data; why it ended. Two prompts a step, saved each four.
GONE = "UserError: verifier judge: is gone"
ENDS = [
    ((None, None, False), list(range(1, 10)), [[4, 8], [8, 16], [9, 18]], None),
    ((7, "train", False), [1, 2, 3, 4, 5, 6], [[4, 8], [6, 12]], GONE),
    ((7, "train", True), [1, 2, 3, 4, 5, 6], [[4, 8], [6, 12]], GONE),
    ((5, "train", False), [1, 2, 3, 4], [[4, 8]], GONE),  # saved already
    ((1, "train", True), [], [], GONE),  # nothing is learnt yet
    ((6, "validate", False), [1, 2, 3, 4, 5, 6], [[4, 8], [6, 12]], GONE),
    ((6, "validate", True), [1, 2, 3, 4, 5, 6], [[4, 8], [6, 12]], GONE),
    ((0, "validate", False), [], [], GONE),
]


def test_a_failed_reward_ends_the_training_at_a_checkpoint(verl, tmp_path):
    """What was learnt is saved with the prompts of the failed step still to come; nothing is learnt from what is left of it."""
    told = found(verl("cpu").ask(LOOP, str(tmp_path), json.dumps([case for case, *_ in ENDS])))
    for one, (case, learnt, saved, ended) in zip(told, ENDS, strict=True):
        assert (one["learnt"], one["saved"], one["ended"]) == (learnt, saved, ended), case
