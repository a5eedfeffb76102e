"""Credit by the worst step (PURE, arXiv 2504.15275): a response is worth what its worst step is worth, and that step answers for it.

The rules are those of CJReinforce/PURE, main branch, commit 41f9363: `turn_process_reward_logits_to_reward` and `process_experiences`
with `reward_baseline token`, the baseline that its README explains. A step's score s in 0–1 is the reward r = 2s − 1, the difference of
the probabilities that it is right and wrong there. Softmin weights with a temperature turn the rewards of a response into ones whose sum
is nearly the lowest r. The return of a token is what its own and all later steps get.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NOTHING = 0.0  # score of a response without steps: no more than that of a wrong one, or to write nothing would pay


def softmin(scores: Sequence[float], temperature: float) -> np.ndarray:
    """Rewards of the steps of a response, (steps,), from −1 to 1: r · softmax(−r / temperature) with r = 2 · score − 1."""
    rewards = 2 * np.asarray(scores if len(scores) else [NOTHING], dtype=float) - 1
    weights = np.exp((rewards.min() - rewards) / temperature)
    return rewards * weights / weights.sum()


def ends(steps: Sequence[str]) -> list[int]:
    """Where each step ends, counted in the response's characters that are no space: a step is its part of a response but for spaces."""
    return np.cumsum([sum(map(len, step.split())) for step in steps], dtype=int).tolist()


def advantages(rewards: np.ndarray, lengths: np.ndarray, outcomes: np.ndarray, groups: Sequence[str], mask: np.ndarray) -> np.ndarray:
    """Advantages of all tokens, (responses, tokens), each against the other responses to the same prompt.

    From each step's reward goes what the others earn per token, times the tokens of the step; from the outcome the mean of theirs. A
    token's advantage is the sum from its step on. All are whitened over the tokens of the batch. A response without others, and what
    the mask leaves out, has none.

    Args:
        rewards: (responses, tokens), at the last token of each step its reward, else 0.
        lengths: (responses, tokens), at the last token of each step the number of its tokens, else 0.
        outcomes: (responses,), what a response is worth whatever its steps are.
        groups: (responses,), prompt of each.
        mask: (responses, tokens), 1 where a response has a token that is learnt from.
    """
    _, place = np.unique(np.asarray(groups), return_inverse=True)

    def others(values: np.ndarray) -> np.ndarray:
        """Sum over the other responses to the prompt."""
        return np.bincount(place, values)[place] - values

    tokens = others(lengths.sum(axis=1))
    per_token = others(rewards.sum(axis=1)) / np.maximum(tokens, 1)
    centred = outcomes - others(outcomes) / np.maximum(others(np.ones(len(place))), 1)
    of_steps = rewards - per_token[:, None] * lengths
    sums = np.cumsum(of_steps[:, ::-1], axis=1)[:, ::-1] + centred[:, None]
    learnt = (mask > 0) & (tokens > 0)[:, None]
    if not learnt.any():
        return np.zeros_like(sums)
    kept = sums[learnt]
    return np.where(learnt, (sums - kept.mean()) / np.sqrt(kept.var() + 1e-8), 0.0)
