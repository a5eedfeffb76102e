"""Which runs are control arms: their reward teaches nothing about the answer, so what they gain is what any training gains."""

from __future__ import annotations

from mathrl.config.experiment import Configuration
from mathrl.config.reward_terms import weights
from mathrl.config.runs import stages
from mathrl.config.stage import Reward

KINDS = ("random", "inverted", "constant", "format")


def kind_of_reward(reward: Reward) -> str | None:
    """`random`, `inverted`, `constant` or `format` where every term of a reward that counts is of that kind, else None.

    A term is known by its name, ours or the user's `module:function`: `random_reward` is random. A `correct` of negative weight is
    inverted.
    """
    kinds = set()
    for name, weight in weights(reward.terms).items():
        if not weight:
            continue
        term = name.rpartition(":")[2]
        kind = next((kind for kind in KINDS if kind in term.split("_")), None)
        kinds.add("inverted" if kind is None and term == "correct" and weight < 0 else kind)
    if not kinds:
        return "constant"
    told = kinds - {"format"} or kinds  # a format part beside a random one leaves it a control
    return told.pop() if len(told) == 1 else None


def control_kind(config: Configuration, run: str) -> str | None:
    """The kind of control that a run is by its configuration: by the reward of its last stage."""
    if run not in config.runs:
        return None
    return kind_of_reward(config.stage(run, stages(config, run)[-1]).reward or config.reward)


def sweeps(config: Configuration) -> dict[str, list[str]]:
    """Families of a sweep: its name → its runs, by the names that `expanded` gives them, `{name}-{key}-{value}…[-seed-N]`."""
    families: dict[str, list[str]] = {}
    for run, overrides in config.runs.items():
        own, stem = overrides.settings, run
        if "seed" in own and stem.endswith(f"-seed-{own['seed']}"):
            stem = stem.removesuffix(f"-seed-{own['seed']}")
        whole = stem
        for key, value in reversed(list(own.items())):
            if stem.endswith(f"-{key}-{value}"):
                stem = stem.removesuffix(f"-{key}-{value}")
        if stem != whole:
            families.setdefault(stem, []).append(run)
    return {name: runs for name, runs in families.items() if len(runs) > 1}
