"""The grader against labelled answers and against Math-Verify, measured in the same run: accuracy, both errors, speed.

python scripts/measure_grader.py --verifier shared/data/verifier --generations shared/data/generations --out grader.json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mathrl.core.files import run_main, write_json


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verifier", type=Path, required=True, help="folder with the labelled answers (.jsonl, .jsonl.gz)")
    parser.add_argument("--generations", type=Path, required=True, help="folder with the labelled responses (.jsonl.gz)")
    parser.add_argument("--benchmarks", type=Path, help="folder with the benchmarks (.jsonl), to count the golds that are rounded")
    parser.add_argument("--cases", type=Path, nargs="*", default=[], help="files of cases (.jsonl: kind, pred or response, gold, right)")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    parser.add_argument("--workers", type=int, default=1, help="Math-Verify processes; 1 (default) for fair timing")
    arguments = parser.parse_args()
    from mathrl.checks import grader_accuracy
    from mathrl.core.provenance import provenance
    from mathrl.grading import GRADING_POLICY

    sets = grader_accuracy.find_sets(arguments.verifier, arguments.generations)
    results = {item.name: grader_accuracy.measure(item, arguments.workers) for item in sets}
    for line in grader_accuracy.table(results):
        print(line)
    speed = grader_accuracy.speed([item for item in sets if item.generations])
    for name, value in speed.items():
        print(f"{name}: {value:.3f}", file=sys.stderr)
    changed = grader_accuracy.rounding(sets)
    right = sum(row["label"] for row in changed)
    print(f"if golds were rounded: {len(changed)} more verdicts, {right} of them right by the label", file=sys.stderr)
    copied = grader_accuracy.copied(sets)
    print(f"right answers refused as copies of the problem: {len(copied)}", file=sys.stderr)
    golds = grader_accuracy.rounded_golds(arguments.benchmarks) if arguments.benchmarks else {}
    for name, (count, total) in golds.items():
        print(f"decimal golds of {name}: {count} of {total}", file=sys.stderr)
    cases = {path.stem: grader_accuracy.cases(path) for path in arguments.cases}
    for name, found in cases.items():
        print(f"cases {name}: {found['accuracy']:.4f} of {found['rows']}, {found['false_accepts']} false accepts", file=sys.stderr)
    inputs = {item.name: item.path for item in sets}
    write_json(
        arguments.out,
        {
            "schema_version": 1,
            "grading_policy": GRADING_POLICY,
            "sets": results,
            "speed": speed,
            "rounding": {"changed": changed, "golds": golds},
            "copied": copied,
            "cases": cases,
            "provenance": provenance(inputs),
        },
    )
    return 0


if __name__ == "__main__":
    run_main(main)
