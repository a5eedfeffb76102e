"""How slow this machine is now, so that a bound in processor time means the same on each.

The bounds were set on a machine where the dry run of config.yaml took 2.2 s. On one where the same code takes 4.9 s, a function adds a
million numbers in 0.066 s; so the first one needed about 0.03 s. A slower core, by itself or because its neighbour works too, gets
that much more time; a faster one gets no less.
"""

import statistics
import time

MILLION_SECONDS = 0.03
MOST = 4.0  # beyond that the machine is too busy to judge by


def slowness() -> float:
    """The factor on a bound: 1 on the core above or a faster one."""
    times = []
    for _ in range(5):
        began, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number
        times.append(time.process_time() - began)
    return min(MOST, max(1.0, statistics.median(times) / MILLION_SECONDS))
