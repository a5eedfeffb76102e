"""Merge the shards of one model and protocol into one samples file per benchmark; how the work was split does not show in them.

python scripts/merge_samples.py --generation results/base/generation/*.json --protocol finalist --settings '{"n": 4, …}' \\
    --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl --out results/base/finalist/samples
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import Help, NamedFiles
from mathrl.core.files import mapping, run_main, write_jsonl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--generation", nargs="+", type=Path, required=True, help="JSONs of the shards")
    parser.add_argument("--protocol", required=True, help="name of the evaluation protocol")
    parser.add_argument("--settings", required=True, help="how the protocol samples, JSON; n and greedy say what must be there")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat")
    parser.add_argument("--out", type=Path, required=True, help="directory for {benchmark}.jsonl.zst")
    args = parser.parse_args()

    from mathrl.config.evaluation import Sampling
    from mathrl.config.messages import parse
    from mathrl.evaluation import sampling

    settings = parse(Sampling, mapping(args.settings, "--settings"), "--settings")
    store = sampling.store_of(args.generation, args.protocol)
    merged = sampling.merge(store, args.protocol, settings, args.benchmark)
    for name, rows in merged.items():
        write_jsonl(args.out / f"{name}.jsonl.zst", rows)


if __name__ == "__main__":
    run_main(main)
