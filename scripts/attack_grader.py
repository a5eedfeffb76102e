"""Attack the grader with answers that know the problem and not the answer; report how often each strategy earns the reward.

    python scripts/attack_grader.py --problems results/data/problems.parquet --limit 1000 --out attacks.json

`rate` is the share of problems on which a strategy earned the reward with another writing than the gold's: a fault of the
grader, or a gold to look at. `standing` counts problems whose answer stands in the problem, or was guessed.
"""

from __future__ import annotations

import argparse

from mathrl.core.files import UserError, run_main, write_json


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", required=True, help="problems with answers: JSON lines (.gz, .zst too) or parquet")
    parser.add_argument("--limit", type=int, help="problems to try, evenly spread over the file (default: all; about 0.1 s each)")
    parser.add_argument("--out", required=True, help="JSON to write")
    arguments = parser.parse_args()
    if arguments.limit is not None and arguments.limit < 1:
        raise UserError(f"--limit {arguments.limit}: at least 1 problem is needed")
    from mathrl.checks.grader_attacks import attack, read_problems
    from mathrl.core.provenance import provenance
    from mathrl.grading import GRADING_POLICY

    problems = read_problems(arguments.problems, arguments.limit)
    strategies = attack(problems)
    result = {"schema_version": 1, "grading_policy": GRADING_POLICY, "problems": len(problems), "strategies": strategies}
    write_json(arguments.out, result | {"provenance": provenance({"problems": arguments.problems})})
    for name, found in sorted(strategies.items(), key=lambda item: -item[1]["rate"]):
        print(f"{name:34} {100 * found['rate']:6.2f} %   earned {found['earned']}, standing {found['standing']}, tried {found['tried']}")
    return 0


if __name__ == "__main__":
    run_main(main)
