"""The end of a training whose reward cannot be computed: saved as it was before the batch, with one line.

verl imports this by `actor_rollout_ref.model.external_lib` where a reward has terms of the user's, and `mathrl.verl.process_reward`
imports it, so that no other training's code depends on it. The reward workers write a failure down (`mathrl.rewards.failure`). After each
batch, and after a validation, the trainer looks for it before anything is learnt. It saves the weights as they were before the batch, with
the place in the data, and ends.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

from mathrl.core.files import UserError
from mathrl.rewards import failure
from mathrl.verl.after_import import after_import

if TYPE_CHECKING:
    from transfer_queue import KVBatchMeta

    from mathrl.verl.grpo_trainer import Trainer


def failed(trainer: Trainer) -> str | None:
    """What failed, or None."""
    return failure.noted(Path(trainer.config.trainer.default_local_dir) / failure.NAME)


def end(trainer: Trainer, why: str, step: int, place_in_data: Mapping[str, object]) -> NoReturn:
    """Save the weights as they are after `step`, unless they are the start's or saved already, and end.

    Raises:
        UserError: with why; always.
    """
    directory = Path(trainer.config.trainer.default_local_dir) / f"global_step_{step}"
    if step > 0 and not directory.exists():
        now, loader = trainer.global_steps, trainer.train_dataloader
        trainer.global_steps, trainer.train_dataloader = step, SimpleNamespace(state_dict=lambda: place_in_data)
        try:
            trainer._save_checkpoint()
        finally:
            trainer.global_steps, trainer.train_dataloader = now, loader
    raise UserError(why)


def extend(module: ModuleType) -> None:
    """Let our trainer look for failures."""
    trainer = module.Trainer
    step, sample_end, validate = trainer.step, trainer.on_sample_end, trainer._validate

    @functools.wraps(step)
    def begin_step(self: Trainer, metrics: dict, timing_raw: dict) -> KVBatchMeta:
        # A step draws its prompts. Before the first one after a start the weights are the start's or a checkpoint's: nothing is saved.
        self._place_before = self.train_dataloader.state_dict() if self.train_dataloader_it is not None else {}
        return step(self, metrics, timing_raw)

    @functools.wraps(sample_end)
    def on_sample_end(self: Trainer) -> None:
        sample_end(self)  # the engines sleep from here on: there is room to save
        why = failed(self)
        if why is not None:
            end(self, why, self.global_steps - 1, self._place_before)

    @functools.wraps(validate)
    def _validate(self: Trainer) -> dict[str, float]:
        found = validate(self)
        why = failed(self)
        if why is not None:
            self.checkpoint_manager.sleep_replicas()
            end(self, why, self.global_steps, self.train_dataloader.state_dict())
        return found

    trainer.step, trainer.on_sample_end, trainer._validate = begin_step, on_sample_end, _validate


after_import("mathrl.verl.grpo_trainer", extend)
