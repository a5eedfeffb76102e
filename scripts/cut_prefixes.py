"""Cut sampled solutions of training problems into steps: the beginnings that the policy completes for step labels.

python scripts/cut_prefixes.py --generation results/verifiers/solution_samples/0.json --problems results/verifiers/problems.jsonl \\
    --settings '{"n": 8, …}' --out results/verifiers/prefixes.jsonl
"""

import argparse
from pathlib import Path

from mathrl.core.files import mapping, run_main, write_jsonl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generation", nargs="+", type=Path, required=True, help="JSONs of the shards")
    parser.add_argument("--problems", type=Path, required=True, help="problems that were asked, JSON lines")
    parser.add_argument("--planted", type=int, default=0, help="copies of each right solution with a changed number (default 0)")
    parser.add_argument("--settings", required=True, help="how they were sampled, JSON")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines to write: id, problem, answer, prefix")
    args = parser.parse_args()

    from mathrl.config.evaluation import Sampling
    from mathrl.config.messages import parse
    from mathrl.data.benchmarks import read_benchmark
    from mathrl.evaluation.sampling import of_one_file
    from mathrl.verifiers import label_files, planted

    settings = parse(Sampling, mapping(args.settings, "--settings"), "--settings")
    samples = of_one_file(args.generation, "solutions", settings, args.problems)
    found, _ = label_files.solutions(samples, read_benchmark(args.problems), args.workers)
    write_jsonl(args.out, label_files.prefix_rows([*found, *planted.plant(found, args.planted)]))


if __name__ == "__main__":
    run_main(main)
