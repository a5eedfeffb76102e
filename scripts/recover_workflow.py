#!/usr/bin/env python3
"""Clear the way after a killed Snakemake: end its orphans, remove its lock. Run before Snakemake.

python scripts/recover_workflow.py --directory .

Silent when there is nothing to do. Exit code 2 if a Snakemake is at work in the directory.
"""

from __future__ import annotations

import argparse

from mathrl.core.files import UserError, run_main
from mathrl.execution.recovery import recover


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", default=".", metavar="DIR", help="Snakemake's working directory (default: this one)")
    parser.add_argument(
        "--grace",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long an orphaned job may save before it is killed (default 30)",
    )
    given = parser.parse_args()
    if given.grace < 0:
        raise UserError("--grace must not be negative")
    for line in recover(given.directory, given.grace):
        print(f"recover: {line}")
    return 0


if __name__ == "__main__":
    run_main(main)
