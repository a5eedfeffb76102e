"""verl's custom reward function where a reward has terms of the user's: scripts/reward.py as a coroutine that raises nothing.

verl awaits it, so that hundreds of responses wait for a slow term at once. verl logs what a reward raises and trains on without the
response; so a failure is written to the file `failure`, this response counts 0, and the trainer ends before it learns from it
(`mathrl.verl.reward_failure`).
"""

from __future__ import annotations

import asyncio
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from mathrl.data.records import ExtraInfo
from mathrl.rewards import failure as failures
from mathrl.rewards.outcome import Rewards, check_terms


@lru_cache(maxsize=1)
def _rewards(terms: str) -> Rewards:  # not of scripts/reward.py: a reward.py in the working directory, of the user's, is found first
    return Rewards(check_terms(json.loads(terms)))


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: ExtraInfo | None = None,
    *,
    terms: str,
    failure: str,
    **kwargs: Any,
) -> dict[str, float | str]:
    """Grade one response; the keys of scripts/reward.py, and `failed_<name>` for terms with `on_failure: zero`.

    Args:
        data_source, solution_str, ground_truth, extra_info, kwargs: verl's.
        terms: JSON.
        failure: file that ends the training where the reward cannot be computed.
    """
    told = (data_source, solution_str, str(ground_truth), extra_info)
    known = Rewards()
    try:
        known = _rewards(terms)
        if failures.noted(Path(failure)) is None:  # else the training is about to end: nothing more is asked of anybody
            return await known.reward_soon(*told)
    except Exception as error:
        failures.note_error(Path(failure), error)
    return await asyncio.to_thread(known.without_users, *told)
