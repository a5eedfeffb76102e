"""Forecast what an entry of `augmentation` will cost, without sending anything: requests, tokens and money, expected and at most.

python scripts/forecast_augmentation.py --name retold --entry '{"kind": "variants", …}' \\
    --sources results/augmentation/retold/sources.jsonl --out results/augmentation/retold/forecast.json
"""

import argparse
import sys
from pathlib import Path

from mathrl.core.arguments import Help
from mathrl.core.files import mapping, read_jsonl, run_main, write_json
from mathrl.core.provenance import provenance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--name", required=True, help="name of the entry")
    parser.add_argument("--entry", required=True, help="the entry of `augmentation`, JSON")
    parser.add_argument("--sources", type=Path, required=True, help="problems to ask about, JSON lines")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    args = parser.parse_args()

    from mathrl.augmentation import forecast, prompts
    from mathrl.config.entry import Entry

    entry = Entry.of(mapping(args.entry, "--entry"))
    found = forecast.forecast(args.name, entry, prompts.template(entry.kind, entry.prompt), list(read_jsonl(args.sources)))
    print(forecast.told(found), file=sys.stderr)
    write_json(args.out, {"schema_version": 1, "provenance": provenance({"sources": args.sources})} | found)


if __name__ == "__main__":
    run_main(main)
