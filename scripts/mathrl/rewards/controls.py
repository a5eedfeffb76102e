"""Rewards of control arms: they teach nothing about the answer, so what a run gains by them is what any training gains.

They are terms like a user's own, named `mathrl.rewards.controls:random_reward` and so on: this file counts in the fingerprint of the runs
that name it and of no other.
"""

from __future__ import annotations

import hashlib
import os

from mathrl.data.records import ExtraInfo
from mathrl.grading import Grade

SEED = "MATHRL_REWARD_SEED"
"""The environment variable that brings the run's seed to verl's reward workers (mathrl.verl.grpo_config)."""

RANDOM = "mathrl.rewards.controls:random_reward"


def random_reward(grade: Grade, data_source: str, response: str, answer: str, extra_info: ExtraInfo | None = None) -> float:
    """1 or 0 with equal probability, whatever the response says: a coin thrown by the run's seed, the problem and the response.

    So the same sample has the same reward in every process and after a resume. Equal responses to one problem share their coin.
    """
    known = extra_info or {}
    problem = str(known.get("original_problem") or known.get("index") or "")
    text = "\0".join((os.environ.get(SEED, ""), problem, response))
    return float(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] % 2)


def inverted_reward(grade: Grade, data_source: str, response: str, answer: str, extra_info: ExtraInfo | None = None) -> float:
    """1 for a response that is not right, 0 for a right one."""
    return 1.0 - float(grade.correct)


def constant_reward(grade: Grade, data_source: str, response: str, answer: str, extra_info: ExtraInfo | None = None) -> float:
    """1 for every response: no group has an advantage, so that only weight decay moves the weights."""
    return 1.0
