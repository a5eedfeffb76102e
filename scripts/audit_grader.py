"""Grader audit: where ours, Math-Verify and the contest's judge disagree on the samples at hand.

python scripts/audit_grader.py --samples math500=results/base/finalist/samples/math500.jsonl.zst \\
    --benchmark math500=resources/benchmarks/math500.jsonl --out audit.json
"""

from __future__ import annotations

import argparse

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import UserError, run_main, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", action=NamedFiles, nargs="+", required=True, help="samples (.jsonl, .gz, .zst) of each benchmark")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="benchmark file (.jsonl) for each")
    parser.add_argument("--out", required=True, help="JSON to write")
    parser.add_argument("--workers", type=int, default=2, help="processes for Math-Verify and for the contest's judge (default 2)")
    parser.add_argument(
        "--limit", type=int, default=2_000, help="samples per benchmark, evenly spread (default 2000; Math-Verify takes about 20 ms each)"
    )
    args = parser.parse_args()
    if min(args.workers, args.limit) < 1:
        raise UserError("--workers and --limit must be at least 1")
    lost = sorted(args.samples.keys() - args.benchmark.keys())
    if lost:
        raise UserError(f"--samples {lost[0]}: no --benchmark {lost[0]}=FILE for it")
    from mathrl.checks.grader_audit import audit
    from mathrl.core.provenance import provenance
    from mathrl.grading import GRADING_POLICY

    found = {name: audit(path, args.benchmark[name], name, args.limit, args.workers) for name, path in sorted(args.samples.items())}
    inputs = {f"samples/{name}": path for name, path in args.samples.items()}
    inputs |= {f"benchmark/{name}": args.benchmark[name] for name in args.samples}
    write_json(args.out, {"schema_version": 1, "grading_policy": GRADING_POLICY, "benchmarks": found, "provenance": provenance(inputs)})


if __name__ == "__main__":
    run_main(main)
