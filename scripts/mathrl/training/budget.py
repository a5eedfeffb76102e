"""A run's budget: its stages share it in their order, each may use what those before it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mathrl.config.stage import Budget
from mathrl.training.records import Costed

SECONDS = ("timing_s/step", "timing_s/testing")  # verl's tags of a step's time: a save is part of the first, a validation is not
SAVE = "timing_s/save_checkpoint"


def used(stage: Costed) -> dict[str, float]:
    """What a stage used, from its manifest or forecast: generated tokens, and hours of steps and validations times GPUs."""
    gpus = stage["config"]["gpus"] * stage["config"]["nodes"]
    return {"tokens": stage["generated_tokens"], "gpu_hours": stage["seconds"] * gpus / 3600}


def left(own: Budget, whole: Budget, earlier: Sequence[Costed]) -> Budget:
    """The budget of a stage: its own, and no more than `earlier` stages left of the run's `whole`; 0 where they left nothing."""
    bounds = {}
    for name in Budget.model_fields:
        limits = [limit for limit in (getattr(own, name),) if limit is not None]
        bound = getattr(whole, name)
        if bound is not None:
            rest = bound - sum(used(stage)[name] for stage in earlier)
            # manifests round seconds: less than one, times GPUs, is nothing
            limits.append(max(0, rest) if name == "tokens" or rest * 3600 >= 1 else 0)
        bounds[name] = min(limits, default=None)
    return Budget.model_construct(**bounds)


def exhausted(budget: Budget) -> str | None:
    """In words which part of a stage's budget others have used up before it began, or None."""
    empty = [name for name, limit in budget.bounds.items() if limit == 0]
    return f"earlier stages left nothing of the run's budget.{empty[0]}" if empty else None


class Spent:
    """What a stage has used: generated tokens and GPU-hours, against its budget."""

    def __init__(self, budget: Budget, gpus: int) -> None:
        self.budget = budget.bounds
        self.gpus = gpus
        self.tokens = 0
        self.seconds = 0.0

    def add(self, metrics: Mapping[str, float]) -> str | None:
        """Take in a step; which budget ends the stage with the step after it, in words, or None.

        That one is at work when this one is seen, and is expected to use as much. So a stage comes to its budget, or above it by less
        than a step, while its steps stay alike.
        """
        tokens = int(metrics.get("training/generated_tokens", 0))
        self.tokens += tokens
        self.seconds += sum(metrics.get(tag, 0.0) for tag in SECONDS)
        seconds = metrics.get(SECONDS[0], 0.0) - metrics.get(SAVE, 0.0)
        used = self._used
        at_work = {"tokens": tokens, "gpu_hours": max(0.0, seconds) * self.gpus / 3600}
        for name, limit in self.budget.items():
            if used[name] + at_work[name] >= limit:
                return f"budget.{name} {limit:g} used up" + (" to within a step" if used[name] < limit else "") + f" ({used[name]:g})"
        return None

    @property
    def over(self) -> bool:
        """Whether nothing is left, without any further step."""
        return any(self._used[name] >= limit for name, limit in self.budget.items())

    @property
    def _used(self) -> dict[str, float]:
        return {"tokens": self.tokens, "gpu_hours": self.gpu_hours}

    @property
    def gpu_hours(self) -> float:
        """Hours of steps and validations times GPUs (on a CPU: ranks)."""
        return self.seconds * self.gpus / 3600
