"""Fetch one benchmark of pins.tsv, verify it, and write it in the canonical shape: id, problem, answer, domain, difficulty.

python scripts/fetch_benchmark.py --pins pins.tsv --name gsm8k --out resources/benchmarks/gsm8k.jsonl
"""

import sys
from dataclasses import replace
from pathlib import Path

from mathrl.core.files import UserError, run_main, write_jsonl
from mathrl.data import fetch
from mathrl.data.benchmarks import read_benchmark_file
from mathrl.data.downloads import find_pin
from mathrl.data.generated import seed_of


def main() -> None:
    parser = fetch.argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON-lines file")
    parser.add_argument(
        "--exports", type=Path, nargs="+", default=[], help="export.json of all models, for a benchmark with the seed `exports`"
    )
    args = parser.parse_args()

    pin = find_pin(args.pins, args.name, "benchmark")
    late = pin.after_training
    if late:
        pin = replace(pin, origin=replace(pin.origin, revision=str(seed_of(args.exports))))
        print(f"{pin.name}: seed {pin.origin.revision}, of {len(args.exports)} exports", file=sys.stderr)
    fetched = fetch.fetch(pin, args.pins, args.wait)
    if len(fetched.paths) != 1:
        raise UserError(f"{pin.name}: {len(fetched.paths)} files came for a benchmark of one; narrow the column 'file' of {args.pins}")
    try:
        with fetch.asked_again(pin, args.pins, fetched):
            rows = read_benchmark_file(fetched.paths[0], pin.columns)
    except UserError as error:  # of a file of the user's the line names that, not the copy that was read
        own = pin.origin.id if pin.origin.source == "file" else str(fetched.paths[0])
        raise UserError(str(error).replace(str(fetched.paths[0]), own)) from None
    if pin.rows is not None and len(rows) != pin.rows:
        raise UserError(
            f"{pin.name}: {len(rows)} items came, {args.pins} says {pin.rows}; delete {fetch.PARTIAL / pin.name} and run this again"
        )
    if not late:  # another study has other exports, and so other problems
        fetch.record(pin, args.pins, fetched, len(rows))
    with fetch.disk_has_room(args.out):
        write_jsonl(args.out, rows)


if __name__ == "__main__":
    run_main(main)
