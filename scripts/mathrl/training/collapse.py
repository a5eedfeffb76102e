"""The training monitor: limits that tell collapse from learning, and budgets that end it.

Every limit holds for the mean over a window of steps, so that one bad batch flags nothing; a value that is no finite number
flags at once, but for the gradient's norm in float16. Limits are relative to the best window so far where a good value depends on the
task (reward, boxed rate). A policy that learns to please a verifier is told in two ways: the process score rises and goes less and less
with right answers; or right answers score far higher than in the first window, which learning to be right does not bring.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from mathrl.config.stage import Limits, Stage
from mathrl.core.tensorboard import by_step, read_scalars
from mathrl.training.records import Flag

# What is monitored: our name → verl's metric, of reinforcement or of supervision (verl's SFT trainer has names of its own).
SERIES = {
    "reward": ("critic/score/mean",),
    "boxed_rate": ("training/boxed",),
    "response_length": ("response_length/mean",),
    "truncated": ("training/truncated",),
    "entropy": ("actor/entropy",),
    "clip_fraction": ("actor/pg_clipfrac",),
    "loss": ("actor/pg_loss", "train/loss"),
    "grad_norm": ("actor/grad_norm", "train/grad_norm"),
    "probability_gap": ("training/rollout_probs_diff_mean",),
    "process_score": ("process/score",),
    "process_correlation": ("process/correlation",),
    "process_right": ("process/score_right",),
    "process_spread": ("process/spread",),
}
# Each limit of the config: the series it bounds, and from which side; `drop` is a share of the best window so far, `apart` a fall from it
# while the process score is above what it was there; `above` a rise over the first window, in standard deviations of the scores there.
LIMITS = {
    "reward_drop": ("reward", "drop"),
    "boxed_drop": ("boxed_rate", "drop"),
    "length_min": ("response_length", "min"),
    "truncated_max": ("truncated", "max"),
    "entropy_min": ("entropy", "min"),
    "entropy_max": ("entropy", "max"),
    "clip_fraction_max": ("clip_fraction", "max"),
    "grad_norm_max": ("grad_norm", "max"),
    "probability_gap_max": ("probability_gap", "max"),
    "process_drop": ("process_correlation", "apart"),
    "process_rise": ("process_right", "above"),
}
LEAST_SPREAD = 0.02  # standard deviation of process scores below which a rise is no multiple of it: a verifier that scores nearly all alike
# float16: the loss is multiplied by 2^16 at first, and by 2 more from time to time. Where a gradient overflows, the update is skipped and
# the scale halved: that is how a scale is found. After so many steps in a row it would be below one.
OVERFLOWS = 17


class Monitor:
    """Flags of one stage. `limits`: the configuration's; null switches one off. `scaled`: its loss is, as in float16."""

    def __init__(self, limits: Limits, scaled: bool = False) -> None:
        self._overflows = OVERFLOWS if scaled else 1  # steps in a row whose gradient's norm may be no number, and one
        self._overflown = 0
        self.limits = {name: limit for name in LIMITS if (limit := getattr(limits, name)) is not None}
        self.window = limits.window
        self.recent: dict[str, deque[float]] = {series: deque(maxlen=self.window) for series in SERIES}
        self.best: dict[str, float] = {}
        self._score_at_best = math.inf  # process score of the window in which its correlation was best
        self._first: dict[str, tuple[float, float]] = {}  # mean of the first window, and the spread of process scores in it
        self.flags: list[Flag] = []
        self._flagged: set[str] = set()

    def add(self, step: int, metrics: Mapping[str, float]) -> list[Flag]:
        """Take in the metrics of a step, in order; returns new flags: limit, series, step, value, bound. A limit flags once."""
        new = []
        for series, key in ((series, key) for series, keys in SERIES.items() for key in keys):
            if key not in metrics:
                continue
            value = float(metrics[key])
            if series == "grad_norm":
                self._overflown = 0 if math.isfinite(value) else self._overflown + 1
            if not math.isfinite(value):
                if series != "grad_norm" or self._overflown >= self._overflows:
                    new += self._flag("not_finite", series, step, value, None)
                continue
            self.recent[series].append(value)
        for name, limit in self.limits.items():
            series, side = LIMITS[name]
            values = self.recent[series]
            if len(values) < self.window:
                continue
            mean = fmean(values)
            if side == "drop":
                best = self.best[series] = max(self.best.get(series, mean), mean)
                bound = best * (1 - limit)
                broken = best > 0 and mean < bound
            elif side == "apart":
                score = fmean(self.recent["process_score"])
                if mean > self.best.get(series, -math.inf):
                    self.best[series], self._score_at_best = mean, score
                bound = self.best[series] - limit
                broken = mean < bound and score > self._score_at_best
            elif side == "above":
                spread = max(fmean(self.recent["process_spread"] or [0.0]), LEAST_SPREAD)
                start, unit = self._first.setdefault(series, (mean, spread))
                bound = start + limit * unit
                broken = mean > bound
            else:
                bound = limit
                broken = mean < bound if side == "min" else mean > bound
            if broken:
                new += self._flag(name, series, step, mean, bound)
        return new

    def _flag(self, name: str, series: str, step: int, value: float, bound: float | None) -> list[Flag]:
        if f"{name} {series}" in self._flagged:
            return []
        self._flagged.add(f"{name} {series}")
        said = round(value, 6) if math.isfinite(value) else str(value)
        flag: Flag = {"limit": name, "metric": series, "step": step, "value": said, "bound": None if bound is None else round(bound, 6)}
        self.flags.append(flag)
        return [flag]

    @property
    def onset(self) -> int | None:
        """First step of the window that flagged first: checkpoints from there on are not trusted."""
        return onset(self.flags, self.window)


def monitor_of(stage: Stage) -> Monitor:
    """The monitor of a stage."""
    return Monitor(stage.monitor, scaled=stage.dtype == "float16")


def replay(stage: Stage, directory: Path) -> list[Flag]:
    """Flags of a stage that is still at work, from its TensorBoard logs below `directory`."""
    monitor = monitor_of(stage)
    for step, metrics in by_step(read_scalars(directory, {key for keys in SERIES.values() for key in keys}.__contains__, finite=False)):
        monitor.add(step, metrics)
    return monitor.flags


def onset(flags: Sequence[Flag], window: int) -> int | None:
    """First step of the window in which a collapse was flagged first; None without a flag."""
    return max(0, min(flag["step"] for flag in flags) - window + 1) if flags else None


def describe(flag: Flag) -> str:
    """A flag in one line."""
    if flag["bound"] is None:
        return f"collapse flagged at step {flag['step']}: {flag['metric']} is {flag['value']}"
    return (
        f"collapse flagged at step {flag['step']}: {flag['metric']} {flag['value']:g} is beyond {flag['bound']:g} (monitor.{flag['limit']})"
    )
