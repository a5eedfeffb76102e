"""MaxRL's advantage (arXiv 2602.02710): the distance from the group's mean reward, divided by that mean.

verl imports this module by `actor_rollout_ref.model.external_lib` where a stage says `advantage: maxrl`, before it looks the estimator up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from verl.trainer.ppo.core_algos import register_adv_est

NAME = "maxrl"


@register_adv_est(NAME)
def compute_maxrl_advantage(
    token_level_rewards: torch.Tensor, response_mask: torch.Tensor, index: np.ndarray, **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Advantages and returns, one value for all tokens of a response.

    Args:
        token_level_rewards: (responses, tokens).
        response_mask: (responses, tokens), 1 where the response has a token.
        index: (responses,), the group of each.

    A group whose mean reward is not above 0 teaches nothing, as in the paper.
    """
    rewards = token_level_rewards.sum(dim=-1)
    same = torch.as_tensor(index[:, None] == index[None, :], dtype=rewards.dtype, device=rewards.device)
    mean = same @ rewards / same.sum(dim=-1)
    advantages = torch.where(mean > 0, (rewards - mean) / mean.clamp(min=1e-6), torch.zeros_like(mean))
    advantages = advantages.unsqueeze(-1) * response_mask
    return advantages, advantages
