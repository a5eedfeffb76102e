"""Asks for variants in forked processes, so that a test can start and kill many: one JSON line per process on stdin, its pid on stdout.

What takes long to import is imported once, before the first fork.
"""

import json
import os
import signal
import sys
from pathlib import Path

import openai.resources.chat.completions
from mathrl.augmentation import client, work
from mathrl.config.augmentation import Entry

from support import variants_pipeline

assert openai and client and work


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    for line in sys.stdin:
        entry, out = json.loads(line)
        pid = os.fork()
        if pid == 0:
            variants_pipeline.request(Entry.of(entry), Path(out))
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
