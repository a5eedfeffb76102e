"""Render the study report: one self-contained HTML file from whatever results exist; what is missing is named in it.

python scripts/render_report.py --results results --config '{"select": ["grpo"], …}' --models base grpo --out results/report.html
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.files import run_main, write_text


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default="results", help="folder of results (default: results)")
    parser.add_argument("--benchmark-dir", default="resources/benchmarks", help="folder of {benchmark}.jsonl")
    parser.add_argument("--config", required=True, help="the workflow's configuration as JSON, or a JSON file")
    parser.add_argument("--models", nargs="+", required=True, help="evaluated models, in order")
    parser.add_argument("--dates", default="{}", help="dates of benchmarks and models as JSON (default: none known)")
    parser.add_argument("--out", required=True, help="HTML file to write")
    parser.add_argument("--live", action="store_true", help="of a study at work: the page loads itself again while it is open")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.data.dates import Dates
    from mathrl.report.content import gather, read_config
    from mathrl.report.page import report_page

    config = read_config(args.config)
    folders = (Path(args.results), Path(args.benchmark_dir))
    study = gather(config, args.models, *folders, partial=args.live, dates=Dates.read(args.dates))
    write_text(args.out, report_page(study, args.live))


if __name__ == "__main__":
    run_main(main)
