"""Wait for what another process does."""

import time


def wait_for(condition, timeout: float, what: str, pause: float = 0.2):
    """Poll until `condition()` is true; its value."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise AssertionError(f"{what}: not within {timeout} s")
