"""Choose the training problems whose solve rate is measured with the base model.

python scripts/choose_solve_rate_problems.py --problems results/data/problems.parquet --count 4096 \\
    --out results/data/solve_rate_problems.jsonl
"""

import argparse
from pathlib import Path

from mathrl.core.files import UserError, run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, required=True, help="problems, parquet")
    parser.add_argument("--count", type=int, help="problems to choose (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines to write: id, problem, answer")
    args = parser.parse_args()
    if args.count is not None and args.count < 1:
        raise UserError("--count: must be at least 1")

    from mathrl.data import solve_rates

    solve_rates.choose_problems(args.problems, args.count, args.out)


if __name__ == "__main__":
    run_main(main)
