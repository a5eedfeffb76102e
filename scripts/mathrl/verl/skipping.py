"""Skip prompts that were always right or always wrong lately (GRESO, arXiv 2506.02177): such a group has no advantage.

verl imports this by `actor_rollout_ref.model.external_lib` where a stage has `skipping` (grpo_config sets it), so that no other
training's code depends on it.

A prompt whose last z groups were all right, or all wrong, is tried with the chance p ** z. There is a p for right ones and one for wrong
ones; after each step it falls where more than their share of the step's groups were of no use, and rises else. The history is part of the
data loader's state, which verl saves with each checkpoint: a resumed training draws what it would have drawn.

Differences from the paper: a group is of no use where all answers are right or all are wrong, whatever the other terms of the reward say,
as for dynamic sampling; and a prompt is tried with a chance of at least `LEAST`, so that drawing ends.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator, Sequence, Sized
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypedDict

from mathrl.core.files import UserError
from mathrl.verl import reward_metrics
from mathrl.verl.after_import import after_import

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from tensordict import TensorDict
    from transfer_queue import KVBatchMeta

    from mathrl.verl.grpo_trainer import Trainer

LEAST = 0.05
SHARES = {"right": 1 / 3, "wrong": 2 / 3}
"""How the share of groups of no use that is aimed at is divided, as in the paper."""


class HistoryState(TypedDict):
    """A history as plain values. random: of Python's generator."""

    chances: dict[str, float]
    settled: dict[int, tuple[str, int]]
    random: tuple[Any, ...]
    skipped: int


class SamplerState(TypedDict):
    """A sampler as plain values. at: places drawn or left out since the training began."""

    at: int
    history: HistoryState


class History:
    """What came of each prompt lately, by its place in the training file.

    explore: chance of a second try, at first. useless: share of a step's groups that may be of no use. change: of p, per step.
    """

    def __init__(self, explore: float, useless: float, change: float, seed: int) -> None:
        self.chances = dict.fromkeys(SHARES, explore)
        self.useless, self.change = useless, change
        self.settled: dict[int, tuple[str, int]] = {}  # place → right or wrong, and how often in a row
        self.random = random.Random(seed)
        self.skipped = 0  # since the last step

    def skips(self, place: int) -> bool:
        """Whether the prompt is left out this time."""
        if place not in self.settled:
            return False
        kind, times = self.settled[place]
        left_out = self.random.random() >= max(LEAST, self.chances[kind] ** times)
        self.skipped += left_out
        return left_out

    def note(self, groups: Sequence[tuple[int, Sequence[float]]]) -> dict[str, float]:
        """Take in what came of a step's prompts, (place, correctness of each response); returns the step's metrics."""
        found = dict.fromkeys(SHARES, 0)
        for place, right in sorted(groups):
            kind = "right" if min(right) >= 1 else "wrong" if max(right) <= 0 else None
            before, times = self.settled.pop(place, (None, 0))
            if kind:
                found[kind] += 1
                self.settled[place] = (kind, times + 1 if kind == before else 1)
        metrics = {"skipping/skipped": float(self.skipped), "skipping/settled": float(len(self.settled))}
        for kind, share in SHARES.items():
            part = found[kind] / len(groups) if groups else 0.0
            step = -self.change if part >= share * self.useless else self.change
            self.chances[kind] = min(1.0, max(0.0, self.chances[kind] + step))
            metrics |= {f"skipping/{kind}": part, f"skipping/chance_{kind}": self.chances[kind]}
        self.skipped = 0
        return metrics

    def state_dict(self) -> HistoryState:
        """A copy, as plain values."""
        return {"chances": dict(self.chances), "settled": dict(self.settled), "random": self.random.getstate(), "skipped": self.skipped}

    def load_state_dict(self, state: HistoryState) -> None:
        """Go on from a copy."""
        self.chances, self.settled, self.skipped = dict(state["chances"]), dict(state["settled"]), state["skipped"]
        self.random.setstate(state["random"])


