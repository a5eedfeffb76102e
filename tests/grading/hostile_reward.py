r"""A reward function for a real training step in which every sixth response is replaced by a hostile answer.

verl loads it by its path instead of scripts/reward.py. The hostile answers go the whole way of any answer (box, judge, algebra
workers); only what a worker does with them is prescribed: it hangs, eats memory or crashes. Every call is a line of the file
that MATHRL_HOSTILE_LOG names.
"""

import itertools
import json
import os
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parents[1] / "scripts"
sys.path[:0] = [str(SCRIPTS)]

import reward  # noqa: E402
from mathrl.grading import judge, pool  # noqa: E402

KINDS = ("hang", "eat", "crash")
EVERY = 6

judge.ALGEBRA = "hostile_tasks:verify"
pool._pools[os.getpid(), judge.ALGEBRA] = pool.Pool(judge.ALGEBRA, 2, memory=1 << 28, path=str(HERE))

_calls = itertools.count()
_lock = threading.Lock()


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    """scripts/reward.py's result, for the response or for the hostile answer that takes its place."""
    call = next(_calls)
    kind = KINDS[call // EVERY % len(KINDS)] if call % EVERY == 0 else ""
    response, gold = solution_str, ground_truth
    if kind:  # our grammar knows no such command, so both sides go to a worker
        response, gold = rf"\boxed{{y_{{{call}}} + \{kind}{{x}}}}", rf"\{kind}{{x}} + y_{{{call}}}"
    started = time.time()
    found = reward.compute_score(data_source, response, gold, extra_info, **kwargs)
    entry = {"kind": kind, "response": response, "gold": gold, "started": started, "ended": time.time(), **found}
    with _lock, open(os.environ["MATHRL_HOSTILE_LOG"], "a") as log:
        log.write(json.dumps(entry) + "\n")
    return found
