"""One update by verl's own functions for each named method, on one small batch. It runs in a process that has imported verl.

Resolved configuration → verl's advantages → verl's importance weights → verl's policy loss → its gradient with respect to the logits.
What comes out is JSON; the papers' formulas are in tests/verl/test_methods.py and use nothing of this.
"""

from __future__ import annotations

from typing import Any

LENGTHS = [5, 3, 4, 2, 6, 1, 5, 4]  # of eight responses, two groups of four
REWARDS = [1.0, 0.1, 0.0, 0.0, 1.0, 1.0, 0.1, 0.0]
GROUPS = ["a"] * 4 + ["b"] * 4
WORDS, STEPS = 7, 6


def batch() -> dict[str, Any]:
    """Logits of now, log-probabilities of the policy before and of the engine, and which token was taken; as nested lists."""
    import torch

    draw = torch.Generator().manual_seed(3)
    logits = 1.5 * torch.randn(8, STEPS, WORDS, generator=draw, dtype=torch.float64)
    before = logits + 0.9 * torch.randn(logits.shape, generator=draw, dtype=torch.float64)
    engine = before + 0.5 * torch.randn(logits.shape, generator=draw, dtype=torch.float64)
    tokens = torch.randint(WORDS, (8, STEPS), generator=draw)
    taken = [part.log_softmax(-1).gather(-1, tokens[..., None])[..., 0] for part in (before, engine)]
    mask = (torch.arange(STEPS)[None] < torch.tensor(LENGTHS)[:, None]).double()
    rewards = torch.zeros(8, STEPS, dtype=torch.float64)
    rewards[range(8), [length - 1 for length in LENGTHS]] = torch.tensor(REWARDS, dtype=torch.float64)
    old, rollout = taken
    return {"logits": logits, "tokens": tokens, "old": old, "rollout": rollout, "mask": mask, "rewards": rewards}


def update(keys: dict[str, Any]) -> dict[str, Any]:
    """What verl makes of the batch under these keys: advantages, weights (or null) and the gradient of the logits."""
    import numpy as np
    import torch
    from mathrl.verl import grpo_config
    from omegaconf import OmegaConf
    from tensordict import TensorDict
    from verl import DataProto
    from verl.trainer.ppo.core_algos import get_policy_loss_fn
    from verl.trainer.ppo.rollout_corr_helper import compute_rollout_correction_and_add_to_batch
    from verl.trainer.ppo.v1.utils import compute_advantage_for_multi_trajectories
    from verl.utils.config import omega_conf_to_dataclass
    from verl.utils.import_utils import import_external_libs

    config = OmegaConf.create(grpo_config.resolve(keys))
    import_external_libs(config.actor_rollout_ref.model.external_lib)
    given = batch()
    tensors = {"response_mask": given["mask"], "token_level_rewards": given["rewards"], "token_level_scores": given["rewards"]}
    tensors |= {"old_log_probs": given["old"], "rollout_log_probs": given["rollout"]}
    data = DataProto(batch=TensorDict(tensors, batch_size=8), non_tensor_batch={"uid": np.array(GROUPS, dtype=object)})
    if config.algorithm.rollout_correction.rollout_is:
        data, _ = compute_rollout_correction_and_add_to_batch(data, config.algorithm.rollout_correction)
    names = [f"{group}_{place}_0" for place, group in enumerate(GROUPS)]
    data = compute_advantage_for_multi_trajectories(
        data,
        batch_keys=names,
        adv_estimator=config.algorithm.adv_estimator,
        num_repeat=4,
        norm_adv_by_std_in_grpo=config.algorithm.norm_adv_by_std_in_grpo,
        config=config.algorithm,
    )
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    # what verl's ppo_loss tells the loss of the mini-batch (verl/workers/utils/losses.py)
    tokens = int(given["mask"].sum())
    whole = {"dp_size": 1, "batch_num_tokens": tokens, "global_batch_size": 8, "loss_scale_factor": actor.loss_scale_factor}
    actor.global_batch_info.update(whole)
    logits = given["logits"].clone().requires_grad_()
    now = logits.log_softmax(-1).gather(-1, given["tokens"][..., None])[..., 0]
    weights = data.batch.get("rollout_is_weights", None)
    torch.manual_seed(0)  # Clip-Cov draws its tokens
    loss, _ = get_policy_loss_fn(actor.policy_loss.loss_mode)(
        old_log_prob=given["old"],
        log_prob=now,
        advantages=data.batch["advantages"],
        response_mask=data.batch["response_mask"],
        loss_agg_mode=actor.loss_agg_mode,
        config=actor,
        rollout_is_weights=weights,
    )
    loss.backward()
    return {
        "advantages": data.batch["advantages"].tolist(),
        "weights": None if weights is None else weights.tolist(),
        "gradient": logits.grad.tolist(),
    }
