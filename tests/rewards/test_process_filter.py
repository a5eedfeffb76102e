"""Which responses a filter leaves out: hand-made groups, and PROF's rule as its authors compute it on random ones."""

import random

import numpy as np
import pytest
from mathrl.rewards.process_filter import dropped, of_right

SOUND = (2, 30)

# right or wrong with the mean step score of each response, drop → places that leave
GROUPS = [
    ("R.9 R.8 R.2 R.5 W.1 W.2 W.7 W.4", 4, {2, 3, 6, 7}, "even: half of each; right with low scores, wrong with high ones"),
    ("R.9 R.8 R.2 R.5 R.6 R.7 W.9 W.1", 4, {2, 3, 4, 5}, "mostly right: all from the right ones"),
    ("R.1 W.9 W.8 W.2 W.5 W.6 W.7 W.1", 4, {1, 2, 5, 6}, "mostly wrong: the lone right one stays, whatever its steps are"),
    ("R.5 R.4 R.3 R.2", 2, {2, 3}, "all right"),
    ("W.5 W.4 W.3 W.2", 2, {0, 1}, "all wrong"),
    ("R.5 R.5 W.5 W.5", 2, {0, 2}, "of equals the earlier ones"),
    ("R.9 R.1 W.5", 1, {1}, "more right than wrong"),
    ("R.5 W.9 W.1", 1, {1}, "more wrong than right"),
    ("R.2 W.9", 1, {0, 1}, "one alone has nothing to be compared with"),
]


def parsed(text):
    return [word[0] == "R" for word in text.split()], [float(word[1:]) for word in text.split()]


@pytest.mark.parametrize(("group", "drop", "leave"), [row[:3] for row in GROUPS], ids=[row[3] for row in GROUPS])
def test_a_group(group, drop, leave):
    right, means = parsed(group)
    found = dropped(["a"] * len(right), right, means, [5] * len(right), drop=drop, sound=SOUND)
    assert set(np.flatnonzero(found)) == leave


def test_too_few_and_too_many_steps_leave_first():
    right, means = parsed("R.9 R.8 R.2 R.5 W.1 W.2 W.7 W.4")
    found = dropped(["a"] * 8, right, means, [1, 2, 30, 31, 31, 2, 30, 0], drop=4, sound=SOUND)
    assert set(np.flatnonzero(found)) == {0, 3, 4, 7}


def test_by_chance_wrong_ones_leave_whatever_their_steps_are():
    right, means = parsed("R.9 R.8 R.2 R.5 W.1 W.2 W.7 W.4")
    chance = [0.0, 0.0, 0.0, 0.0, 0.3, 0.9, 0.8, 0.1]
    found = dropped(["a"] * 8, right, means, [5] * 4 + [1, 5, 5, 5], drop=4, sound=SOUND, chance=chance)
    assert set(np.flatnonzero(found)) == {2, 3, 4, 7}


def authors(groups, right, means, steps, drop):
    """PROF's code in one piece (filter_trajectories and compute_verify_step_level_score, commit 8164ec2): centred by the mean of all steps
    of the batch, times two, times −1 where the answer is wrong; less ten for fewer than 2 or more than 30 steps; lowest first."""
    centre = sum(mean * count for mean, count in zip(means, steps, strict=True)) / max(1, sum(steps))
    kept = []
    for name in dict.fromkeys(groups):
        rows = []
        for place, group in enumerate(groups):
            if group == name:
                agreement = 2 * (means[place] - centre) * (1 if right[place] else -1) if steps[place] else 0.0
                rows.append((place, agreement - 10 * (steps[place] < 2 or steps[place] > 30)))
        count = min(drop, len(rows))
        good, bad = ([row for row in rows if right[row[0]] is kind] for kind in (True, False))
        from_good = min(count, round((len(good) - len(bad) + count) / 2))
        if from_good > 0:
            gone = sorted(good, key=lambda row: row[1])[:from_good]
            gone += sorted(bad, key=lambda row: row[1])[: count - len(gone)]
        else:
            gone = sorted(bad, key=lambda row: row[1])[:count]
        kept += [row[0] for row in rows if row not in gone]
    return set(kept)


@pytest.mark.parametrize("seed", range(60))
def test_it_is_the_authors_rule(seed):
    draw = random.Random(seed)
    n = draw.choice([4, 6, 8, 12])
    drop = draw.randint(1, n - 2)
    groups = [f"p{number}" for number in range(5) for _ in range(n)]
    share = draw.choice([0.1, 0.5, 0.9])
    right = [draw.random() < share for _ in groups]
    steps = [draw.choice([0, 1, 2, 5, 30, 31]) for _ in groups]
    means = [draw.random() if count else 0.0 for count in steps]
    found = dropped(groups, right, means, steps, drop=drop, sound=SOUND)
    expected = authors(groups, right, means, steps, drop)
    # the authors give a response without steps the agreement 0 in place of a score; among odd ones alone that changes who leaves first
    if all(steps):
        assert set(np.flatnonzero(~found)) == expected
    assert found.reshape(5, n).sum(axis=1).tolist() == [drop] * 5


def test_a_mixed_group_stays_mixed():
    """So a filter and dynamic sampling go together: what is left of a group that has an advantage has one."""
    for n in range(3, 17):
        for drop in range(1, n - 1):
            for right in range(1, n):
                from_right = of_right(right, n - right, drop)
                assert 0 < right - from_right < n - drop, (n, drop, right)
                assert abs(2 * (right - from_right) - (n - drop)) <= max(1, abs(2 * right - n) - drop), "as even as it can be"
