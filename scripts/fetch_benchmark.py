"""Fetch one benchmark of pins.tsv, verify it, and write it in the canonical shape: id, problem, answer, domain, difficulty.

python scripts/fetch_benchmark.py --pins pins.tsv --name gsm8k --out resources/benchmarks/gsm8k.jsonl
"""

from pathlib import Path

from mathrl.core.files import UserError, run_main, write_jsonl
from mathrl.data import fetch
from mathrl.data.benchmarks import read_benchmark_file
from mathrl.data.downloads import find_pin


def main() -> None:
    parser = fetch.argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON-lines file")
    args = parser.parse_args()

    pin = find_pin(args.pins, args.name, "benchmark")
    fetched = fetch.fetch(pin, args.pins, args.wait)
    if len(fetched.paths) != 1:
        raise UserError(f"{pin.name}: {len(fetched.paths)} files came for a benchmark of one; narrow the column 'file' of {args.pins}")
    rows = read_benchmark_file(fetched.paths[0], pin.columns)
    if pin.rows is not None and len(rows) != pin.rows:
        raise UserError(
            f"{pin.name}: {len(rows)} items came, {args.pins} says {pin.rows}; delete {fetch.PARTIAL / pin.name} and run this again"
        )
    fetch.record(pin, args.pins, fetched, len(rows))
    write_jsonl(args.out, rows)


if __name__ == "__main__":
    run_main(main)
