"""Tasks for the pool that do what a verdict must never do. `do(what, argument)` runs in a worker's child."""

import os
import signal
import time


def do(what: str, argument=None):
    if what == "hang":
        while True:
            pass
    if what == "sleep":
        time.sleep(3_600)
    if what == "eat":
        blocks = []
        while True:
            blocks.append(bytearray(1 << 24))
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exit":
        os._exit(1)
    if what == "deep":
        return deep(0)
    if what == "stop":  # deaf to everything but SIGKILL
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(3_600)
    if what == "raise":
        raise ValueError("on purpose")
    return argument


def deep(level):
    return deep(level + 1) + 1


def verify(answer: str, gold: str) -> bool:
    """In the place of Math-Verify: do what the answer's command says."""
    return do(answer.partition("\\")[2].partition("{")[0], answer == gold)
