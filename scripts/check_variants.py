"""Check what was proposed, without a network: form, answer, newness. What passes is asked of the base model and looked for in benchmarks.

python scripts/check_variants.py --name retold --entry '{"kind": "variants", …}' --sources sources.jsonl --answers answers.jsonl.zst \\
    --problems results/data/problems.parquet --checked checked.parquet --passed passed.parquet --asked asked.jsonl
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import Help
from mathrl.core.files import mapping, run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--name", required=True, help="name of the entry")
    parser.add_argument("--entry", required=True, help="the entry of `augmentation`, JSON")
    parser.add_argument("--sources", type=Path, required=True, help="problems that were asked about, JSON lines")
    parser.add_argument("--answers", type=Path, required=True, help="the model's answers, .jsonl.zst")
    parser.add_argument("--model", type=Path, help="for address engine: the model's Hugging Face directory")
    parser.add_argument("--problems", type=Path, required=True, help="all problems of the data, parquet")
    parser.add_argument(
        "--checked", type=Path, required=True, help="parquet to write: every proposal, with the door that stopped it so far"
    )
    parser.add_argument("--passed", type=Path, required=True, help="parquet to write: id and problem of those that passed")
    parser.add_argument("--asked", type=Path, required=True, help="JSON lines to write: these and their sources, for the base model")
    args = parser.parse_args()

    from mathrl.augmentation import command
    from mathrl.config.entry import Entry

    command.check(args, Entry.of(mapping(args.entry, "--entry")))


if __name__ == "__main__":
    run_main(main)
