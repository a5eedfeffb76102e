"""What a variant must be by the configuration that verl resolved and by its curves: for the long tests of each and the short one."""

from __future__ import annotations

import json
from pathlib import Path

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


def lookup(tree, key):
    for part in key.split("."):
        tree = tree[part]
    return tree


def check(run: str, directory: Path, curves: dict[str, list[float]]) -> None:
    """The variant is on in this checkpoint directory; no variant has a KL term."""
    resolved = json.loads((directory / "verl_config.json").read_text())
    keys, checks = SHOWN[run]
    for key, value in {**COMMON, **keys}.items():
        assert lookup(resolved, key) == value, key
    for tag, holds in checks.items():
        assert holds(curves[tag]), (tag, curves[tag])
    assert not any("kl_loss" in tag or "reward_kl" in tag for tag in curves)


def check_overlong_penalty(curves: dict[str, list[float]]) -> None:
    """The overlong penalty takes from what the terms give."""
    paid = [0.1 * f + 0.9 * c for f, c in zip(curves["reward_terms/format"], curves["reward_terms/correct"], strict=True)]
    assert any(score < terms - 1e-6 for score, terms in zip(curves["critic/score/mean"], paid, strict=True))


def updates(checkpoint: Path) -> int:
    """Updates of the weights so far, as the saved optimizer counts them."""
    import torch

    (saved,) = (checkpoint / "actor").glob("optim_*.pt")
    (steps,) = {int(state["step"]) for state in torch.load(saved, weights_only=False)["state"].values()}
    return steps
