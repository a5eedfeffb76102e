"""Ask an external model for variants or solutions of the chosen problems, and for the solutions that check them.

Nothing is asked twice: answers are kept in a store, whenever this program is killed. The key comes from the environment variable that the
entry names. python scripts/request_variants.py --name retold --entry '{"kind": "variants", …}' \\
    --sources results/augmentation/retold/sources.jsonl --answers answers.jsonl.zst --summary requests.json
"""

import argparse
import sys
from pathlib import Path

from mathrl.core.files import log_to, mapping, run_main, write_json
from mathrl.core.provenance import provenance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="name of the entry")
    parser.add_argument("--entry", required=True, help="the entry of `augmentation`, JSON")
    parser.add_argument("--sources", type=Path, required=True, help="problems to ask about, JSON lines")
    parser.add_argument("--store", type=Path, default=Path("checkpoints/augmentation"), help="kept (default checkpoints/augmentation)")
    parser.add_argument("--engine", default="{}", help="for address engine: batch_size, dtype, gpu_memory_utilization, JSON")
    parser.add_argument("--model", type=Path, help="for address engine: the model's Hugging Face directory")
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="for address engine (default cuda)")
    parser.add_argument("--log", type=Path, help="file for all output; progress still goes to stderr (default: none)")
    parser.add_argument("--answers", type=Path, required=True, help="the answers to write, to be kept and shipped: .jsonl.zst")
    parser.add_argument("--summary", type=Path, required=True, help="JSON to write: requests, tokens, money")
    args = parser.parse_args()
    progress = log_to(args.log) if args.log else sys.stderr

    from mathrl.augmentation import command
    from mathrl.config.augmentation import Entry

    entry = Entry.of(mapping(args.entry, "--entry"))
    summary = command.request(args, entry, mapping(args.engine, "--engine"))
    print(command.told(args.name, entry, summary), file=progress)
    write_json(args.summary, summary | {"schema_version": 1, "provenance": provenance({"sources": args.sources})})


if __name__ == "__main__":
    run_main(main)
