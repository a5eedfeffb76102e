"""verl's custom reward function: `reward.custom_reward_function.path=scripts/reward.py`, name `compute_score`.

Try it on one response:  python scripts/reward.py --answer 42 --response 'So \\boxed{42}.'
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_SCRIPTS = str(Path(__file__).resolve().parent)
if _SCRIPTS not in sys.path:  # whoever loads this file by its path, as verl does, need not know its directory
    sys.path.insert(0, _SCRIPTS)

from mathrl.data.records import ExtraInfo  # noqa: E402
from mathrl.rewards.outcome import DEFAULT_TERMS, Rewards, check_terms  # noqa: E402


@lru_cache(maxsize=16)
def _rewards(text: str) -> Rewards:
    return Rewards(check_terms(json.loads(text)))


def rewards(terms: Mapping[str, object] | str | None = None) -> Rewards:
    """The terms of a mapping or of JSON, with the user's functions loaded; without any those of MATHRL_REWARD_TERMS, or ours."""
    if terms is None:
        terms = os.environ.get("MATHRL_REWARD_TERMS") or DEFAULT_TERMS
    return _rewards(terms if isinstance(terms, str) else json.dumps(dict(terms), sort_keys=True))


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: ExtraInfo | None = None,
    terms: Mapping[str, object] | str | None = None,
    **kwargs: Any,
) -> dict[str, float | str]:
    """Grade one response; keys `score`, `acc`, `format`, `pred`, `status`, a `term_<name>` and a `status_<status>` each.

    terms: weights by term name, as a mapping or JSON (verl's `reward_kwargs`), or a mapping of settings in place of a weight; failing
    that the environment variable MATHRL_REWARD_TERMS; failing that 0.1 × format + 0.9 × correct. Works from any thread.
    """
    return rewards(terms).reward(data_source, solution_str, str(ground_truth), extra_info)


def main() -> int:
    """Grade one response from the command line and print the result as JSON."""
    import argparse

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--response", required=True, help="text of the response")
    parser.add_argument("--answer", required=True, help="gold answer")
    parser.add_argument("--problem", help="text of the problem; with it, a formula copied from the problem does not pass")
    parser.add_argument("--terms", help='weights as JSON, for example {"format": 0.1, "correct": 0.9} (the default)')
    arguments = parser.parse_args()
    from mathrl.core.files import UserError

    try:
        known: ExtraInfo | None = {"original_problem": arguments.problem} if arguments.problem else None
        found = compute_score("", arguments.response, arguments.answer, known, terms=arguments.terms)
    except ValueError as error:
        raise UserError(f"--terms: {error}") from None
    print(json.dumps(found, sort_keys=True, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    from mathrl.core.files import run_main

    run_main(main)
