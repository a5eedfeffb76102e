"""Which runs are control arms: their reward teaches nothing about the answer, so what they gain is what any training gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mathrl.config.runs import stage_config, stages

KINDS = ("random", "inverted", "constant", "format")


def kind_of_reward(reward: Mapping[str, Any]) -> str | None:
    """`random`, `inverted`, `constant` or `format` where every term of a reward that counts is of that kind, else None.

    A term is known by its name, ours or the user's `module:function`: `random_reward` is random. A `correct` of negative weight is
    inverted.
    """
    kinds = set()
    for name, weight in (reward.get("terms") or {}).items():
        if not weight:
            continue
        term = name.rpartition(":")[2]
        kind = next((kind for kind in KINDS if kind in term.split("_")), None)
        kinds.add("inverted" if kind is None and term == "correct" and weight < 0 else kind)
    if not kinds:
        return "constant"
    told = kinds - {"format"} or kinds  # a format part beside a random one leaves it a control
    return told.pop() if len(told) == 1 else None


def control_kind(config: Mapping[str, Any], run: str) -> str | None:
    """The kind of control that a run is by its configuration: the reward of its last stage, or the one of all runs."""
    if run not in config.get("runs", {}):
        return None
    own = stage_config(config, run, stages(config, run)[-1]).get("reward")
    reward = own if own else config.get("reward", {})
    if isinstance(reward, str):  # a reward that is named alone
        reward = {"terms": {reward: 1.0}}
    return kind_of_reward(reward) if reward else None


def sweeps(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Families of a sweep: its name → its runs, by the names that `expanded` gives them, `{name}-{key}-{value}…[-seed-N]`."""
    families: dict[str, list[str]] = {}
    for run, own in config.get("runs", {}).items():
        stem = run
        if "seed" in own and stem.endswith(f"-seed-{own['seed']}"):
            stem = stem.removesuffix(f"-seed-{own['seed']}")
        whole = stem
        for key, value in reversed(list(own.items())):
            if stem.endswith(f"-{key}-{value}"):
                stem = stem.removesuffix(f"-{key}-{value}")
        if stem != whole:
            families.setdefault(stem, []).append(run)
    return {name: runs for name, runs in families.items() if len(runs) > 1}
