"""The base model's right responses to training problems as solutions for a supervised stage (`solutions: own`).

python scripts/choose_own_solutions.py --generation results/data/solve_rate_samples/0.json \\
    --problems results/data/solve_rate_problems.jsonl --settings '{"n": 8, …}' --filters '{"per_problem": 4}' \\
    --out results/data/own_solutions.parquet --summary results/data/own_solutions.json
"""

import argparse
from pathlib import Path

from mathrl.core.files import atomic_path, mapping, run_main, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generation", nargs="+", type=Path, required=True, help="JSONs of the shards")
    parser.add_argument("--problems", type=Path, required=True, help="problems that were asked, JSON lines")
    parser.add_argument("--settings", required=True, help="how they were sampled, JSON")
    parser.add_argument("--filters", required=True, help="data.own_solutions of the configuration, JSON")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--out", type=Path, required=True, help="parquet to write: problem, solution")
    parser.add_argument("--summary", type=Path, required=True, help="JSON to write: how many samples each filter left out")
    args = parser.parse_args()

    from mathrl.config.evaluation import Sampling
    from mathrl.config.messages import parse
    from mathrl.config.sources import OwnSolutions
    from mathrl.core.provenance import provenance
    from mathrl.data import own_solutions, solve_rates
    from mathrl.evaluation.sampling import of_one_file

    settings = parse(Sampling, mapping(args.settings, "--settings"), "--settings")
    filters = parse(OwnSolutions, mapping(args.filters, "--filters"), "--filters")
    samples = of_one_file(args.generation, solve_rates.NAME, settings, args.problems)
    found, counts = own_solutions.choose(samples, args.problems, filters, args.workers)
    with atomic_path(args.out) as temporary:
        found.write_parquet(temporary)
    write_json(args.summary, {"schema_version": 1, "counts": counts, "provenance": provenance()})


if __name__ == "__main__":
    run_main(main)
