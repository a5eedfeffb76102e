"""The last doors: useful, decontaminated, no sibling of a held-out problem. Writes the rows that may train, and the funnel.

python scripts/admit_variants.py --name retold --entry '{"kind": "variants", …}' --checked checked.parquet --matches matches.parquet \\
    --solve-rates solve_rates.parquet --problems results/data/problems.parquet --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl \\
    --proposals proposals.parquet --rows rows.parquet --funnel funnel.json
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import mapping, run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="name of the entry")
    parser.add_argument("--entry", required=True, help="the entry of `augmentation`, JSON")
    parser.add_argument("--checked", type=Path, required=True, help="every proposal, as check_variants.py left it, parquet")
    parser.add_argument("--matches", type=Path, required=True, help="matches of proposals with benchmarks, parquet")
    parser.add_argument("--solve-rates", type=Path, help="the base model's solve rates of proposals and sources, parquet (default: none)")
    parser.add_argument("--problems", type=Path, required=True, help="all problems of the data, parquet")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat for each benchmark")
    parser.add_argument("--dev-size", type=int, default=512, help="problems held out of training (default 512)")
    parser.add_argument("--embedding-model", type=Path, help="sentence-transformers model, for distances from the source (default: none)")
    parser.add_argument("--proposals", type=Path, required=True, help="parquet to write: every proposal with the door that stopped it")
    parser.add_argument("--rows", type=Path, required=True, help="parquet to write: rows that may train")
    parser.add_argument("--funnel", type=Path, required=True, help="JSON to write: counts, examples, samples")
    args = parser.parse_args()

    from mathrl.augmentation import command
    from mathrl.config.entry import Entry

    command.admit(args, Entry.of(mapping(args.entry, "--entry")))


if __name__ == "__main__":
    run_main(main)
