"""Draw the funnel of rows: in and out of each step from the dataset to the problems.

python scripts/plot_funnel.py --funnel results/data/funnel.json --out results/data/funnel.svg
"""

import argparse
from pathlib import Path

from mathrl.core.files import UserError, atomic_path, read_json, run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--funnel", type=Path, required=True, help="JSON of clean_problems.py")
    parser.add_argument("--out", type=Path, required=True, help="figure, SVG")
    args = parser.parse_args()

    funnel = read_json(args.funnel)
    if not isinstance(funnel, dict) or not funnel.get("steps"):
        raise UserError(f"{args.funnel}: has no 'steps'; make it with clean_problems.py")
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "funnel"  # the same bytes every time
    from matplotlib import pyplot

    steps = [("dataset", funnel["steps"][0]["rows_in"])] + [(step["step"], step["rows_out"]) for step in funnel["steps"]]
    figure, axes = pyplot.subplots(figsize=(7, 0.5 * len(steps) + 0.8), layout="constrained")
    axes.barh([name for name, _ in steps], [rows for _, rows in steps], color="#4c78a8")
    for place, (_, rows) in enumerate(steps):
        lost = steps[place - 1][1] - rows if place else 0
        axes.text(rows, place, f" {rows:,}" + (f" (−{lost:,})" if lost else ""), va="center")
    axes.invert_yaxis()
    axes.set_xlabel("rows after the step")
    axes.set_xlim(0, steps[0][1] * 1.25)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(args.out) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    run_main(main)
