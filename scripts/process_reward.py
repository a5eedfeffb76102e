"""verl's custom reward function where `reward.process` is set: scripts/reward.py, and verifiers that score the steps of each response.

A coroutine, which verl awaits: answers of other samples are graded, and tokens sampled, while a verifier works.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError
from mathrl.data.records import ExtraInfo
from mathrl.rewards import failure as failures
from mathrl.rewards.outcome import Rewards, check_terms, problem_of
from mathrl.rewards.scorer import Scorer
from mathrl.verifiers.kept import GaveUp
from mathrl.verifiers.served import places


@lru_cache(maxsize=1)
def _rewards(terms: str) -> Rewards:  # not of scripts/reward.py: a reward.py in the working directory, of the user's, is found first
    return Rewards(check_terms(json.loads(terms)))


@lru_cache(maxsize=1)
def _scorer(process: str, store: str, served: str) -> Scorer:
    return Scorer.of(json.loads(process), Path(store), places(json.loads(served)))


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: ExtraInfo | None = None,
    *,
    process: str,
    store: str,
    failure: str,
    terms: str,
    served: str = "{}",
    **kwargs: Any,
) -> dict[str, float | str]:
    """Grade one response and score its steps; the keys of scripts/reward.py, and those of `mathrl.rewards.process.with_process`.

    Args:
        data_source, solution_str, ground_truth, extra_info, kwargs: verl's.
        process: the process reward and its verifiers, JSON.
        store: folder of kept scores.
        failure: file that ends the training where the reward cannot be computed.
        terms: of the outcome, JSON.
        served: where verifiers that are models are served, JSON.
    """
    earlier = failures.noted(Path(failure))
    if earlier:
        raise UserError(earlier)  # the training is about to end: nothing more is asked of anybody
    try:
        outcome = await _rewards(terms).reward_soon(data_source, solution_str, str(ground_truth), extra_info)
        return await _scorer(process, store, served).score(outcome, problem_of(extra_info) or "", solution_str)
    except GaveUp as error:
        failures.note(Path(failure), error.why)
        raise
    except Exception as error:
        failures.note_error(Path(failure), error)
        raise
