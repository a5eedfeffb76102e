"""Which functions of the user's a stage trains with, and how verl's processes are told; `mathrl.verl.users_registry` registers them."""

from __future__ import annotations

import json

from mathrl.config.reward_terms import OWN_TERMS
from mathrl.config.stage import Reward, Stage
from mathrl.core import users_code
from mathrl.verl.keys import Overrides

NAMES = "MATHRL_USERS_FUNCTIONS"
"""The environment variable: a JSON mapping from `policy_loss` and `advantage` to FILE.py:function."""

KEYS = {"policy_loss": "actor_rollout_ref.actor.policy_loss.loss_mode", "advantage": "algorithm.adv_estimator"}
OURS = "mathrl."


def keys(stage: Stage) -> Overrides:
    """verl's keys where a stage names functions of the user's; none where it does not."""
    found = {name: users_code.absolute(getattr(stage, name)) for name in KEYS if users_code.is_file(getattr(stage, name))}
    if not found:
        return {}
    told = {f"+ray_kwargs.ray_init.runtime_env.env_vars.{NAMES}": json.dumps(found, sort_keys=True)}
    return {**{KEYS[name]: function for name, function in found.items()}, **told}


def terms(stage: Stage) -> list[str]:
    """Reward terms of the user's."""
    return [name for name in (stage.reward or Reward()).terms if name not in OWN_TERMS and not name.startswith(OURS)]
