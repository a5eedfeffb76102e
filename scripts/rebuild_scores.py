"""Rebuild the score table of a crate: grade every sample again, make the table anew, compare both with what the crate says.

    python scripts/rebuild_scores.py --crate results/crate.zip --out results/rebuilt

No model, no network; nothing of the crate is executed. Ends with 0 where grades and table are identical, with 1 where one differs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mathrl.core.files import UserError, run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crate", required=True, help="zip file or folder that scripts/write_crate.py wrote")
    parser.add_argument(
        "--out", default="results/rebuilt", help="folder for scores.csv, scores.md and eval JSONs (default: results/rebuilt)"
    )
    fetched = "fetched benchmarks, for problem texts that did not travel (default: resources/benchmarks)"
    parser.add_argument("--benchmark-dir", default="resources/benchmarks", help=fetched)
    parser.add_argument("--workers", type=int, default=1, help="grading processes (default: 1)")
    return parser.parse_args()


def main() -> int:
    args = parse()
    if args.workers < 1:
        raise UserError(f"--workers {args.workers}: at least 1 process is needed")
    from mathrl.crate.archive import unpack
    from mathrl.crate.rebuild import rebuild, told

    with tempfile.TemporaryDirectory(prefix="mathrl-crate-") as folder:
        unpack(Path(args.crate), Path(folder))
        found = rebuild(Path(folder), Path(args.out), Path(args.benchmark_dir), args.workers)
    for line in told(found, args.out):
        print(line)
    return 1 if found.differences else 0


if __name__ == "__main__":
    run_main(main)
