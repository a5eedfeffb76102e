"""Training curves for the report: picked from TensorBoard's tags, joined over stages, thinned and smoothed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError
from mathrl.core.tensorboard import Curve, read_scalars
from mathrl.report.records import Curves
from mathrl.training import logged


def smooth(curve: Sequence[tuple[float, float]], span: float) -> list[tuple[float, float]]:
    """Exponential moving average whose weights fall to 1/e over `span` steps; early points are not drawn towards zero."""
    total = weight = 0.0
    before = None
    out: list[tuple[float, float]] = []
    for step, value in curve:
        decay = 0.0 if before is None else math.exp(-(step - before) / span)
        total = total * decay + value
        weight = weight * decay + 1.0
        out.append((step, total / weight))
        before = step
    return out


def thin(curve: Sequence[tuple[float, float]], most: int = 600) -> Sequence[tuple[float, float]]:
    """At most about `most` points: of each stretch of steps its lowest and highest value, so that spikes stay visible."""
    if len(curve) <= most:
        return curve
    width = math.ceil(len(curve) / (most // 2))
    out: list[tuple[float, float]] = []
    for start in range(0, len(curve), width):
        part = curve[start : start + width]
        pair = {(step, value) for step, value in (min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1]))}
        out.extend(sorted(pair))
    return out


def pick(scalars: Mapping[str, Curve], *patterns: str) -> Curve:
    """The curve of the first pattern that a tag matches; a pattern is a tag or `prefix*suffix`."""
    for pattern in patterns:
        prefix, star, suffix = pattern.partition("*")
        for tag, curve in scalars.items():
            if tag == pattern or (star and tag.startswith(prefix) and tag.endswith(suffix)):
                return curve
    return []


# What each curve of the study report is called in verl's logs; the first tag that exists is taken.
SOURCES: dict[str, tuple[str, ...]] = {
    "reward": ("critic/score/mean", "critic/rewards/mean"),
    "entropy": ("actor/entropy", "actor/entropy_loss"),
    "response_length": ("response_length/mean",),
    "truncated": ("training/truncated",),
    "grad_norm": ("actor/grad_norm",),
    "kl": ("actor/ppo_kl",),
}


def validation_curves(scalars: Mapping[str, Curve]) -> dict[str, dict[str, Curve]]:
    """Validation curves by data source and quantity: `val-core/gsm8k/acc/mean@1` → curves["gsm8k"]["acc"].

    `acc` is the share of right answers, `reward` the whole reward; the format part is a curve of its own where it was logged.
    """
    found: dict[str, dict[str, Curve]] = {}
    for tag, curve in scalars.items():
        parts = tag.split("/")
        if len(parts) == 4 and parts[0] in ("val-core", "val-aux") and parts[3].startswith("mean@"):
            found.setdefault(parts[1], {}).setdefault(parts[2], curve)
    return found


def read_run(directory: str | Path) -> Curves:
    """The curves of one stage: {"train": {name: curve}, "validation": {data source: {quantity: curve}}, "parts": …}.

    `parts` are reward terms that were logged during training (tags `reward_terms/…` or `reward/…/mean`), `statuses` the
    grader's verdicts (`grader/…`).
    """
    if not Path(directory).is_dir():
        raise UserError(f"{directory}: no such directory of TensorBoard logs; train the run first")
    logged.check(Path(directory).parent, logged.CURVES)
    keep = ("critic/", "actor/entropy", "actor/grad_norm", "actor/ppo_kl", "response_length/", "val-", "reward", "grader")
    scalars = read_scalars(directory, lambda tag: tag.startswith(keep))
    train = {name: pick(scalars, *tags) for name, tags in SOURCES.items()}
    return {
        "train": {name: curve for name, curve in train.items() if curve},
        "validation": validation_curves(scalars),
        "parts": {tag: curve for tag, curve in scalars.items() if tag.startswith(("reward_", "reward/"))},
        "statuses": {tag: curve for tag, curve in scalars.items() if tag.startswith("grader")},
    }


def shift(curves: Any, steps: int) -> Any:
    """The same curves with `steps` added to each step: a later stage goes on where the one before ended."""
    if isinstance(curves, dict):
        return {name: shift(curve, steps) for name, curve in curves.items()}
    return [(step + steps, value) for step, value in curves]


def join(stages: Sequence[Any]) -> Any:
    """Curves of consecutive stages as one: dictionaries key by key, lists of points one after the other."""
    if not stages:
        return {}
    if isinstance(stages[0], dict):
        names = dict.fromkeys(name for stage in stages for name in stage)
        return {name: join([stage[name] for stage in stages if name in stage]) for name in names}
    return [point for stage in stages for point in stage]
