"""Print the score table in the terminal, and where to look next.

python scripts/show_scores.py --scores results/scores.csv --report results/report.html
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.files import run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", default="results/scores.csv", help="score table (default: results/scores.csv)")
    parser.add_argument("--report", default="results/report.html", help="report to point at (default: results/report.html)")
    parser.add_argument("--all", action="store_true", help="every section (default: sampled, greedy and lenient)")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.report.terminal import read_scores, tables
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for part in tables(read_scores(args.scores), args.all):
        console.print(part)
    console.print(Text(f"table   {args.scores}  (.md, .html)"))
    if Path(args.report).is_file():
        console.print(Text(f"report  {args.report}  (open it in a browser; it needs no network)"))


if __name__ == "__main__":
    run_main(main)
