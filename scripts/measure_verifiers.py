"""Measure verifiers and ensembles on solutions whose first wrong step is known: first-error F1, false flags, calibration.

python scripts/measure_verifiers.py --verifiers '{…}' --scores steps=results/verifiers/steps/scores.json \\
    --step-set demo=resources/demo/steps.jsonl --out results/verifiers/measured
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import Help, NamedFiles
from mathrl.core.files import mapping, read_json, read_jsonl, run_main, write_json, write_text
from mathrl.core.provenance import provenance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--verifiers", required=True, help="the section `verifiers` of the configuration, JSON")
    parser.add_argument("--scores", action=NamedFiles, nargs="+", required=True, help="what score_step_sets.py wrote, by verifier")
    parser.add_argument("--step-set", action=NamedFiles, nargs="+", required=True, help="the solutions, JSON lines by name")
    parser.add_argument("--out", type=Path, required=True, help="path without ending: .json and .md are added")
    args = parser.parse_args()

    from mathrl.config.verifiers import read, settings
    from mathrl.verifiers.measure_all import markdown, measure_all
    from mathrl.verifiers.measures import usable

    sets = {name: usable(list(read_jsonl(path, ("problem", "steps", "first_error"))), str(path)) for name, path in args.step_set.items()}
    scores = {name: read_json(path)["scores"] for name, path in args.scores.items()}
    found = measure_all(settings(read(mapping(args.verifiers, "--verifiers"), "--verifiers")), sets, scores)
    write_json(f"{args.out}.json", {"schema_version": 1, "step_sets": found, "provenance": provenance(args.scores | args.step_set)})
    write_text(f"{args.out}.md", markdown(found))


if __name__ == "__main__":
    run_main(main)
