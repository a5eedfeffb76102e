"""Choose the problems that an external model is asked about: none that is held out, none that is a benchmark item.

python scripts/choose_augmentation_sources.py --problems results/data/problems.parquet --matches results/data/matches.parquet \\
    --remove exact,ngram,fuzzy --dev-size 512 --entry '{"kind": "variants", …}' --out results/augmentation/retold/sources.jsonl
"""

import argparse
from pathlib import Path

from mathrl.core.files import mapping, run_main, write_jsonl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, required=True, help="problems, parquet")
    parser.add_argument("--matches", type=Path, required=True, help="matches with benchmarks, parquet")
    parser.add_argument("--remove", required=True, help="methods whose matches leave a problem out, separated by commas")
    parser.add_argument("--dev-size", type=int, default=512, help="problems held out of training (default 512)")
    parser.add_argument("--entry", required=True, help="the entry of `augmentation`, JSON")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines to write: the chosen problems")
    args = parser.parse_args()

    from mathrl.augmentation import sources
    from mathrl.config.entry import Entry

    wanted = Entry.of(mapping(args.entry, "--entry")).problems
    write_jsonl(args.out, sources.choose(args.problems, args.matches, args.remove, args.dev_size, wanted))


if __name__ == "__main__":
    run_main(main)
