"""Grader audit: where ours, Math-Verify and the contest's judge disagree on the samples at hand.

python scripts/audit_grader.py --samples math500=results/base/finalist/samples/math500.jsonl.zst \\
    --benchmark math500=resources/benchmarks/math500.jsonl --out audit.json
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mathrl.core.files import UserError, read_jsonl, run_main, write_json


def _named(pairs: list[str], flag: str) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, separator, path = pair.partition("=")
        if not separator or not name or not path:
            raise UserError(f"{flag} {pair}: expected NAME=FILE")
        found[name] = path
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", nargs="+", required=True, metavar="NAME=FILE", help="samples (.jsonl, .gz, .zst) a benchmark")
    parser.add_argument("--benchmark", nargs="+", required=True, metavar="NAME=FILE", help="benchmark file (.jsonl) for each")
    parser.add_argument("--out", required=True, help="JSON to write")
    parser.add_argument("--workers", type=int, default=2, help="processes for Math-Verify and for the contest's judge (default 2)")
    parser.add_argument(
        "--limit", type=int, default=2_000, help="samples a benchmark, evenly spread (default 2000; Math-Verify takes about 20 ms each)"
    )
    parser.add_argument("--list", type=int, default=50, help="rows to list for each pattern of verdicts (default 50)")
    arguments = parser.parse_args()
    if min(arguments.workers, arguments.limit) < 1:
        raise UserError("--workers and --limit must be at least 1")
    from mathrl.checks import grader_audit
    from mathrl.core.provenance import provenance
    from mathrl.evaluation.records import JudgedAnswer
    from mathrl.grading import GRADING_POLICY

    samples, golds = _named(arguments.samples, "--samples"), _named(arguments.benchmark, "--benchmark")
    report = {}
    for name, path in sorted(samples.items()):
        if name not in golds:
            raise UserError(f"--samples {name}: no --benchmark {name}=FILE for it")
        answers = {str(row["id"]): (str(row["answer"]), row.get("problem")) for row in read_jsonl(golds[name], required=("id", "answer"))}
        rows = list(read_jsonl(path, required=("id", "response")))
        if not rows:
            raise UserError(f"{path}: holds no samples")
        rows = [rows[index * len(rows) // arguments.limit] for index in range(arguments.limit)] if len(rows) > arguments.limit else rows
        unknown = next((row["id"] for row in rows if str(row["id"]) not in answers), None)
        if unknown is not None:
            raise UserError(f"{path}: id '{unknown}' is not in {golds[name]}; are they of the same benchmark?")
        questions = [(row["response"], *answers[str(row["id"])]) for row in rows]
        judges: dict[str, Sequence[grader_audit.Verdict]] = {
            "ours": grader_audit.ours(questions, benchmark=name),
            "math_verify": grader_audit.math_verify(questions, arguments.workers),
            "contest": grader_audit.contest(questions, name, arguments.workers),
        }
        described: list[JudgedAnswer] = [
            {"id": row["id"], "sample": row.get("sample", 0), "answer": answers[str(row["id"])][0]} for row in rows
        ]
        patterns, listed = grader_audit.disagreements(described, judges, arguments.list)
        accepted = {judge: sum(verdict.correct for verdict in verdicts) for judge, verdicts in judges.items()}
        report[name] = {"samples": len(rows), "accepted": accepted, "patterns": patterns, "disagreements": listed}
    inputs = {f"samples/{name}": path for name, path in samples.items()} | {f"benchmark/{name}": golds[name] for name in samples}
    result = {"schema_version": 1, "grading_policy": GRADING_POLICY, "benchmarks": report, "provenance": provenance(inputs)}
    write_json(arguments.out, result)
    return 0


if __name__ == "__main__":
    run_main(main)
