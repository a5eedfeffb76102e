"""Time the semantic search beside sentence-transformers with its defaults, on the same rows and the same processor.

python scripts/time_embeddings.py --problems results/data/problems.parquet --embedding-model resources/models/minilm \\
    --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl
"""

import argparse
from pathlib import Path

from mathrl.checks import speed
from mathrl.core.arguments import NamedFiles
from mathrl.core.files import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, required=True, help="parquet with id and problem")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat")
    parser.add_argument("--embedding-model", type=Path, required=True, help="directory of a sentence-transformers model")
    parser.add_argument("--rows", type=int, default=3000, help="rows to embed (default 3000)")
    parser.add_argument("--threads", type=int, default=2, help="of both (default 2)")
    parser.add_argument("--near", action="store_true", help="rows that all lie near an item: the items with other numbers")
    args = parser.parse_args()

    seconds, rows, pairs = speed.time_embeddings(args.problems, args.benchmark, args.embedding_model, args.rows, args.threads, args.near)
    for name, taken in seconds.items():
        print(f"{name:22} {taken:7.1f} s   {rows / taken:7.1f} rows/s")
    print(f"ratio: {seconds['sentence-transformers'] / seconds['ours']:.2f} ({rows} rows, {pairs} pairs)")


if __name__ == "__main__":
    run_main(main)
