"""How slow this machine is now, so that a bound in processor time means the same on each.

The bounds were set on a core that adds a million numbers in Python in 0.08 s. A core that takes 0.16 s, for itself or because its
neighbour works too, gets twice the time; a faster one gets no less.
"""

import time

MILLION_SECONDS = 0.08
MOST = 4.0  # beyond that the machine is too busy to judge by


def slowness() -> float:
    """The factor on a bound: 1 on the core above or a faster one."""
    times = []
    for _ in range(3):
        began, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number
        times.append(time.process_time() - began)
    return min(MOST, max(1.0, min(times) / MILLION_SECONDS))
