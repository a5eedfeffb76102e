"""Write what a thesis or a paper takes from a study: every figure as SVG and PDF, every table as booktabs LaTeX and CSV.

    python scripts/write_paper.py --results results --config '{"select": ["grpo"], …}' --models base grpo --out results/paper

README.md in the folder lists each with its caption.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.files import replaced_directory, run_main, write_bytes


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default="results", help="folder of results (default: results)")
    parser.add_argument("--benchmark-dir", default="resources/benchmarks", help="folder of {benchmark}.jsonl")
    parser.add_argument("--config", required=True, help="the workflow's configuration as JSON, or a JSON file")
    parser.add_argument("--models", nargs="+", required=True, help="evaluated models, in order")
    parser.add_argument("--dates", default="{}", help="dates of benchmarks and models as JSON (default: none known)")
    parser.add_argument("--out", required=True, help="folder to write; an earlier one is replaced")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.data.dates import Dates
    from mathrl.report.content import gather, read_config
    from mathrl.report.paper import paper_files

    folders, dates = (Path(args.results), Path(args.benchmark_dir)), Dates.read(args.dates)
    study = gather(read_config(args.config), args.models, *folders, texts=False, dates=dates)
    files = paper_files(study)
    with replaced_directory(args.out) as folder:
        for name, data in files.items():
            write_bytes(Path(folder) / name, data)


if __name__ == "__main__":
    run_main(main)
