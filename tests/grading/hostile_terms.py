"""A reward term for a real training step: some responses are graded by a task that hangs, eats memory or crashes.

Terms `{"format": 0.1, "correct": 0.9, "hostile_terms:hostile": 0.0}` with this folder on PYTHONPATH put it beside the grader's
own verdicts. Which response is hostile depends on its text alone. The value is 1.0 where the pool answered within the cap.
"""

import time
import zlib
from functools import lru_cache
from pathlib import Path

from mathrl.grading.pool import CAP_SECONDS, Pool

TASKS = {0: "hang", 1: "eat", 2: "crash"}
EVERY = 16
"""One response in five or so is hostile: three of sixteen."""


@lru_cache(maxsize=1)
def pool() -> Pool:
    """Two workers that do as they are told."""
    return Pool("hostile_tasks:do", 2, memory=1 << 29, path=str(Path(__file__).resolve().parent))


def task_of(response: str) -> str:
    """hang, eat, crash or echo, by the checksum of the text."""
    return TASKS.get(zlib.crc32(response.encode("utf-8", "replace")) % EVERY, "echo")


def hostile(grade, data_source, response, answer, extra_info) -> float:
    """Ask for the task; 1.0 if the reply is the expected one and came in time."""
    what = task_of(response)
    started = time.monotonic()
    reply = pool().ask(what, 7)
    waited = time.monotonic() - started
    if what == "echo":
        return float(reply == {"value": 7})
    return float("value" not in reply and waited < 40 * CAP_SECONDS)
