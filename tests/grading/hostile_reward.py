r"""A reward function for a real training step in which every sixth response is replaced by a hostile answer.

verl loads it by its path instead of scripts/reward.py. Every call is a line of the file that MATHRL_HOSTILE_LOG names.
"""

import itertools
import json
import os
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "scripts"), str(HERE)]

import reward  # noqa: E402
from hostile import ANSWERS  # noqa: E402

EVERY = 6
NAMES = ("power tower", "a megabyte of backslashes", "hard integral", "huge sum")
CHOSEN = [next(item for item in ANSWERS if item[0] == name) for name in NAMES]

_calls = itertools.count()
_lock = threading.Lock()


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    """scripts/reward.py's result, for the response or for the hostile answer that takes its place."""
    call = next(_calls)
    kind, answer, gold = CHOSEN[call // EVERY % len(CHOSEN)] if call % EVERY == 0 else ("", "", "")
    response, gold = (rf"\boxed{{{answer}}}", gold) if kind else (solution_str, ground_truth)
    started = time.thread_time()
    found = reward.compute_score(data_source, response, gold, extra_info, **kwargs)
    entry = {"kind": kind, "response": response[-2_000:], "gold": gold, "seconds": time.thread_time() - started, **found}
    with _lock, open(os.environ["MATHRL_HOSTILE_LOG"], "a") as log:
        log.write(json.dumps(entry) + "\n")
    return found
