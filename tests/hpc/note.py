"""A job that notes when, where and on which GPUs it ran: note.py OUT SECONDS [--save FILE --parts N] [--megabytes N].

OUT.begun gets a line each time that it runs.
"""

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
parser.add_argument("--save", help="file that gets a line on SIGTERM, or by the end of SECONDS")
parser.add_argument("--parts", type=int, default=1, help="done at this many lines of it")
parser.add_argument("--megabytes", type=int, default=0, help="memory to take")
given = parser.parse_args()


def save(*_):
    time.sleep(3)  # a checkpoint takes its time
    with open(given.save, "a") as out:
        out.write("saved\n")
    open(os.environ["MATHRL_PROGRESS"], "w").close()
    print("told to end: saved", file=sys.stderr)
    sys.exit(128 + signal.SIGTERM)


if given.save:
    signal.signal(signal.SIGTERM, save)
with open(f"{given.out}.begun", "a") as out:
    out.write(f"{os.environ.get('SLURM_JOB_ID', '')}\n")
    begin = time.time()
taken = bytearray(os.urandom(1 << 20) * given.megabytes)
done = 0
if given.save and os.path.exists(given.save):
    with open(given.save) as saved:
        done = len(saved.readlines())
if not given.save or done < given.parts:
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
