"""Each shipped variant trains with real verl, and is really on: by TensorBoard and by the configuration that verl resolved."""

import json
from fractions import Fraction

import pytest
import yaml
from mathrl.config import batches
from mathrl.config import configuration as configuration
from mathrl.core.curves import read_scalars

from .conftest import ROOT

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1200)]

# What verl resolved, and what its curves must show: (key, value) and a check on the curves by tag.
ACTOR = "actor_rollout_ref.actor"
SHOWN = {
    "grpo": ({f"{ACTOR}.ppo_mini_batch_size": 3, f"{ACTOR}.use_dynamic_bsz": False}, {}),
    "grpo-unpadded": ({f"{ACTOR}.ppo_mini_batch_size": 4, f"{ACTOR}.use_dynamic_bsz": False}, {}),
    "grpo-fast": ({f"{ACTOR}.use_dynamic_bsz": True, "actor_rollout_ref.model.use_remove_padding": True}, {}),
    "dapo": (
        {
            f"{ACTOR}.clip_ratio_high": 0.28,
            "algorithm.filter_groups.enable": True,
            "reward.reward_manager.name": "dapo",
            "reward.reward_kwargs.overlong_buffer_cfg.len": 30,
            "reward.reward_kwargs.overlong_buffer_cfg.penalty_factor": 0.5,
        },
        {"training/filter_groups/evicted_samples": lambda values: sum(values) > 0},
    ),
    # its clip range is a thousandth of the others', so that ratios beyond it are common
    "gspo": (
        {
            f"{ACTOR}.policy_loss.loss_mode": "gspo",
            f"{ACTOR}.loss_agg_mode": "seq-mean-token-mean",
            f"{ACTOR}.clip_ratio_low": 3e-4,
            f"{ACTOR}.clip_ratio_high": 4e-4,
        },
        {"actor/pg_clipfrac": lambda values: max(values) > 0},
    ),
    # not divided by their deviation, advantages of 0 / 1 rewards stay within ±1
    "dr-grpo": (
        {
            "algorithm.norm_adv_by_std_in_grpo": False,
            f"{ACTOR}.loss_agg_mode": "seq-mean-token-sum-norm",
            f"{ACTOR}.loss_scale_factor": 40,
        },
        {"critic/advantages/max": lambda values: max(values) <= 1.0},
    ),
}
# What a variant has of the report's run where its row above says nothing else.
COMMON = {
    "actor_rollout_ref.model.use_fused_kernels": True,
    f"{ACTOR}.policy_loss.loss_mode": "vanilla",
    f"{ACTOR}.loss_agg_mode": "token-mean",
    f"{ACTOR}.clip_ratio_low": 0.2,
    f"{ACTOR}.clip_ratio_high": 0.2,
    f"{ACTOR}.use_kl_loss": False,
    "algorithm.use_kl_in_reward": False,
    "algorithm.norm_adv_by_std_in_grpo": True,
    "algorithm.filter_groups.enable": False,
    "reward.reward_manager.name": "naive",
}
FULL = [pytest.param(run, marks=[] if run == "dapo" else pytest.mark.full) for run in SHOWN]


def lookup(tree, key):
    for part in key.split("."):
        tree = tree[part]
    return tree


def small_batch(run: str) -> dict[str, int]:
    """The shipped batch numbers in small, in their ratio: the report's 264 / 72 is 11 / 3, which verl pads; 264 / 88 is 12 / 4."""
    shipped = configuration.stage_config(yaml.safe_load((ROOT / "config.yaml").read_text()), run, "main")
    batch = 11 if run == "grpo" else 12
    mini = Fraction(shipped["mini_batch_size"], shipped["train_batch_size"]) * batch
    assert mini.denominator == 1
    return {"train_batch_size": batch, "mini_batch_size": int(mini), "micro_batch_size": int(mini) * 4}


@pytest.mark.parametrize("run", FULL)
def test_a_variant_trains_and_is_on(short, run):
    changes = {"overlong_penalty": {"buffer": 30, "factor": 0.5}} if run == "dapo" else {}
    stage = short.stage(run, **small_batch(run), rollouts_per_step=1000, **changes)
    samples = stage["train_batch_size"] * stage["rollout_n"]
    notices = batches.check_batches(stage)
    assert ("from 44 to 48 samples (4 masked, 4 updates a step)" in notices[0]) if run == "grpo" else notices == []
    manifest = short.train(stage, run=run)
    assert manifest["steps"] == 4 and manifest["stopped_by"] is None
    assert manifest["max_probability_gap"] <= 1e-4  # trainer and engine see the same policy, padded or packed
    resolved = json.loads((short.directory() / "verl_config.json").read_text())
    curves = {tag: [value for _, value in points] for tag, points in read_scalars(manifest["tensorboard"]).items()}
    keys, checks = SHOWN[run]
    for key, value in {**COMMON, **keys}.items():
        assert lookup(resolved, key) == value, key
    for tag, holds in checks.items():
        assert holds(curves[tag]), (tag, curves[tag])
    # no KL in any of them
    assert not any("kl_loss" in tag or "reward_kl" in tag for tag in curves)
    assert updates(short) == 4 * (4 if run == "grpo" else 3)
    # terms and verdicts reach the trainer's own curves; whole rollouts are kept; what verl pads with is counted nowhere
    assert len(curves["reward_terms/correct"]) == 4
    assert curves["grader/equal"] == pytest.approx([samples * mean for mean in curves["reward_terms/correct"]])
    verdicts = [values for tag, values in curves.items() if tag.startswith("grader/")]
    assert [sum(step) for step in zip(*verdicts, strict=True)] == [samples] * 4
    generated = [samples * mean for mean in curves["response_length/mean"]]
    kept = [json.loads(line) for line in (short.directory() / "rollouts/4.jsonl").read_text().splitlines()]
    assert len(kept) == samples and {"input", "output", "gts", "score", "status", "pred", "acc"} <= kept[0].keys()
    assert all("Question:" in row["input"] and row["gts"] for row in kept)
    assert manifest["tokens"] == sum(curves["training/tokens"])
    assert (manifest["tokens"] < sum(curves["perf/total_num_tokens"])) == (run == "grpo")
    if run == "dapo":  # the overlong penalty takes from what the terms give
        paid = [0.1 * f + 0.9 * c for f, c in zip(curves["reward_terms/format"], curves["reward_terms/correct"], strict=True)]
        assert any(score < terms - 1e-6 for score, terms in zip(curves["critic/score/mean"], paid, strict=True))
        # what dynamic sampling threw away was generated too
        assert sum(curves["training/generated_tokens"]) > sum(generated)
    else:
        assert curves["training/generated_tokens"] == pytest.approx(generated)
        assert manifest["generated_tokens"] == pytest.approx(sum(generated))


def updates(short) -> int:
    """Updates of the weights so far, as the saved optimizer counts them."""
    import torch

    (saved,) = (short.directory() / "global_step_4/actor").glob("optim_*.pt")
    (steps,) = {int(state["step"]) for state in torch.load(saved, weights_only=False)["state"].values()}
    return steps
