"""Score solutions whose first wrong step is known with one verifier: what `measure_verifiers` measures.

python scripts/score_step_sets.py --verifier steps --verifiers '{…}' --step-set demo=resources/demo/steps.jsonl --out scores.json
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import log_to, read_jsonl, run_main, write_json
from mathrl.core.provenance import provenance
from mathrl.verifiers import arguments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_to(parser)
    parser.add_argument(
        "--step-set", action=NamedFiles, nargs="+", required=True, help="JSON lines {problem, steps, first_error (from 0, or null)}; repeat"
    )
    parser.add_argument("--log", type=Path, help="file for the output (default: none)")
    parser.add_argument("--out", type=Path, required=True, help="JSON: {scores: {step set: a list of scores per solution}}")
    args = parser.parse_args()
    if args.log:
        log_to(args.log)

    from mathrl.verifiers.measures import usable

    verifier = arguments.verifier(args)
    scores = {}
    for name, path in args.step_set.items():
        rows = usable(list(read_jsonl(path, ("problem", "steps", "first_error"))), str(path))
        scores[name] = verifier.score([row["problem"] for row in rows], [row["steps"] for row in rows])
    identity = dict(verifier.identity)
    made = {"schema_version": 1, "verifier": args.verifier, "identity": identity, "provenance": provenance(args.step_set)}
    write_json(args.out, made | {"scores": scores})


if __name__ == "__main__":
    run_main(main)
