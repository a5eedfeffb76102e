"""Fetch one model of pins.tsv (base model, embedding model) into a directory, verified by hash.

python scripts/fetch_model.py --pins pins.tsv --name openseek --out resources/published/openseek
"""

from pathlib import Path

from mathrl.core.files import UserError, run_main
from mathrl.data import fetch
from mathrl.data.downloads import find_pin


def main() -> None:
    parser = fetch.argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory")
    args = parser.parse_args()

    pin = find_pin(args.pins, args.name, "model")
    fetched = fetch.fetch(pin, args.pins, args.wait)
    if "config.json" not in fetched.names:
        has = ", ".join(fetched.names[:8])
        raise UserError(f"{pin.name}: no config.json among the model's files (it has: {has}); is {pin.origin.id} a Hugging Face model?")
    fetch.record(pin, args.pins, fetched, None)
    with fetch.disk_has_room(args.out):
        fetch.place_directory(fetched, args.out)


if __name__ == "__main__":
    run_main(main)
