"""Write a page that shows each removed problem beside its benchmark item, with the shared text marked.

python scripts/render_matches.py --problems results/data/problems.parquet --matches results/data/matches.parquet \\
    --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl --out results/data/matches.html
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import run_main, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, required=True, help="problems, parquet")
    parser.add_argument("--matches", type=Path, required=True, help="matches, parquet")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat")
    parser.add_argument("--limit", type=int, default=2000, help="pairs on the page (default 2000)")
    parser.add_argument("--out", type=Path, required=True, help="page, HTML")
    args = parser.parse_args()

    from mathrl.report import match_pages

    write_text(args.out, match_pages.matches_page(args.problems, args.matches, args.benchmark, args.limit))


if __name__ == "__main__":
    run_main(main)
