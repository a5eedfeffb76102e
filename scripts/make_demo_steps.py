"""Make solutions of demo problems with planted errors: the first wrong step of each is known.

python scripts/make_demo_steps.py --count 1000 --seed 2 --out resources/demo/steps.jsonl
"""

import argparse
from pathlib import Path

from mathrl.core.files import UserError, run_main, write_jsonl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="solutions, half of them right (default 1000)")
    parser.add_argument("--seed", type=int, default=2, help="of every choice (default 2)")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines to write: id, kind, problem, steps, first_error, answer")
    args = parser.parse_args()
    if args.count < 1:
        raise UserError(f"--count {args.count}: must be at least 1")

    from mathrl.demo.steps import step_set

    write_jsonl(args.out, step_set(args.seed, args.count))


if __name__ == "__main__":
    run_main(main)
