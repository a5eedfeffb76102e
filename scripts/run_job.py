#!/usr/bin/env python3
"""Run a command with GPUs of its own, and end everything that it started when it ends.

python scripts/run_job.py --gpus 2 -- python train.py

Exit code: the command's; 128 + n if signal n ended it; 2 if the GPUs cannot be had here.
"""

from __future__ import annotations

import sys

from mathrl.core.errors import UserError, run_main
from mathrl.execution.guard import guarded
from mathrl.execution.supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:  # the module typing is not loaded for it
    from argparse import Namespace

ONCE = ("--once", "--")  # how scripts/supervise.sh begins; every rule starts by it, so that no parser is loaded for it
ONCE_GRACE = 5.0


def parse(arguments: list[str]) -> Namespace:
    """Command line; what follows `--` is the command."""
    import argparse

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--gpus",
        type=int,
        default=0,
        metavar="N",
        help="GPUs for this command, distinct from those of other jobs on this host (default 0: none)",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="time between SIGTERM and SIGKILL for the command to save (default 30)",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help=f"the command saves nothing on its way: it has {ONCE_GRACE:g} s to end, and is not told of the walltime",
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
    if tuple(sys.argv[1:3]) == ONCE and sys.argv[3:]:
        return guarded(lambda: Supervisor(sys.argv[3:], 0, grace=ONCE_GRACE, once=True).run())
    given = parse(sys.argv[1:])
    if given.gpus:  # on the node, before anything waits for GPUs or is loaded
        from mathrl.execution import nvidia

        nvidia.check(nvidia.gpus(nvidia.own()))
    grace = ONCE_GRACE if given.once else given.grace
    return guarded(lambda: Supervisor(given.command, given.gpus, grace, once=given.once).run())


if __name__ == "__main__":
    run_main(main)
