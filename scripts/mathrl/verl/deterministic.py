"""The same seed gives the same training: what of verl's trainer is left to chance, put into one order.

verl names prompts by random ids, hands on responses in the order in which they are finished, and refills a step's groups as soon as
some are thrown away. Here a prompt's name tells its place, so that rows sort as they were dealt; a buffer waits until a dispatch is
whole, so that groups are refilled in rounds; and every sample gets its turn and its seed (`mathrl.verl.admission`).

What is left is arithmetic: float32 on one kind of processor, with one number of threads. docs/reference/training.md has the rest.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1 import trainer_base
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
from verl.utils import tensordict_utils

from mathrl.verl.admission import TURN

if TYPE_CHECKING:
    from tensordict import TensorDict


class Names:
    """Names of prompts and dispatches, which begin anew with each step and each validation: a resumed run gives the same ones.

    It stands in the place of Python's module `uuid` in verl's trainer, which asks it for nothing but `uuid4()`.
    """

    def __init__(self) -> None:
        self.begin("start", 0)

    def begin(self, kind: str, step: int) -> None:
        self._prefix = f"{kind}-{step:08d}-"
        self._prompts, self._dispatches = itertools.count(), itertools.count()

    def uuid4(self) -> str:
        """The next prompt's name; verl divides names at underscores."""
        return f"{self._prefix}{next(self._prompts):08d}"

    def dispatch(self) -> str:
        return f"{self._prefix}{next(self._dispatches)}"


class Buffer(ReplayBuffer):
    """verl's buffer, which looks at nothing before all that was asked for is there, and hands out rows by their names."""

    def _sync_metadata_from_transfer_queue(self) -> None:
        super()._sync_metadata_from_transfer_queue()
        while any(self.pending_keys.values()) or any(self.running_keys.values()):
            time.sleep(self.poll_interval)
            super()._sync_metadata_from_transfer_queue()
        lost = sorted(name for names in self.failure_keys.values() for name in names)
        if lost and not self.sync_refill_failed_groups:
            raise RuntimeError(f"{len(lost)} prompts got no answer, {lost[0]} the first: another step than its seed's; training ends")

    def _select_prompt_uids(
        self, partition_id: str, sampleable_keys: set[str], batch_size: int
    ) -> tuple[list[str], dict[str, dict], dict[str, int]]:
        _, partition, steps = super()._select_prompt_uids(partition_id, sampleable_keys, batch_size)
        return sorted(sampleable_keys, key=lambda name: (steps.get(name, 0), name))[:batch_size], partition, steps

    def _materialize_batch(self, partition_id: str, selected_prompt_uids: list[str], partition_snapshot: dict[str, dict]) -> KVBatchMeta:
        ordered = dict(sorted(partition_snapshot.items(), key=lambda row: place(row[0])))
        return super()._materialize_batch(partition_id, selected_prompt_uids, ordered)


def place(key: str) -> tuple[str, int, int]:
    """A row's name as it sorts: its prompt, sample and output."""
    name, sample, output = key.rsplit("_", 2)
    return name, int(sample), int(output)


def install() -> Names:
    """Let verl make its buffer and its names of ours; to be called before its trainer is made."""
    names = Names()
    trainer_base.ReplayBuffer, trainer_base.uuid = Buffer, names
    return names


def give_turns(manager: Any, names: Names, rollout: Any, one_engine: bool) -> None:
    """Let the manager of verl's agent loops give each prompt its turn: the dispatch, the place of its first sample, and their number.

    Several engines have no common order: their kernels must not depend on the batch, and no engine is held (size 0).
    """
    usual = manager.generate_sequences

    def generate_sequences(prompts: TensorDict) -> None:
        default = rollout.val_kwargs.n if "validate" in prompts else rollout.n
        numbers = [int(n) for n in prompts["__rollout_n__"]] if "__rollout_n__" in prompts else [default] * len(prompts)
        firsts = [0, *itertools.accumulate(numbers)]
        name, total = names.dispatch(), firsts.pop()
        turns = [json.dumps([name, first, total if one_engine else 0]) for first in firsts]
        tensordict_utils.assign_non_tensor_stack(prompts, TURN, turns)
        return usual(prompts)

    manager.generate_sequences = generate_sequences
