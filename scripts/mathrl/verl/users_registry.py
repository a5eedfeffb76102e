"""The user's policy loss and advantage estimator, in verl's own registries under the name that the configuration gives them.

verl imports this module by `actor_rollout_ref.model.external_lib` where a stage names such a function, in each process that computes a
loss or an advantage, before it looks one up. Which functions they are stands in the environment of verl's processes.

Both get verl's keyword arguments. A function that answers a pair gives what verl wants (a loss and its metrics; advantages and returns).
One tensor is enough: a loss per token, which is aggregated as `loss_aggregation` says, or an advantage per response or per token.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from typing import Any

import torch
from verl.trainer.ppo import core_algos

from mathrl.core import users_code
from mathrl.core.files import UserError
from mathrl.verl.users_functions import NAMES

Pair = tuple[torch.Tensor, Any]


def policy_loss(function: Callable[..., Any], name: str) -> Callable[..., Pair]:
    """A loss as verl wants it."""

    @functools.wraps(function)
    def loss(*, log_prob: torch.Tensor, response_mask: torch.Tensor, config: Any = None, **told: Any) -> Pair:
        given = function(log_prob=log_prob, response_mask=response_mask, config=config, **told)
        if isinstance(given, tuple) and len(given) == 2:
            return given
        if not isinstance(given, torch.Tensor) or given.shape != log_prob.shape:
            raise UserError(
                f"training.policy_loss: '{name}' answers {_shown(given)}; it must be a loss per token, {tuple(log_prob.shape)}, "
                "or a pair of loss and metrics"
            )
        weights = told.get("rollout_is_weights")
        per_token = given if weights is None else given * weights
        whole = core_algos.agg_loss(per_token, response_mask, told.get("loss_agg_mode", "token-mean"), **config.global_batch_info)
        distance = (told["old_log_prob"] - log_prob).detach()
        kept = response_mask.bool()
        return whole, {"actor/ppo_kl": (distance[kept].mean() if kept.any() else distance.new_zeros(())).item()}

    return loss


def advantage(function: Callable[..., Any], name: str) -> Callable[..., Pair]:
    """An advantage estimator as verl wants it."""

    @functools.wraps(function)
    def estimate(*, response_mask: torch.Tensor, **told: Any) -> Pair:
        given = function(response_mask=response_mask, **told)
        if isinstance(given, tuple) and len(given) == 2:
            return given
        if isinstance(given, torch.Tensor) and given.shape == response_mask.shape[:1]:
            given = given.unsqueeze(-1)
        elif not isinstance(given, torch.Tensor) or given.shape != response_mask.shape:
            raise UserError(
                f"training.advantage: '{name}' answers {_shown(given)}; it must be an advantage per response, "
                f"({response_mask.shape[0]},), or per token, {tuple(response_mask.shape)}, or a pair of advantages and returns"
            )
        given = given * response_mask
        return given, given

    return estimate


def _shown(given: Any) -> str:
    return f"a tensor {tuple(given.shape)}" if isinstance(given, torch.Tensor) else f"a {type(given).__name__}"


def register() -> None:
    """Register what the environment names, under its full name.

    Raises:
        UserError: a function cannot be had.
    """
    found = json.loads(os.environ.get(NAMES, "{}"))
    if name := found.get("policy_loss"):
        core_algos.register_policy_loss(name)(policy_loss(users_code.load(name, "training.policy_loss"), name))
    if name := found.get("advantage"):
        core_algos.register_adv_est(name)(advantage(users_code.load(name, "training.advantage"), name))


register()
