"""Print the score table in the terminal, and where to look next.

python scripts/show_scores.py --scores results/scores.csv --report results/report.html
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from mathrl.core.files import UserError, run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", default="results/scores.csv", help="score table (default: results/scores.csv)")
    parser.add_argument("--report", default="results/report.html", help="report to point at (default: results/report.html)")
    parser.add_argument("--all", action="store_true", help="every section (default: sampled, greedy and lenient)")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.evaluation.scores import METRICS
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    try:
        with open(args.scores, encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
    except FileNotFoundError:
        raise UserError(f"{args.scores}: no such file; make it with: snakemake --cores all results/scores.csv") from None
    if not rows or not {"protocol", "metric", "model", "mean"} <= set(rows[0]):
        raise UserError(f"{args.scores}: is no score table; make it again with scripts/tabulate_scores.py")
    heads = list(rows[0])
    columns = heads[heads.index("kind") + 1 : heads.index("mean") + 1]
    console = Console()
    shown = None if args.all else ("pass@1", "greedy", "pass@1_lenient")
    for key in dict.fromkeys((row["protocol"], row["metric"]) for row in rows):
        if shown and key[1] not in shown:
            continue
        grid = Table(title=f"{key[0]}: {METRICS.get(key[1], key[1])} · percent, 95 % interval", title_justify="left")
        grid.add_column("model", overflow="fold")
        for name in columns:
            count = max((row[f"{name}_n"] for row in rows if (row["protocol"], row["metric"]) == key), key=lambda n: int(n or 0))
            grid.add_column(Text(f"{name}\nn = {count}" if count else name), justify="right")
        section = [row for row in rows if (row["protocol"], row["metric"]) == key]
        for row in section:
            if row["kind"] != "published":
                style = "dim" if row["kind"] == "checkpoint" else ""
                grid.add_row(Text(row["model"]), *(Text(_cell(row, name)) for name in columns), style=style)
        console.print(grid)
        quoted = [f"{row['model']} {row['mean']}" for row in section if row["kind"] == "published"]
        if quoted:
            console.print(Text(f"mean as {', '.join(quoted)} (quoted, not measured here)", style="dim italic"))
    console.print(Text(f"table   {args.scores}  (.md, .html)"))
    if Path(args.report).is_file():
        console.print(Text(f"report  {args.report}  (open it in a browser; it needs no network)"))


def _cell(row: dict[str, str], name: str) -> str:
    if not row[name]:
        return "–"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]}\n{float(low):.1f}–{float(high):.1f}" if low else row[name]


if __name__ == "__main__":
    run_main(main)
