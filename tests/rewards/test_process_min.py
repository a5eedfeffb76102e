"""Credit by the worst step: softmin rewards, where steps end, and PURE's advantage against its formula, token by token."""

import math
import random

import numpy as np
import pytest
from mathrl.rewards import process_min
from mathrl.text.reasoning_steps import reasoning_steps


def test_the_worst_step_gets_the_reward():
    assert process_min.softmin([1.0, 0.9, 0.0], 0.1) == pytest.approx([0, 0, -1], abs=1e-6)
    assert process_min.softmin([1.0, 1.0], 0.1) == pytest.approx([0.5, 0.5]), "equals share it"
    assert process_min.softmin([0.3], 5.0) == pytest.approx([-0.4]), "p of right less p of wrong"
    assert process_min.softmin([], 0.1) == pytest.approx([-1.0]), "to write nothing is as bad as to write nonsense"


@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
def test_softmin_is_the_formula(temperature):
    """PURE: r* = r · exp(−r/T) / Σ exp(−r/T); the sum nears min r as T nears 0."""
    scores = [0.8, 0.35, 0.6, 0.9]
    rewards = [2 * score - 1 for score in scores]
    weights = [math.exp(-reward / temperature) for reward in rewards]
    expected = [reward * weight / sum(weights) for reward, weight in zip(rewards, weights, strict=True)]
    found = process_min.softmin(scores, temperature)
    assert found == pytest.approx(expected) and found.sum() >= min(rewards)
    if temperature == 0.01:
        assert found.sum() == pytest.approx(min(rewards), abs=1e-6)


RESPONSES = [
    "We add. 1 + 1 = 2.\nThen 2 + 2 = 4. So \\boxed{4}.",
    "Step 1:\n2 + 2 = 4\n\nStep 2:\n\\[\n4 + 1\n= 5\n\\]\n  The answer is\u00a0\\boxed{5}  ",
    "é·ß 好。第二步 2+2=4。\n\n3. last",
    "one\x0btwo\x1cthree\u2028four. Five",
    "   \n\t ",
    "",
    "1.\n2.\n***",
]


@pytest.mark.parametrize("response", RESPONSES)
def test_a_step_ends_where_it_ends_in_the_response(response):
    """All characters but spaces, in their order, are in the steps; a label at the end that says nothing is in none."""
    steps = reasoning_steps(response)
    told, whole = "".join("".join(steps).split()), "".join(response.split())
    assert whole.startswith(told) and not any(char.isalnum() for char in whole[len(told) :])
    ends = process_min.ends(steps)
    assert [told[start:end] for start, end in zip([0, *ends], ends, strict=False)] == ["".join(step.split()) for step in steps]


def test_random_texts_lose_nothing_either():
    draw = random.Random(1)
    for _ in range(500):
        text = "".join(draw.choice("ab1 .!?\n$[]\\()*#-: =e.g.\u3002") for _ in range(draw.randint(0, 60)))
        told = "".join("".join(reasoning_steps(text)).split())
        assert "".join(text.split()).startswith(told)


def formula(steps, outcomes, groups, width):
    """The advantage of each token as PURE's process_experiences has it, one token at a time, before whitening; None where there is none.

    steps: of each response (reward, tokens) per step.
    """
    found = []
    for i, mine in enumerate(steps):
        others = [j for j, group in enumerate(groups) if group == groups[i] and j != i]
        row = [None] * width
        if others:
            earned = sum(reward for j in others for reward, _ in steps[j])
            per_token = earned / sum(tokens for j in others for _, tokens in steps[j])
            outcome = outcomes[i] - sum(outcomes[j] for j in others) / len(others)
            at = 0
            for k, (_, tokens) in enumerate(mine):
                for t in range(at, at + tokens):
                    row[t] = sum(reward - per_token * length for reward, length in mine[k:]) + outcome
                at += tokens
        found.append(row)
    return found


def arrays(steps, width):
    rewards, lengths = np.zeros((len(steps), width)), np.zeros((len(steps), width))
    mask = np.zeros((len(steps), width))
    for i, mine in enumerate(steps):
        at = -1
        for reward, tokens in mine:
            at += tokens
            rewards[i, at], lengths[i, at] = reward, tokens
        mask[i, : at + 1] = 1
    return rewards, lengths, mask


def test_the_advantage_is_the_formula():
    steps = [
        [(-0.9, 3), (0.05, 2)],
        [(0.3, 4), (0.2, 1), (0.1, 2)],
        [(-0.2, 1)],
        [(0.7, 5), (0.1, 3)],
        [(-1.0, 2), (0.0, 2)],
        [(0.5, 6)],  # alone
    ]
    outcomes, groups, width = [0.0, 1.0, 0.1, 1.0, 0.0, 1.0], ["a", "a", "a", "b", "b", "c"], 10
    rewards, lengths, mask = arrays(steps, width)
    found = process_min.advantages(rewards, lengths, np.array(outcomes), groups, mask)
    expected = formula(steps, outcomes, groups, width)
    values = [value for row in expected for value in row if value is not None]
    mean, deviation = np.mean(values), np.std(values)
    for row, told in zip(found, expected, strict=True):
        assert row == pytest.approx([0.0 if value is None else (value - mean) / deviation for value in told], abs=1e-6)
    wider = process_min.advantages(*(np.pad(a, ((0, 3), (0, 7))) for a in (rewards, lengths)), np.pad(outcomes, (0, 3)),
                                   [*groups, "pad", "pad", "pad"], np.pad(mask, ((0, 3), (0, 7))))  # fmt: skip
    assert wider[:6, :width] == pytest.approx(found) and not wider[6:].any() and not wider[:, width:].any(), "padding changes nothing"


def test_equal_responses_have_no_advantage_and_a_bad_step_is_blamed_with_what_led_to_it():
    same = arrays([[(0.4, 5)]] * 4, 5)
    assert not process_min.advantages(same[0], same[1], np.ones(4), ["a"] * 4, same[2]).any()
    rewards, lengths, mask = arrays([[(0.0, 2), (-1.0, 2), (0.0, 2)], [(0.3, 2), (0.3, 2), (0.3, 2)]], 6)
    bad, good = process_min.advantages(rewards, lengths, np.ones(2), ["a", "a"], mask)
    assert bad[0] == bad[1] < 0 and bad[2] == bad[3] < bad[4], "what comes after the bad step is not blamed for it"
    assert good[:2].min() > good[4:].max()


def test_a_token_that_is_masked_has_none():
    rewards, lengths, mask = arrays([[(1.0, 2)], [(0.0, 2)]], 2)
    mask[0, 0] = 0
    found = process_min.advantages(rewards, lengths, np.zeros(2), ["a", "a"], mask)
    assert found[0, 0] == 0 and found[0, 1] > 0
    assert not process_min.advantages(rewards, lengths, np.zeros(2), ["a", "a"], np.zeros((2, 2))).any()
