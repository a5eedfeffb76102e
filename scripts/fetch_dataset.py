"""Fetch one training dataset of pins.tsv into a parquet file, verified by hash and row count.

python scripts/fetch_dataset.py --pins pins.tsv --name big-math --out resources/datasets/big-math.parquet
"""

import argparse
from pathlib import Path

from mathrl import fetch
from mathrl.io import UserError, atomic_path, run_main
from mathrl.pins import find_pin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pins", type=Path, default=Path("pins.tsv"), help="table of downloads (default pins.tsv)")
    parser.add_argument("--name", required=True, help="row of the table")
    parser.add_argument(
        "--partial", type=Path, default=Path("resources/.partial"), help="unfinished transfers (default resources/.partial)"
    )
    parser.add_argument(
        "--by-hand",
        type=Path,
        default=Path("resources/by_hand"),
        help="files brought by hand, in a folder per name (default resources/by_hand)",
    )
    parser.add_argument("--wait", type=float, default=2.0, help="seconds before the second try, doubled each time (default 2)")
    parser.add_argument("--out", type=Path, required=True, help="parquet file")
    args = parser.parse_args()

    pin = find_pin(args.pins, args.name, "dataset")
    fetched = fetch.fetch(pin, args.pins, args.partial, args.by_hand, args.wait)
    rows = fetch.parquet_rows(fetched.paths)
    if pin.rows is not None and rows != pin.rows:
        raise UserError(
            f"{pin.name}: {rows} rows came, {args.pins} says {pin.rows}; a hub client that brought only metadata or another "
            f"configuration of the dataset does this: delete {args.partial / pin.name} and run this again, or bring the files by hand"
        )
    fetch.record(pin, args.pins, fetched, rows)
    with atomic_path(args.out) as temporary:
        fetch.join_parquet(fetched.paths, temporary)


if __name__ == "__main__":
    run_main(main)
