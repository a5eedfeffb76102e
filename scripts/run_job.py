#!/usr/bin/env python3
"""Run a command with GPUs of its own, and end everything that it started when it ends.

python scripts/run_job.py --gpus 2 -- python train.py

Exit code: the command's; 128 + n if signal n ended it; 2 if the GPUs cannot be had here.
"""

from __future__ import annotations

import argparse
import sys

from mathrl.core.files import UserError, run_main
from mathrl.execution import nvidia
from mathrl.execution.supervisor import Supervisor


def parse(arguments: list[str]) -> argparse.Namespace:
    """Command line; what follows `--` is the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--gpus",
        type=int,
        default=0,
        metavar="N",
        help="GPUs for this command, distinct from those of other jobs on this host (default 0: none)",
    )
    parser.add_argument(
        "--state",
        metavar="DIR",
        help="directory of the GPU locks, one a host and user (default $MATHRL_GPUS_DIR or /tmp/mathrl-gpus-UID)",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="time between SIGTERM and SIGKILL for the command to save (default 30)",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- command and its arguments")
    given = parser.parse_args(arguments)
    if given.command[:1] == ["--"]:
        given.command = given.command[1:]
    if not given.command:
        raise UserError("no command given; put it after --: run_job.py --gpus 1 -- COMMAND")
    if given.gpus < 0 or given.grace < 0:
        raise UserError("--gpus and --grace must not be negative")
    return given


def main() -> int:
    given = parse(sys.argv[1:])
    if given.gpus:  # on the node, before anything waits for GPUs or is loaded
        nvidia.check(nvidia.gpus(nvidia.own()))
    return Supervisor(given.command, given.gpus, given.state, given.grace).run()


if __name__ == "__main__":
    run_main(main)