class Sampler:
    """Places of prompts without end: a new order for each pass over the data, those that the history skips left out."""

    def __init__(self, size: int, history: History, seed: int, shuffle: bool) -> None:
        self.size, self.history, self.seed, self.shuffle = size, history, seed, shuffle
        self.at, self.drawn = 0, list[int]()
        self._order = (-1, list[int]())

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        while True:
            epoch, index = divmod(self.at, self.size)
            self.at += 1
            place = self._places(epoch)[index]
            if place in self.drawn and len(self.drawn) < self.size:  # a batch across two passes has each prompt once
                continue
            if not self.history.skips(place):
                self.drawn.append(place)
                yield place

    def _places(self, epoch: int) -> list[int]:
        if self._order[0] != epoch:
            places = list(range(self.size))
            if self.shuffle:
                random.Random(f"{self.seed} {epoch}").shuffle(places)
            self._order = epoch, places
        return self._order[1]

    def state_dict(self) -> SamplerState:
        """Where it is, with the history."""
        return {"at": self.at, "history": self.history.state_dict()}

    def load_state_dict(self, state: SamplerState) -> None:
        """Go on from there."""
        self.at = state["at"]
        self.history.load_state_dict(state["history"])


def create_sampler(data_config: DictConfig, dataset: Sized) -> Sampler:
    """In place of verl's `create_rl_sampler`.

    Raises:
        UserError: there are fewer prompts than a batch has.
    """
    batch = data_config.train_batch_size
    if len(dataset) < batch:
        raise UserError(f"skipping: the {len(dataset)} prompts of the training file are fewer than train_batch_size {batch}; lower it")
    told, seed = data_config.skipping, int(data_config.seed)
    return Sampler(len(dataset), History(told.explore, told.useless, told.change, seed), seed, data_config.shuffle)


def extend(module: ModuleType) -> None:
    """Let our trainer draw with the history, and tell it what came."""
    trainer = module.Trainer
    module.trainer_base.create_rl_sampler = create_sampler
    begin, fetch, compute_metrics = trainer.on_train_begin, trainer._fetch_one_gen_batch, trainer._compute_metrics

    @functools.wraps(begin)
    def on_train_begin(self: Trainer) -> None:
        self._places, self._outcomes, self._skipping = {}, [], {}
        self.replay_buffer._clear_groups = _noting_discarded(self, self.replay_buffer._clear_groups)
        self.replay_buffer.sample = _noting_sampled(self, self.replay_buffer.sample)
        begin(self)

    @functools.wraps(fetch)
    def _fetch_one_gen_batch(self: Trainer) -> TensorDict:
        sampler = self.train_dataloader.sampler
        sampler.drawn.clear()
        batch = fetch(self)
        self._places.update(zip(batch["uid"], sampler.drawn, strict=True))
        return batch

    @functools.wraps(compute_metrics)
    def _compute_metrics(self: Trainer, batch: KVBatchMeta, metrics: dict[str, float], *arguments: object, **more: object) -> None:
        compute_metrics(self, batch, metrics, *arguments, **more)
        metrics.update(self._skipping)

    trainer.on_train_begin, trainer._fetch_one_gen_batch, trainer._compute_metrics = on_train_begin, _fetch_one_gen_batch, _compute_metrics


def _noting_discarded(trainer: Trainer, clear: Callable[[str, set[str]], None]) -> Callable[[str, set[str]], None]:
    """Groups that dynamic sampling throws away: their answers are all right or all wrong."""

    @functools.wraps(clear)
    def clear_groups(partition_id: str, uids: set[str]) -> None:
        if partition_id == "train":
            values = trainer.replay_buffer._dapo_classification_cache[partition_id]
            for uid in uids:
                place, value = trainer._places.pop(uid, None), values.get(uid)
                if place is not None and value is not None:
                    trainer._outcomes.append((place, [value]))
        clear(partition_id, uids)

    return clear_groups


def _noting_sampled(trainer: Trainer, sample: Callable[..., tuple[KVBatchMeta, dict]]) -> Callable[..., tuple[KVBatchMeta, dict]]:
    """Groups that are trained on. What is still in flight then is drained and has no outcome."""

    @functools.wraps(sample)
    def sample_and_note(*arguments: object, **more: object) -> tuple[KVBatchMeta, dict]:
        batch, metrics = sample(*arguments, **more)
        if batch.partition_id == "train":
            rights: dict[str, list[float]] = {}
            keys = [key for key, tag in zip(batch.keys, batch.tags, strict=True) if not tag.get("is_padding", False)]
            for key, info in zip(keys, reward_metrics.infos(batch), strict=True):
                if "acc" in info:
                    rights.setdefault(key.split("_")[0], []).append(float(info["acc"]))
            trainer._outcomes += [(trainer._places[uid], right) for uid, right in rights.items() if uid in trainer._places]
            trainer._skipping = trainer.train_dataloader.sampler.history.note(trainer._outcomes)
            trainer._places, trainer._outcomes = {}, []
        return batch, metrics

    return sample_and_note


after_import("mathrl.verl.grpo_trainer", extend)
