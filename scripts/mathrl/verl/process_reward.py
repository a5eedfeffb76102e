"""A process reward in verl's trainer: its curves, and the end of the training where it cannot be computed.

verl imports this by `actor_rollout_ref.model.external_lib` where a stage has a process reward (grpo_config sets it), so that no other
training's code depends on it.

- `process/*`: what the verifiers say of a step's samples, and how that goes with correctness (`summarize`).
- verl 0.9.1 logs what a reward raises and trains on without the sample, or fails where a batch has lost too many. A failure that was
  written down ends the training as in `mathrl.verl.reward_failure`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from mathrl.core.files import UserError
from mathrl.verl import reward_failure, reward_metrics
from mathrl.verl.after_import import after_import

if TYPE_CHECKING:
    from transfer_queue import KVBatchMeta

    from mathrl.verl.grpo_trainer import Trainer

PREFIX = "process_"
MEANS = ("score", "flagged", "steps", "disagreement", "seconds")
OF_A_MODE = ("mean", "worst")


def summarize(rows: Iterable[Mapping[str, float | str]]) -> dict[str, float]:
    """Metrics of one step from what `compute_score` returned for each of its samples.

    `process/score`, `flagged`, `steps`, `disagreement`, `seconds` are means over responses, `process/seconds_max` is the longest that one
    waited for its scores, `process/outcome` the mean reward before. Of the right answers, `process/flagged_right` is the share with a
    flagged step and `process/score_right` the mean score. `process/spread` is the standard deviation of the scores, and
    `process/correlation` theirs with correctness: 0 where the verifiers score all alike, absent where all answers are right or all
    wrong. `process/mean` (mode filter) and `process/worst` (mode min) are means over responses too, of the mean and of the lowest score
    of their steps.
    """
    told = [row for row in rows if f"{PREFIX}score" in row]
    if not told:
        return {}
    names = [*MEANS, *(name for name in OF_A_MODE if PREFIX + name in told[0])]
    found = {f"process/{name}": math.fsum(float(row[PREFIX + name]) for row in told) / len(told) for name in names}
    found["process/outcome"] = math.fsum(float(row["outcome"]) for row in told) / len(told)
    found["process/seconds_max"] = max(float(row[f"{PREFIX}seconds"]) for row in told)
    right = [row for row in told if row["acc"]]
    if right:
        found["process/flagged_right"] = sum(float(row[f"{PREFIX}flagged"]) > 0 for row in right) / len(right)
        found["process/score_right"] = math.fsum(float(row[f"{PREFIX}score"]) for row in right) / len(right)
    scores, correct = (np.asarray([float(row[key]) for row in told]) for key in (f"{PREFIX}score", "acc"))
    found["process/spread"] = float(np.std(scores))
    if np.ptp(correct) > 0:
        found["process/correlation"] = float(np.corrcoef(scores, correct)[0, 1]) if np.ptp(scores) > 0 else 0.0
    return found


def tokens_per_step(found: Mapping[str, float], metrics: Mapping[str, float]) -> dict[str, float]:
    """`process/tokens_per_step`, tokens of all responses by all their steps, from what was found of the steps and verl's own metrics.

    A policy that cuts its text into more steps to please a verifier, or pads each of them, shows here.
    """
    steps, length = found.get("process/steps"), metrics.get("response_length/mean")
    return {"process/tokens_per_step": float(length) / steps} if steps and length is not None else {}


def extend(module: ModuleType) -> None:
    """Let our trainer end where samples are lost to a failure, and tell what the verifiers said."""
    trainer = module.Trainer
    step_once, validate, compute_metrics = trainer._step_once, trainer._validate, trainer._compute_metrics

    @functools.wraps(step_once)
    def _step_once(self: Trainer, *arguments: object, **more: object) -> KVBatchMeta:
        try:
            return step_once(self, *arguments, **more)
        except UserError:
            raise
        except Exception:  # verl's own of a batch that lost samples
            why = reward_failure.failed(self)
            if why is None:
                raise
        self.checkpoint_manager.sleep_replicas()  # as after a batch: no engine beside the weights that are saved
        return reward_failure.end(self, why, self.global_steps - 1, self._place_before)

    @functools.wraps(validate)
    def _validate(self: Trainer) -> dict[str, float]:
        try:
            return validate(self)
        except UserError:
            raise
        except Exception:  # verl's own where all samples are lost
            why = reward_failure.failed(self)
            if why is None:
                raise
        self.checkpoint_manager.sleep_replicas()
        return reward_failure.end(self, why, self.global_steps, self.train_dataloader.state_dict())

    @functools.wraps(compute_metrics)
    def _compute_metrics(self: Trainer, batch: KVBatchMeta, metrics: dict[str, float], *arguments: object, **more: object) -> None:
        compute_metrics(self, batch, metrics, *arguments, **more)
        found = summarize(reward_metrics.infos(batch))
        metrics.update(found | tokens_per_step(found, metrics))

    trainer._step_once, trainer._validate, trainer._compute_metrics = _step_once, _validate, _compute_metrics


after_import("mathrl.verl.grpo_trainer", extend)
