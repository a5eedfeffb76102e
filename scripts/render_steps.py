"""Render solutions step by step with the scores of the verifiers in use: one HTML page.

python scripts/render_steps.py --results results --models base grpo --protocols finalist \\
    --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl --verifiers '{…}' --out results/steps.html
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import mapping, run_main, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"), help="default results")
    parser.add_argument("--models", nargs="+", required=True, help="rows of the score table")
    parser.add_argument("--protocols", nargs="+", required=True, help="named evaluations")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat")
    parser.add_argument("--verifiers", required=True, help="the section `verifiers` of the configuration, JSON")
    parser.add_argument("--out", type=Path, required=True, help="HTML to write")
    args = parser.parse_args()

    from mathrl.config.verifiers import read
    from mathrl.evaluation.step_rows import gather
    from mathrl.report.step_pages import ORDER, chosen, steps_page

    section = read(mapping(args.verifiers, "--verifiers"), "--verifiers")
    found: dict = {kind: [] for kind in ORDER}
    verdicts = {}
    for rows, own in gather(args.results, args.models, args.protocols, args.benchmark, section):
        verdicts = own
        for kind, some in chosen(rows, own).items():
            found[kind] += some
    write_text(args.out, steps_page(found, verdicts))


if __name__ == "__main__":
    run_main(main)
