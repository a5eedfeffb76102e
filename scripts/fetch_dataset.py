"""Fetch one training dataset of pins.tsv into a parquet file, verified by hash and row count.

python scripts/fetch_dataset.py --pins pins.tsv --name big-math --out resources/datasets/big-math.parquet
python scripts/fetch_dataset.py --pins pins.tsv --name mine --given resources/given/mine.parquet
"""

from pathlib import Path

from mathrl.core.files import UserError, atomic_path, run_main
from mathrl.data import fetch, given_rows, published
from mathrl.data.downloads import find_pin


def main() -> None:
    parser = fetch.argument_parser(__doc__)
    parser.add_argument("--out", type=Path, help="parquet file: problems and answers, read by the file's layout")
    parser.add_argument("--given", type=Path, help="parquet file: the rows as they were published, in verl's columns (data: as_given)")
    args = parser.parse_args()
    if not args.out and not args.given:
        raise UserError("--out: name a file")

    pin = find_pin(args.pins, args.name, "dataset")
    fetched = fetch.fetch(pin, args.pins, args.wait)
    if args.given:
        with fetch.disk_has_room(args.given), fetch.asked_again(pin, args.pins, fetched), atomic_path(args.given) as temporary:
            given_rows.keep(fetched.paths, temporary)
    if not args.out:
        return
    with fetch.disk_has_room(args.out), atomic_path(args.out) as temporary:
        with fetch.asked_again(pin, args.pins, fetched):
            rows, notice = published.write_dataset(fetched.paths, pin.columns, temporary, fetched.where)
        published.say(pin.name, notice)
        if pin.rows is not None and rows != pin.rows:
            raise UserError(
                f"{pin.name}: {rows} rows came, {args.pins} says {pin.rows}; a hub client that brought only metadata or another "
                f"configuration of the dataset does this: delete {fetch.PARTIAL / pin.name} and run this again, or bring the files by hand"
            )
        fetch.record(pin, args.pins, fetched, rows)


if __name__ == "__main__":
    run_main(main)
