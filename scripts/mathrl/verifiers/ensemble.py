"""Several verifiers, or several seeds of one, as one: how their scores of a step are combined, and how much they disagree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mathrl.core.files import UserError


def combine(scores: Sequence[Sequence[float]], how: str, thresholds: Sequence[float]) -> list[float]:
    """One score per step from one list of scores per member.

    `vote`: share of members that do not flag the step; `min`; `mean`; `lower_bound`: mean less one standard deviation over the members
    (not below 0), so that a step counts as right only where they agree.

    Raises:
        UserError: no such way.
    """
    table = np.asarray(scores, dtype=float)
    if how == "vote":
        found = (table >= np.asarray(thresholds, dtype=float)[:, None]).mean(axis=0)
    elif how == "min":
        found = table.min(axis=0)
    elif how == "mean":
        found = table.mean(axis=0)
    elif how == "lower_bound":
        found = np.maximum(0.0, table.mean(axis=0) - table.std(axis=0))
    else:
        raise UserError(f"combine '{how}': it may be vote, min, mean, lower_bound")
    return found.tolist()


def disagreement(scores: Sequence[Sequence[float]], thresholds: Sequence[float]) -> list[float]:
    """Per step the share of pairs of members of which one flags the step and the other does not; 0 where all agree."""
    table = np.asarray(scores, dtype=float) >= np.asarray(thresholds, dtype=float)[:, None]
    members = table.shape[0]
    passed = table.sum(axis=0)
    return (passed * (members - passed) / max(1, members * (members - 1) / 2)).tolist()
