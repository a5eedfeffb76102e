"""Asks for variants in forked processes, so that a test can start and kill many: one JSON line per process on stdin, its pid on stdout.

What takes long to import is imported once, before the first fork.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from mathrl.augmentation import work
from mathrl.config.entry import Entry, Server
from mathrl.models import chat_client
from mathrl.models.chat import Request

from support import variants_pipeline

assert work


def main() -> None:
    # What the package makes at its first request is made once, too; nobody listens there.
    first = chat_client.Client(Server(model="m", address="http://127.0.0.1:9/v1"), 1, 1)
    asyncio.run(first.attempt(Request("m", "x", 0.0, 1, 0)))
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
