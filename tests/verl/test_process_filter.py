"""A filter in verl's own step: who leaves, what is learnt from, and that what was generated stays counted."""

import json
from pathlib import Path

import pytest
import yaml
from support.settings import process_keys

NAMED = {"eq": {"kind": "arithmetic"}}

# verl's step from the sampled batch to the metrics, on rows in memory: its own balancing, padding, advantages, metrics and kept rollouts.
# Only engine and optimizer are left out; what reaches the update is told.
STEP = """
import json, sys, types
from pathlib import Path
sys.path.insert(0, "tests")
import torch
from omegaconf import OmegaConf
from support import queue_rows
from mathrl.verl import grpo_config
from verl.utils.import_utils import import_external_libs
cases = [(OmegaConf.create(grpo_config.resolve(keys)), rows) for keys, rows in json.loads(sys.argv[1])]
from mathrl.verl.grpo_trainer import PPOTrainerSync, Trainer, trainer_base
import_external_libs(OmegaConf.to_container(cases[0][0].actor_rollout_ref.model.external_lib))
class Tokenizer:
    eos_token_id = pad_token_id = 0
    def decode(self, ids, **_):
        return " ".join(map(str, ids.tolist()))
def told(queue, batch):
    found = {}
    for key, tag in zip(batch.keys, batch.tags):
        mask, advantages = (queue.rows[key][name].tolist() for name in ("response_mask", "advantages"))
        found[key] = {"mask": mask, "advantages": advantages, "padding": tag.get("is_padding", False)}
    return found
def run(config, rows):
    OmegaConf.set_struct(config, True)
    queue = queue_rows.Rows().install()
    for key, length, score, info in rows:
        info = {"acc": float(score > 0.5), "format": 1.0, "pred": "", "status": "equal", "term_correct": float(score > 0.5), **info}
        queue.rows[key] = queue_rows.row(key.split("_")[0], length, score, info)
    tags = [queue_rows.tag(length) for _, length, *_ in rows]
    batch = queue.kv_batch_put([key for key, *_ in rows], "train", tags=tags)
    trainer, metrics, timing = object.__new__(Trainer), {}, {"step": 1.0, "gen": 1.0}
    trainer.config, trainer.tokenizer, trainer.global_steps = config, Tokenizer(), 1
    trainer.use_critic = trainer.use_reference_policy = False
    trainer.parameter_sync_step, trainer._save_every, trainer._validate_every, trainer.total_training_steps = 1, -1, -1, 9
    trainer._discarded_tokens, trainer.actor_rollout_wg = 0, types.SimpleNamespace(_dispatch_info={"actor": [0, 1]})
    trainer.replay_buffer = types.SimpleNamespace(sample=lambda **_: (batch, {}))
    trainer.train_dataloader, trainer.train_dataloader_it = types.SimpleNamespace(state_dict=dict), None
    trainer.reward_loop_manager = types.SimpleNamespace(reward_loop_worker_handles=[])
    trainer.checkpoint_manager = types.SimpleNamespace(sleep_replicas=lambda: None)
    trainer._rollout_moe_lb_metrics_accumulator = None
    trainer.resource_pool_manager = types.SimpleNamespace(get_n_gpus=lambda: 2)
    trainer.curr_step_profile = False
    trainer.prepare_step = trainer.on_sample_begin = trainer.on_sample_end = lambda: None
    trainer._compute_old_log_prob = lambda batch, metrics: batch
    learnt = {}
    def update(batch, metrics):
        learnt.update(told(queue, batch))
        return batch
    trainer._update_actor = update
    whole = trainer.step(metrics, timing)
    trainer._compute_metrics(whole, metrics, timing, global_steps=1, epoch=0)
    trainer._init_dump_executor()
    trainer._log_rollout_data(whole, timing, config.trainer.rollout_data_dir)
    trainer._shutdown_dump_executor()
    lines = [json.loads(line) for line in Path(config.trainer.rollout_data_dir, "1.jsonl").read_text().splitlines()]
    kept = {line["uid"]: [line["dropped"], line["score"]] for line in lines}
    return {"learnt": learnt, "metrics": metrics, "kept": kept, "lost": sorted(set(queue.rows) - set(whole.keys))}
print("FOUND" + json.dumps([run(*case) for case in cases], default=float))
"""


def found(printed):
    (line,) = [line for line in printed.splitlines() if line.startswith("FOUND")]
    return json.loads(line.removeprefix("FOUND"))


def response(name, length, score, mean, steps=4):
    """A row: name, tokens, reward, and what the reward function says of it."""
    process = {"score": mean, "flagged": 0.0, "steps": float(steps), "disagreement": 0.0, "seconds": 0.0, "mean": mean}
    return [f"{name}_0", length, score, {"outcome": score, **{f"process_{key}": value for key, value in process.items()}}]


