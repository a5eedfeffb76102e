"""A job that notes when, where and on which GPUs it ran: note.py OUT SECONDS [--save FILE] [--megabytes N]; OUT.begun once it runs."""

import argparse
import json
import os
import signal
import socket
import sys
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("out")
parser.add_argument("seconds", type=float)
parser.add_argument("--save", help="file to write on SIGTERM")
parser.add_argument("--megabytes", type=int, default=0, help="memory to take")
given = parser.parse_args()


def save(*_):
    time.sleep(3)  # a checkpoint takes its time
    with open(given.save, "w") as out:
        out.write("saved\n")
    sys.exit("told to end: saved")


if given.save:
    signal.signal(signal.SIGTERM, save)
with open(f"{given.out}.begun", "w"):
    begin = time.time()
taken = bytearray(os.urandom(1 << 20) * given.megabytes)
time.sleep(given.seconds)
note = {
    "begin": begin,
    "end": time.time(),
    "node": socket.gethostname(),
    "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
    "image": os.environ.get("MATHRL_IMAGE", "no container"),
    "memory": len(taken),
}
with open(given.out, "w") as out:
    json.dump(note, out)
