"""Time our decontamination beside the usual way: `datasets.map` over Python sets, any shared 8-gram, once per benchmark.

python scripts/time_decontamination.py --problems results/data/problems.parquet --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl
"""

import argparse
from pathlib import Path

from mathrl.checks import speed
from mathrl.core.arguments import NamedFiles
from mathrl.core.files import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, required=True, help="parquet with id and problem")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat")
    parser.add_argument("--workers", type=int, default=2, help="processes of the usual way and threads of ours (default 2)")
    args = parser.parse_args()

    found = speed.time_decontamination(args.problems, args.benchmark, args.workers)
    for name, (seconds, removed) in found.items():
        print(f"{name:26} {seconds:7.1f} s   {removed:7d} rows removed")
    ratio = found[speed.USUAL][0] / found[speed.OURS[0]][0]
    print(f"ratio: {ratio:.1f} (exact and n-gram, start of the process included)")


if __name__ == "__main__":
    run_main(main)