# Two prompts of four responses; of each two leave.
MIXED = [response("a_0", 3, 1.0, 0.9), response("a_1", 5, 1.0, 0.2), response("a_2", 2, 0.0, 0.1), response("a_3", 4, 0.0, 0.8)]
RIGHT = [response("b_0", 3, 1.0, 0.5), response("b_1", 3, 1.0, 0.9, 1), response("b_2", 3, 1.0, 0.7), response("b_3", 3, 1.0, 0.8)]
LEAVE = {"a_1_0", "a_3_0", "b_0_0", "b_1_0"}


ODD = [*MIXED[:3], response("a_3", 4, 0.0, 0.0, 31), *RIGHT]
WRONG = [response(f"a_{n}", 2, 0.0, n / 10) for n in range(4)]
# name → rows, settings of the stage, settings of the process reward
CASES = {
    "in order": ([*MIXED, *RIGHT], {}, {}),
    "as they came": ([*reversed(RIGHT), *reversed(MIXED)], {}, {}),
    "odd": (ODD, {"mini_batch_size": 1}, {}),
    "odd is sound": (ODD, {"mini_batch_size": 1}, {"steps": [1, 40]}),
    "lost": ([*MIXED[:3], *RIGHT], {}, {}),
}
for seed in range(6):
    CASES[f"seed {seed}"] = (WRONG, {"seed": seed}, {"wrong": "at_random"})
    CASES[f"seed {seed} again"] = ([*reversed(WRONG)], {"seed": seed}, {"wrong": "at_random"})


@pytest.fixture(scope="module")
def steps(verl, tmp_path_factory):
    """What verl's step makes of each case."""
    config = yaml.safe_load((Path(__file__).resolve().parents[2] / "config.yaml").read_text())
    asked = []
    for rows, settings, process in CASES.values():
        own = {"train_batch_size": 2, "rollout_n": 4, "mini_batch_size": 2, "gpus": 2, "micro_batch_size": 4, **settings}
        asked.append((process_keys(config, tmp_path_factory.mktemp("case"), NAMED, own, mode="filter", **process), rows))
    return dict(zip(CASES, found(verl("cuda").ask(STEP, json.dumps(asked))), strict=True))


def learnt_from(told):
    return {row for row, of in told["learnt"].items() if not of["padding"]}


@pytest.mark.parametrize("case", ["in order", "as they came"])
def test_what_contradicts_itself_is_not_learnt_from_and_counts_as_generated(steps, case):
    told, learnt = steps[case], steps[case]["learnt"]
    assert learnt_from(told) == {row[0] for row in [*MIXED, *RIGHT]} - LEAVE
    assert len(learnt) == 8 and not any(sum(of["mask"]) for of in learnt.values() if of["padding"])
    # GRPO among those that stayed: 1 and 0 in one group, 1 and 1 in the other
    assert learnt["a_0_0"]["advantages"] == pytest.approx([0.5**0.5] * 3, abs=1e-4)
    assert learnt["a_2_0"]["advantages"] == pytest.approx([-(0.5**0.5)] * 2, abs=1e-4)
    assert learnt["b_2_0"]["advantages"] == learnt["b_3_0"]["advantages"] == [0.0] * 3
    metrics = told["metrics"]
    assert metrics["process/dropped"] == 0.5 and metrics["process/dropped_right"] == 0.75
    assert metrics["training/generated_tokens"] == 26 and metrics["training/tokens"] == 11 + 4 * 2
    assert metrics["critic/score/mean"] == 0.75 and metrics["response_length/mean"] == 26 / 8, "of all responses"
    assert metrics["process/mean"] == pytest.approx(4.9 / 8) and metrics["reward_terms/correct"] == 0.75
    assert metrics["critic/advantages/max"] == pytest.approx(0.5**0.5, abs=1e-4)
    assert {row for row, (dropped, _) in told["kept"].items() if dropped} == LEAVE and len(told["kept"]) == 8
    assert not told["lost"], "every row is cleared after the step"


def test_a_batch_that_fits_is_not_padded_and_odd_numbers_of_steps_leave_first(steps):
    assert set(steps["odd"]["learnt"]) == {"a_0_0", "a_2_0", "b_2_0", "b_3_0"}
    assert set(steps["odd is sound"]["learnt"]) == {"a_0_0", "a_3_0", "b_1_0", "b_3_0"}


def test_a_group_that_lost_responses_leaves_rather_than_keep_one(steps):
    assert learnt_from(steps["lost"]) == {"b_2_0", "b_3_0"}, "verl takes the reward of one alone for its advantage"


def test_wrong_ones_leave_at_random_by_the_seed(steps):
    left = [[learnt_from(steps[f"seed {seed}{again}"]) for seed in range(6)] for again in ("", " again")]
    assert left[0] == left[1] and {len(rows) for rows in left[0]} == {2}, "the same seed, the same names"
    assert len(set(map(frozenset, left[0]))) > 1
