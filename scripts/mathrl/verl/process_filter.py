"""A filter in verl's trainer: responses whose steps contradict their correctness leave a batch before anything is computed from it.

verl imports this by `actor_rollout_ref.model.external_lib` where a stage has a process reward of mode filter (grpo_config sets it), so
that no other training's code depends on it. `mathrl.rewards.process_filter` says which leave.

- They leave where verl balances a batch, before log-probabilities, advantages and the update; mini-batches keep their number of samples.
- What was generated counts as generated: after the update they are back among the step's rows, without advantage and with a mask of
  zeros. So rewards, lengths, verdicts and the token budget are those of all responses, and `training/tokens` of those trained on.
- `process/dropped` is the share of responses that left, `process/dropped_right` that of the right ones among these.
- Kept rollouts say which of them left (`dropped`).
"""

from __future__ import annotations

import functools
import hashlib
import json
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mathrl.config.messages import parse
from mathrl.config.process import Process
from mathrl.rewards import process_filter
from mathrl.verl import reward_metrics
from mathrl.verl.after_import import after_import

if TYPE_CHECKING:
    from transfer_queue import KVBatchMeta

    from mathrl.verl.grpo_trainer import Trainer

DROPPED = "dropped"  # tag of a row


def chance(seed: int, row: str) -> float:
    """A number from 0 to 1, by the run's seed and the row's name."""
    return int.from_bytes(hashlib.sha256(f"{seed} {row}".encode()).digest()[:8], "big") / 2**64


def leaving(batch: KVBatchMeta, process: Process, seed: int) -> tuple[list[str], dict[str, float]]:
    """Names of the rows that leave a batch without padding, and the metrics of that."""
    from mathrl.verl.deterministic import place

    told = dict(zip(batch.keys, reward_metrics.infos(batch), strict=True))
    rows = sorted(told, key=place)  # of equals the first leave, in whatever order the responses were finished
    right = [float(told[row]["acc"]) > 0 for row in rows]
    fewest, most = process.steps
    out = process_filter.dropped(
        [place(row)[0] for row in rows],
        right,
        [float(told[row]["process_mean"]) for row in rows],
        [int(float(told[row]["process_steps"])) for row in rows],
        drop=process.drop or 0,
        sound=(fewest, most),
        chance=[chance(seed, row) for row in rows] if process.wrong == "at_random" else None,
    )
    found = [row for row, gone in zip(rows, out, strict=True) if gone]
    of_right = sum(one and bool(gone) for one, gone in zip(right, out, strict=True))
    return found, {"process/dropped": len(found) / len(rows), "process/dropped_right": of_right / max(1, len(found))}


def give_back(batch: KVBatchMeta, gone: KVBatchMeta) -> KVBatchMeta:
    """The rows of a step with those that left it, of which no token was learnt from."""
    import torch
    import transfer_queue as tq
    from tensordict import TensorDict

    if not gone.keys:
        return batch
    lengths = [tag["response_len"] for tag in gone.tags]

    def zeros(dtype: torch.dtype) -> torch.Tensor:
        return torch.nested.as_nested_tensor([torch.zeros(length, dtype=dtype) for length in lengths], layout=torch.jagged)

    fields = {"advantages": zeros(torch.float32), "returns": zeros(torch.float32), "response_mask": zeros(torch.int64)}
    tq.kv_batch_put(keys=gone.keys, partition_id=gone.partition_id, fields=TensorDict(fields, batch_size=len(lengths)))
    tags = [*batch.tags, *({**tag, DROPPED: True} for tag in gone.tags)]
    return type(batch)(partition_id=batch.partition_id, keys=[*batch.keys, *gone.keys], tags=tags)


def extend(module: ModuleType) -> None:
    """Let our trainer leave responses out, and count them all the same."""
    trainer = module.Trainer
    balance, step = trainer._balance_batch, trainer.step
    compute_metrics, dump = trainer._compute_metrics, trainer._dump_generations

    @functools.wraps(balance)
    def _balance_batch(self: Trainer, batch: KVBatchMeta, *arguments: Any, **more: Any) -> KVBatchMeta:
        told = self.config.reward.custom_reward_function.reward_kwargs.process
        process = parse(Process, json.loads(told)["process"], "reward.process")
        process = process.changed(drop=process.dropped(self.config.actor_rollout_ref.rollout.n))
        gone, self._filter_metrics = leaving(batch, process, self.config.data.seed)
        self._gone = batch.select_keys(gone)
        left = set(gone)
        return balance(self, batch.select_keys([key for key in batch.keys if key not in left]), *arguments, **more)

    @functools.wraps(step)
    def whole_step(self: Trainer, metrics: dict, timing_raw: dict) -> KVBatchMeta:
        self._batch = give_back(step(self, metrics, timing_raw), self._gone)
        return self._batch

    @functools.wraps(compute_metrics)
    def _compute_metrics(self: Trainer, batch: KVBatchMeta, metrics: dict[str, float], *arguments: Any, **more: Any) -> None:
        compute_metrics(self, batch, metrics, *arguments, **more)
        metrics["training/tokens"] -= sum(tag.get("seq_len", 0) for tag in batch.tags if tag.get(DROPPED))
        metrics.update(self._filter_metrics)

    @functools.wraps(dump)
    def _dump_generations(self: Trainer, *arguments: Any, reward_extra_infos_dict: dict[str, list], **more: Any) -> None:
        if more["dump_path"] == self.config.trainer.get("rollout_data_dir", None):
            left = set(self._gone.keys)
            marks = {DROPPED: [float(row in left) for row in reward_extra_infos_dict["uid"]]}
            reward_extra_infos_dict = {**reward_extra_infos_dict, **marks}
        dump(self, *arguments, reward_extra_infos_dict=reward_extra_infos_dict, **more)

    trainer._balance_batch, trainer.step = _balance_batch, whole_step
    trainer._compute_metrics, trainer._dump_generations = _compute_metrics, _dump_generations


after_import("mathrl.verl.grpo_trainer", extend)
