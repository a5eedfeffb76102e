"""Each shipped variant trains with real verl, and is really on: by TensorBoard and by the configuration that verl resolved."""

import json

import pytest
from mathrl.curves import read_scalars

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1200)]

# What verl resolved, and what its curves must show: (key, value) and a check on the curves by tag.
SHOWN = {
    "grpo-unpadded": ({"actor_rollout_ref.actor.ppo_mini_batch_size": 4}, {}),
    "grpo-fast": ({"actor_rollout_ref.actor.use_dynamic_bsz": True, "actor_rollout_ref.model.use_remove_padding": True}, {}),
    "dapo": (
        {"actor_rollout_ref.actor.clip_ratio_high": 0.28, "algorithm.filter_groups.enable": True, "reward.reward_manager.name": "dapo"},
        {"training/filter_groups/evicted_samples": lambda values: sum(values) > 0},
    ),
    # its clip range is a thousandth of the others', so that ratios beyond it are common
    "gspo": (
        {"actor_rollout_ref.actor.policy_loss.loss_mode": "gspo", "actor_rollout_ref.actor.clip_ratio_high": 4e-4},
        {"actor/pg_clipfrac": lambda values: max(values) > 0},
    ),
    # not divided by their deviation, advantages of 0 / 1 rewards stay within ±1
    "dr-grpo": (
        {"algorithm.norm_adv_by_std_in_grpo": False, "actor_rollout_ref.actor.loss_agg_mode": "seq-mean-token-sum-norm"},
        {"critic/advantages/max": lambda values: max(values) <= 1.0},
    ),
    "lengthen": ({"data.max_response_length": 24}, {"response_length/max": lambda values: max(values) <= 24}),
}
FULL = [pytest.param(run, marks=[] if run == "dapo" else pytest.mark.full) for run in SHOWN]


def lookup(tree, key):
    for part in key.split("."):
        tree = tree[part]
    return tree


@pytest.mark.parametrize("run", FULL)
def test_a_variant_trains_and_is_on(trial, run):
    changes = {"overlong_penalty": {"buffer": 30, "factor": 0.5}} if run == "dapo" else {}
    stage = trial.stage(run, "short" if run == "lengthen" else "main", **changes)
    manifest = trial.train(stage, run=run)
    assert manifest["steps"] == 4 and manifest["stopped_by"] is None
    assert manifest["max_probability_gap"] <= 1e-4  # trainer and engine see the same policy, padded or packed
    resolved = json.loads((trial.directory() / "verl_config.json").read_text())
    curves = {tag: [value for _, value in points] for tag, points in read_scalars(manifest["tensorboard"]).items()}
    keys, checks = SHOWN[run]
    for key, value in keys.items():
        assert lookup(resolved, key) == value, key
    for tag, holds in checks.items():
        assert holds(curves[tag]), (tag, curves[tag])
    # no KL in any of them
    assert resolved["actor_rollout_ref"]["actor"]["use_kl_loss"] is False
    assert resolved["algorithm"]["use_kl_in_reward"] is False
    assert not any("kl_loss" in tag or "reward_kl" in tag for tag in curves)
    # terms and verdicts reach the trainer's own curves; whole rollouts are kept
    assert len(curves["reward_terms/correct"]) == 4
    assert curves["grader/equal"][0] == pytest.approx(32 * curves["reward_terms/correct"][0])
    kept = [json.loads(line) for line in (trial.directory() / "rollouts/4.jsonl").read_text().splitlines()]
    assert len(kept) == 12 and {"input", "output", "gts", "score", "status", "pred", "acc"} <= kept[0].keys()
    if run == "dapo":  # the overlong penalty takes from what the terms give
        paid = [0.1 * f + 0.9 * c for f, c in zip(curves["reward_terms/format"], curves["reward_terms/correct"], strict=True)]
        assert any(score < terms - 1e-6 for score, terms in zip(curves["critic/score/mean"], paid, strict=True))
        # what dynamic sampling threw away was generated too
        assert sum(curves["training/generated_tokens"]) > sum(32 * mean for mean in curves["response_length/mean"])
