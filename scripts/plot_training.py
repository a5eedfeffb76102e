"""Draw the training curves of all runs together: validation, mean reward, entropy and response length over steps.

Reads each stage's manifest (which names its TensorBoard logs), writes one SVG per figure and all curves as JSON for the study report.

    python scripts/plot_training.py --results results --runs grpo=main --out results/figures
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.arguments import Named, NamedLists
from mathrl.core.files import run_main, write_json, write_text
from mathrl.core.provenance import provenance


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default="results", help="folder of results (default: results)")
    parser.add_argument("--runs", action=NamedLists, nargs="*", form="RUN=STAGE,STAGE", help="runs with their stages, in order")
    parser.add_argument("--validation-benchmark", help="data source of the validation curve (default: the first one logged)")
    parser.add_argument("--figures", action=Named, nargs="*", metavar="NAME=FILE.py:function", help="of the user's (default: none)")
    parser.add_argument("--out", required=True, help="folder for validation.svg, reward.svg, …, and curves.json")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.report import charts
    from mathrl.report.figures import run_curves
    from mathrl.report.users_figures import training_figures

    runs = {name: run_curves(args.results, name, stages) for name, stages in args.runs.items()}
    for figure, svg, _ in training_figures(runs, args.validation_benchmark, args.figures):
        write_text(Path(args.out) / f"{figure}.svg", charts.standalone(svg))
    write_json(Path(args.out) / "curves.json", {"schema_version": 1, "runs": runs, "provenance": provenance()})


if __name__ == "__main__":
    run_main(main)
