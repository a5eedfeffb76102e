"""Score every reasoning step of every sample with one verifier; finished scores are kept, the same command goes on from them.

python scripts/score_steps.py --verifier steps --verifiers '{"named": {"steps": {"kind": "arithmetic"}}, …}' \\
    --samples gsm8k=results/base/finalist/samples/gsm8k.jsonl.zst --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl \\
    --out results/base/finalist/steps/steps
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import UserError, log_to, read_jsonl, run_main, write_jsonl
from mathrl.verifiers import arguments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_to(parser)
    parser.add_argument("--samples", action=NamedFiles, nargs="+", required=True, help="samples of each benchmark, JSON lines")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat")
    parser.add_argument("--log", type=Path, help="file for the output (default: none)")
    parser.add_argument("--out", type=Path, required=True, help="folder: {benchmark}.jsonl.zst with id, sample, scores (0-1, one per step)")
    args = parser.parse_args()
    if args.log:
        log_to(args.log)

    from mathrl.data.benchmarks import read_benchmark
    from mathrl.text.reasoning_steps import reasoning_steps

    verifier = arguments.verifier(args)
    for name, path in args.samples.items():
        if name not in args.benchmark:
            raise UserError(f"--samples {name}: no --benchmark of this name")
        items = read_benchmark(args.benchmark[name])
        rows = list(read_jsonl(path, ("id", "sample", "response")))
        strange = next((row for row in rows if str(row["id"]) not in items or not isinstance(row["response"], str)), None)
        if strange:
            raise UserError(f"{path}: sample {strange['sample']} of '{strange['id']}' is no text, or of no item of the benchmark {name}")
        problems = [items[str(row["id"])]["problem"] for row in rows]
        scores = verifier.score(problems, [reasoning_steps(row["response"]) for row in rows])
        made = ({"id": row["id"], "sample": row["sample"], "scores": own} for row, own in zip(rows, scores, strict=True))
        write_jsonl(args.out / f"{name}.jsonl.zst", made)


if __name__ == "__main__":
    run_main(main)
