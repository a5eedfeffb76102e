"""Turn a downloaded dataset into training problems: contract, filters, duplicate groups, difficulty.

python scripts/clean_problems.py --dataset resources/datasets/big-math.parquet --out results/data/problems.parquet \\
    --quarantine results/data/quarantine.parquet --funnel results/data/funnel.json
"""

import argparse
from pathlib import Path

from mathrl.core.files import run_main, write_json
from mathrl.data import cleaning
from mathrl.data.records import CleaningSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True, help="parquet file as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="problems, parquet")
    parser.add_argument("--quarantine", type=Path, required=True, help="rows that break the contract, parquet with row and reason")
    parser.add_argument("--funnel", type=Path, required=True, help="rows in and out of each step, JSON")
    parser.add_argument("--max-quarantine", type=float, default=0.01, help="share of rows; more in quarantine stops (default 0.01)")
    parser.add_argument(
        "--max-dropped", type=float, default=0.5, help="share of rows; a layout or filter that drops more stops (default 0.5)"
    )
    parser.add_argument("--verifiable", action="store_true", help="drop golds that no response can be right about")
    parser.add_argument(
        "--duplicates", choices=("none", "exact", "near"), default="near", help="keep the first of each group (default near)"
    )
    parser.add_argument("--near-similarity", type=float, default=0.8, help="words in common of near duplicates, 0–1 (default 0.8)")
    parser.add_argument("--english-only", action="store_true", help="drop problems in other languages")
    parser.add_argument("--sources", nargs="+", default=None, metavar="NAME", help="keep these sources only (default: all)")
    parser.add_argument(
        "--difficulty-bands",
        nargs="+",
        default=["quintiles"],
        metavar="RATE",
        help="`quintiles` or falling solve rates, 0–1 (default quintiles)",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2); the output does not depend on it")
    args = parser.parse_args()

    from mathrl.decontamination.compare import surely_same

    cuts = cleaning.parse_bands(args.difficulty_bands)
    settings: CleaningSettings = {
        "max_quarantine": args.max_quarantine,
        "max_dropped": args.max_dropped,
        "verifiable": args.verifiable,
        "duplicates": args.duplicates,
        "near_similarity": args.near_similarity,
        "english_only": args.english_only,
        "sources": args.sources,
        "difficulty_bands": cuts or "quintiles",
    }
    result = cleaning.clean(args.dataset, args.out, args.quarantine, settings, cuts, args.workers, surely_same)
    write_json(args.funnel, result.summary(args.dataset))


if __name__ == "__main__":
    run_main(main)
