"""Credit by the worst step in verl's trainer: rewards at the ends of the steps, and advantages over them.

verl imports this by `actor_rollout_ref.model.external_lib` where a stage has a process reward of mode min (grpo_config sets it), so that
no other training's code depends on it.

verl puts the reward of a response on its last token. The part that its steps earn (`process_credit` of
`mathrl.rewards.process.with_process`) is moved from there to their own last tokens before the advantages are computed. `rloo` is then
that of `mathrl.rewards.process_min.advantages`; other estimators are verl's or the user's, over the moved rewards. The sum of a
response's rewards stays what it was, and so do verl's metrics of it.
"""

from __future__ import annotations

import bisect
import functools
import json
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mathrl.rewards import process_min
from mathrl.verl import reward_metrics
from mathrl.verl.after_import import after_import

if TYPE_CHECKING:
    from transfer_queue import KVBatchMeta
    from verl import DataProto

    from mathrl.verl.grpo_trainer import Trainer

UNREADABLE = "\ufffd"  # part of a character, in what a tokenizer makes of a token alone
Credit = Sequence[tuple[int, float]]
"""What the steps of a response earn: where each ends (`process_min.ends`), and its reward."""


class Tokenizer(Protocol):
    """What is asked of a tokenizer."""

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str: ...


class Places:
    """Finds the token in which the n-th character of a response lies, spaces not counted."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.known: dict[int, int | None] = {}  # characters of a token; None where it is part of a character

    def size(self, ids: Sequence[int]) -> int:
        """Characters that are no space; one that is only begun at the end does not count."""
        return sum(map(len, self.tokenizer.decode(list(ids), skip_special_tokens=True).rstrip(UNREADABLE).split()))

    def of_token(self, token: int) -> int | None:
        if token not in self.known:
            text = self.tokenizer.decode([token], skip_special_tokens=True)
            self.known[token] = None if UNREADABLE in text else sum(map(len, text.split()))
        return self.known[token]

    def find(self, ids: Sequence[int], ends: Sequence[int]) -> list[int]:
        """The token with the last character of each step; of the last step the response's last token, whatever follows its text.

        Token by token is fast. Where tokens alone do not add up to the response (characters of several tokens), each end is sought by
        halving in what the first tokens say together.
        """
        sizes = [self.of_token(token) for token in ids]
        counted = [size for size in sizes if size is not None]
        if len(counted) == len(sizes) and sum(counted) == self.size(ids):
            upto: Callable[[int], int] = np.cumsum(counted).tolist().__getitem__
        else:
            upto = functools.cache(lambda token: self.size(ids[: token + 1]))
        found = [bisect.bisect_left(range(len(ids)), end, key=upto) for end in ends]
        return [*(min(token, len(ids) - 1) for token in found[:-1]), len(ids) - 1]


def at_tokens(responses: Sequence[Sequence[int]], credits: Sequence[Credit], places: Places, width: int) -> tuple[np.ndarray, np.ndarray]:
    """What the steps earn at their last tokens, and how many tokens they have; both (responses, width). Padding earns nothing."""
    rewards, lengths = np.zeros((len(responses), width)), np.zeros((len(responses), width))
    for row, (ids, credit) in enumerate(zip(responses, credits, strict=True)):
        before = -1
        for token, (_, reward) in zip(places.find(ids, [end for end, _ in credit]) if credit else [], credit, strict=True):
            rewards[row, token] += reward
            lengths[row, token] += token - before
            before = token
    return rewards, lengths


def credits_of(batch: KVBatchMeta) -> list[Credit]:
    """What the steps of each row of a batch earn; nothing for padding."""
    told = iter(reward_metrics.infos(batch))
    return [[] if tag.get("is_padding", False) else json.loads(str(next(told)["process_credit"])) for tag in batch.tags]


def with_credit(data: DataProto, rewards: np.ndarray, lengths: np.ndarray, adv_estimator: str) -> bool:
    """Move what steps earn from the last token of a response to theirs; whether the advantages are there now, too."""
    import torch

    of_steps = torch.as_tensor(rewards, dtype=data.batch["token_level_scores"].dtype)
    outcomes = data.batch["token_level_scores"] - last(of_steps.sum(dim=-1), lengths)
    of_tokens = data.batch["token_level_rewards"] - data.batch["token_level_scores"] + of_steps
    data.batch["token_level_rewards"] = of_tokens + outcomes
    if adv_estimator != "rloo":
        return False
    mask = data.batch["response_mask"]
    found = process_min.advantages(
        of_tokens.double().numpy(), lengths, outcomes.sum(dim=-1).double().numpy(), data.non_tensor_batch["uid"].tolist(), mask.numpy()
    )
    data.batch["advantages"] = torch.as_tensor(found, dtype=of_steps.dtype)
    data.batch["returns"] = data.batch["advantages"].clone()
    return True


def last(values: Any, lengths: np.ndarray) -> Any:
    """(responses,) → (responses, tokens), each value at the last token of its response."""
    import torch

    found = torch.zeros(lengths.shape, dtype=values.dtype)
    tokens = torch.as_tensor(lengths.sum(axis=1), dtype=torch.int64)
    rows = torch.nonzero(tokens)[:, 0]
    found[rows, tokens[rows] - 1] = values[rows]
    return found


def extend(module: ModuleType) -> None:
    """Let our trainer compute advantages over the rewards of steps."""
    trainer, base = module.Trainer, module.trainer_base
    compute_advantage = trainer._compute_advantage

    @functools.wraps(compute_advantage)
    def _compute_advantage(self: Trainer, batch: KVBatchMeta, metrics: dict) -> KVBatchMeta:
        import transfer_queue as tq

        self._token_places = getattr(self, "_token_places", None) or Places(self.tokenizer)
        fields = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=["responses"])
        responses = [row.tolist() for row in fields["responses"].unbind()]
        earned = at_tokens(responses, credits_of(batch), self._token_places, max(map(len, responses)))
        usual = base.compute_advantage_for_multi_trajectories

        def over_steps(data: DataProto, *, adv_estimator: str, **more: Any) -> DataProto:
            done = with_credit(data, *earned, adv_estimator)
            return data if done else usual(data, adv_estimator=adv_estimator, **more)

        base.compute_advantage_for_multi_trajectories = over_steps
        try:
            return compute_advantage(self, batch, metrics)
        finally:
            base.compute_advantage_for_multi_trajectories = usual

    trainer._compute_advantage = _compute_advantage


after_import("mathrl.verl.grpo_trainer", extend)
