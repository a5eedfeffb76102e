"""Read a log of lm-evaluation-harness or inspect_ai as samples, grade them with our judge, and list where the two differ.

    python scripts/import_samples.py --format lm-eval --log samples_gsm8k_2025-11-02T10-00-00.jsonl --out imported

Writes benchmark.jsonl, samples.jsonl and differences.csv (one row per problem whose mean score is another) into the folder;
scripts/grade_samples.py makes the eval JSON of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.files import replaced_directory, run_main, write_jsonl, write_text
from mathrl.evaluation import harness_logs


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=harness_logs.FORMATS, required=True, help="whose log it is")
    parser.add_argument("--log", required=True, help="samples_*.jsonl of lm_eval --log_samples, or a log of inspect as JSON")
    parser.add_argument("--greedy", action="store_true", help="the log holds one greedy response per problem (default: samples)")
    parser.add_argument("--workers", type=int, default=1, help="processes that grade (default: 1)")
    parser.add_argument("--out", required=True, help="folder to write; an earlier one is replaced")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.evaluation.harness_differences import differences, to_csv

    problems, samples, scores = harness_logs.read_log(args.format, args.log, args.greedy)
    found, compared = differences(problems, samples, scores, args.workers)
    with replaced_directory(args.out) as folder:
        write_jsonl(Path(folder) / "benchmark.jsonl", problems)
        write_jsonl(Path(folder) / "samples.jsonl", samples)
        write_text(Path(folder) / "differences.csv", to_csv(found))
    print(f"{len(problems)} problems, {len(samples)} samples")
    print(f"scores differ on {len(found)} of {compared} problems: {args.out}/differences.csv")


if __name__ == "__main__":
    run_main(main)
