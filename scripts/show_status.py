"""Print where every run stands: step, reward, accuracy on held-out problems, time left, flags, the last error. Only reads.

python scripts/show_status.py --directory /path/to/study
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mathrl.core.files import UserError, run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path("."), help="where Snakemake runs or ran (default: here)")
    return parser.parse_args()


def main() -> None:
    args = parse()
    if not args.directory.is_dir():
        raise UserError(f"{args.directory}: no such directory; give the one that Snakemake runs in")
    from mathrl.report.status import lines
    from rich.console import Console

    console = Console(file=sys.stdout, width=100, highlight=False, soft_wrap=True, no_color=not sys.stdout.isatty() or None)
    for line in lines(Path(os.path.abspath(args.directory))):
        console.print(line)


if __name__ == "__main__":
    run_main(main)
