"""Merge the shards of one model and protocol into one samples file a benchmark; how the work was split does not show in them.

python scripts/merge_samples.py --generation results/base/generation/*.json --protocol finalist --settings '{"n": 4, "greedy": true}' \\
    --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl --out results/base/finalist/samples
"""

import argparse
import json
from pathlib import Path

from mathrl.core.files import UserError, read_json, run_main, write_jsonl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generation", nargs="+", type=Path, required=True, help="JSONs of the shards")
    parser.add_argument("--protocol", required=True, help="name of the evaluation protocol")
    parser.add_argument("--settings", required=True, help="of the protocol, JSON; n and greedy say what must be there")
    parser.add_argument("--benchmark", action="append", required=True, metavar="NAME=FILE", help="canonical JSON lines; repeat")
    parser.add_argument("--out", type=Path, required=True, help="directory for {benchmark}.jsonl.zst")
    args = parser.parse_args()

    from mathrl.evaluation import sampling

    stores = {read_json(path)["stores"][args.protocol] for path in args.generation}
    if len(stores) != 1:
        raise UserError(f"{args.generation[0]}: its shards were sampled under different settings; generate them again")
    benchmarks = {name: Path(path) for name, _, path in (text.partition("=") for text in args.benchmark)}
    merged = sampling.merge(Path(stores.pop()), args.protocol, json.loads(args.settings), benchmarks)
    for name, rows in merged.items():
        write_jsonl(args.out / f"{name}.jsonl.zst", rows)


if __name__ == "__main__":
    run_main(main)
