"""Which responses a filter leaves out: those whose reasoning steps contradict their correctness (PROF, arXiv 2509.03403).

The rule is that of amazon-science/PROF-GRPO, commit 8164ec2, `filter_trajectories` of `prof_grpo_both` and `prof_grpo_correct`. Of each
group as many responses leave as `drop` says, from the right and the wrong ones so that what stays is as balanced as it can be. Right ones
leave whose mean step score is lowest, wrong ones whose mean is highest (or any, `at_random`); those of too few or too many steps first.
Nothing of a step score is in any reward.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def of_right(right: int, wrong: int, drop: int) -> int:
    """How many of `drop` responses are taken from the right ones of a group, so that right and wrong are even afterwards."""
    return min(max(round((right - wrong + drop) / 2), 0), drop)


def dropped(
    groups: Sequence[str],
    right: Sequence[bool],
    means: Sequence[float],
    steps: Sequence[int],
    *,
    drop: int,
    sound: tuple[int, int],
    chance: Sequence[float] | None = None,
) -> np.ndarray:
    """Which responses are left out, (responses,) of bool. Of equals the earlier ones leave.

    Args:
        groups, right, means, steps: of each response: its prompt, whether it is right, the mean score of its steps (0 to 1) and their
            number.
        drop: responses that leave each group. A group that lost responses and would keep one of them leaves as a whole: nothing is left
            to compare it with.
        sound: fewest and most steps of a sound response.
        chance: a random number for each response, by which wrong ones leave instead of by their scores; None: by their scores.
    """
    is_right, scores, counts = np.asarray(right, dtype=bool), np.asarray(means, dtype=float), np.asarray(steps)
    agrees = np.where(is_right, scores, -scores)
    odd = (counts < sound[0]) | (counts > sound[1])
    if chance is not None:
        agrees, odd = np.where(is_right, agrees, chance), odd & is_right
    found = np.zeros(len(groups), dtype=bool)
    names = np.asarray(groups)
    for name in dict.fromkeys(groups):
        mine = np.flatnonzero(names == name)
        if len(mine) - drop < 2:
            found[mine] = True
            continue
        parts = {kind: mine[is_right[mine] == kind] for kind in (True, False)}
        leaving = of_right(len(parts[True]), len(parts[False]), drop)
        for kind, count in ((True, leaving), (False, drop - leaving)):
            part = parts[kind]
            order = np.lexsort((agrees[part], ~odd[part]))  # stable
            found[part[order[:count]]] = True
    return found
