"""Draw the funnel of rows: in and out of each step from the dataset to the problems.

python scripts/plot_funnel.py --funnel results/data/funnel.json --out results/data/funnel.svg
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import Help
from mathrl.core.files import UserError, read_json, run_main, write_text
from mathrl.data.records import CleaningSummary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--funnel", type=Path, required=True, help="JSON of clean_problems.py")
    parser.add_argument("--out", type=Path, required=True, help="figure, SVG")
    args = parser.parse_args()

    funnel: CleaningSummary = read_json(args.funnel)
    if not isinstance(funnel, dict) or not funnel.get("steps"):
        raise UserError(f"{args.funnel}: has no 'steps'; make it with clean_problems.py")
    from mathrl.report import charts
    from mathrl.report.figures import funnel_chart

    write_text(args.out, charts.standalone(funnel_chart(funnel)))


if __name__ == "__main__":
    run_main(main)
