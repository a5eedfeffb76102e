"""Solve rates of training problems from the base model's own responses, graded like everything else.

python scripts/measure_solve_rates.py --generation results/data/solve_rate_samples/0.json \\
    --problems results/data/solve_rate_problems.jsonl --settings '{"n": 8, …}' --out results/data/solve_rates.parquet
"""

import argparse
from pathlib import Path

from mathrl.core.files import atomic_path, mapping, run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generation", nargs="+", type=Path, required=True, help="JSONs of the shards")
    parser.add_argument("--problems", type=Path, required=True, help="problems that were asked, JSON lines")
    parser.add_argument("--settings", required=True, help="how they were sampled, JSON")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--out", type=Path, required=True, help="parquet to write: id, solve_rate (0-1), n (responses)")
    args = parser.parse_args()

    from mathrl.config.evaluation import Sampling
    from mathrl.config.messages import parse
    from mathrl.data import solve_rates
    from mathrl.evaluation.sampling import of_one_file

    settings = parse(Sampling, mapping(args.settings, "--settings"), "--settings")
    samples = of_one_file(args.generation, solve_rates.NAME, settings, args.problems)
    with atomic_path(args.out) as temporary:
        solve_rates.measure(samples, args.problems, args.workers).write_parquet(temporary)


if __name__ == "__main__":
    run_main(main)
