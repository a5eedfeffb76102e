"""Write graded samples in the log format of lm-evaluation-harness or inspect_ai, for their viewers and scorers.

    python scripts/export_samples.py --format inspect --samples results/grpo/finalist/samples/gsm8k.jsonl.zst \
        --benchmark resources/benchmarks/gsm8k.jsonl --eval results/grpo/finalist/eval/gsm8k.json --out gsm8k.json

inspect view and inspect score read the one, --format lm-eval writes the lines of lm_eval --log_samples.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from mathrl.core.files import UserError, read_json, read_jsonl, run_main, write_jsonl, write_text
from mathrl.evaluation import harness_logs


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=harness_logs.FORMATS, required=True, help="whose log to write")
    parser.add_argument("--samples", required=True, help="samples: {benchmark}.jsonl, .jsonl.zst or .jsonl.gz")
    parser.add_argument("--benchmark", required=True, help="the benchmark: {benchmark}.jsonl")
    parser.add_argument("--eval", required=True, help="the eval JSON of these samples")
    parser.add_argument("--greedy", action="store_true", help="the greedy responses (default: the sampled ones)")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the samples, for the log (default: 1.0)")
    parser.add_argument("--out", required=True, help="file to write: .jsonl for lm-eval, .json for inspect")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.data.benchmarks import read_benchmark
    from mathrl.evaluation.grading import read_samples

    problems, result = read_benchmark(args.benchmark), read_json(args.eval)
    samples = read_samples(read_jsonl(args.samples, ("id", "sample", "response")), problems, args.samples)
    responses = harness_logs.grouped(samples, args.greedy)
    right = harness_logs.verdicts(result, args.eval, args.greedy)
    strange = [key for key, rows in responses.items() if len(right.get(key, ())) != len(rows)]
    if strange or not responses:
        what = f"the item '{strange[0]}' does not fit" if strange else f"there are no {'greedy' if args.greedy else 'sampled'} responses"
        raise UserError(f"{args.samples}: {what}; give samples, benchmark and eval JSON of one evaluation")
    if args.format == "lm-eval":
        write_jsonl(args.out, harness_logs.to_lm_eval(problems, responses, right, 0.0 if args.greedy else args.temperature))
    else:
        model = f"mockllm/{result.get('model')}"  # inspect's provider that makes nothing: its scorers run only with a known one
        names = {"model": model, "task": result.get("benchmark", ""), "created": datetime.now(UTC).isoformat(timespec="seconds")}
        log = harness_logs.to_inspect(problems, responses, right, names)
        write_text(args.out, json.dumps(log, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    run_main(main)
