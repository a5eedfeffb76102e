"""Grade one benchmark's samples and write its metrics, counts, breakdowns and clean-subset scores as JSON.

    python scripts/grade_samples.py --samples results/base/finalist/samples/gsm8k.jsonl.zst \
        --benchmark resources/benchmarks/gsm8k.jsonl --out results/base/finalist/eval/gsm8k.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.config.verifiers import read, settings
from mathrl.core.arguments import NamedFiles
from mathrl.core.files import UserError, mapping, read_jsonl, run_main, write_json
from mathrl.core.provenance import provenance
from mathrl.data.benchmarks import read_benchmark
from mathrl.evaluation import verified
from mathrl.evaluation.grading import evaluate, read_matches, read_samples
from mathrl.evaluation.verified import Verdicts


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", required=True, help="JSON lines {id, sample, response, finish_reason, tokens}; .gz, .zst too")
    parser.add_argument("--benchmark", required=True, help="JSON lines {id, problem, answer, domain?, difficulty?}")
    parser.add_argument("--out", required=True, help="eval JSON to write")
    parser.add_argument("--matches", help="matches.parquet of the decontamination: gives the clean-subset scores")
    parser.add_argument("--model", default="", help="name of the model in the result (default: empty)")
    parser.add_argument("--protocol", default="", help="name of the evaluation protocol in the result (default: empty)")
    parser.add_argument("--name", help="name of the benchmark (default: the benchmark file's name)")
    parser.add_argument("--grader", choices=("ours", "contest"), default="ours", help="judge (default: ours)")
    parser.add_argument(
        "--extraction",
        choices=("strict", "lenient"),
        default="strict",
        help="strict: the answer in the box only; lenient: last number where there is no box (default: strict)",
    )
    parser.add_argument("--workers", type=int, default=1, help="grading processes (default: 1)")
    parser.add_argument("--verifiers", help="the section `verifiers` of the configuration, JSON: what their step scores mean")
    parser.add_argument("--steps", action=NamedFiles, nargs="+", help="step scores of the samples, VERIFIER=FILE; repeat")
    return parser.parse_args()


def step_verdicts(args: argparse.Namespace) -> list[Verdicts]:
    """What the verifiers in use say of the samples; nothing without any."""
    if not args.steps:
        return []
    section = read(mapping(args.verifiers or "{}", "--verifiers"), "--verifiers")
    scored = {name: verified.read_scores(read_jsonl(path, ("id", "sample", "scores"))) for name, path in args.steps.items()}
    return verified.verdicts(settings(section), section.use, scored)


def main() -> None:
    args = parse()
    if args.workers < 1:
        raise UserError(f"--workers {args.workers}: at least 1 process is needed")
    name = args.name or Path(args.benchmark).name.removesuffix(".gz").removesuffix(".zst").removesuffix(".jsonl")
    problems = read_benchmark(args.benchmark)
    samples = read_samples(read_jsonl(args.samples, ("id", "sample", "response")), problems, args.samples)
    contaminated, removing = read_matches(args.matches, name) if args.matches else (None, None)
    result = evaluate(
        samples,
        problems,
        grader=args.grader,
        extraction=args.extraction,
        workers=args.workers,
        contaminated=contaminated,
        removing=removing,
        benchmark=name,
        verifiers=step_verdicts(args),
    )
    inputs = {"samples": args.samples, "benchmark": args.benchmark} | {f"steps of {name}": path for name, path in args.steps.items()}
    if args.matches:
        inputs["matches"] = args.matches
    result |= {"model": args.model, "protocol": args.protocol, "benchmark": name, "provenance": provenance(inputs)}
    write_json(args.out, result)


if __name__ == "__main__":
    run_main(main)
