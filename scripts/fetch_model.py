"""Fetch one model of pins.tsv (base model, embedding model) into a directory, verified by hash.

python scripts/fetch_model.py --pins pins.tsv --name openseek --out resources/models/openseek
"""

import argparse
from pathlib import Path

from mathrl import fetch
from mathrl.io import UserError, run_main
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
    parser.add_argument("--out", type=Path, required=True, help="directory")
    args = parser.parse_args()

    pin = find_pin(args.pins, args.name, "model")
    fetched = fetch.fetch(pin, args.pins, args.partial, args.by_hand, args.wait)
    if "config.json" not in fetched.names:
        has = ", ".join(fetched.names[:8])
        raise UserError(f"{pin.name}: no config.json among the model's files (it has: {has}); is {pin.origin.id} a Hugging Face model?")
    fetch.record(pin, args.pins, fetched, None)
    fetch.place_directory(fetched, args.out)


if __name__ == "__main__":
    run_main(main)
