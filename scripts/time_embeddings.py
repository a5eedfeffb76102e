"""Time the semantic search beside sentence-transformers with its defaults, on the same rows and the same processor.

python scripts/time_embeddings.py --problems results/data/problems.parquet --embedding-model resources/models/minilm \\
    --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl

Both sides get the items' vectors for nothing. Ours is counted whole: loading the model, embedding, comparison, and the second
look in float64. Rows are taken from all over the table.
"""

import argparse
import tempfile
import time
from pathlib import Path

import polars as pl
from mathrl.core.arguments import NamedFiles
from mathrl.core.files import run_main
from mathrl.data.benchmarks import read_benchmark
from mathrl.decontamination import Settings, find_matches
from mathrl.decontamination.embedding import Embedder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, required=True, help="parquet with id and problem")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat")
    parser.add_argument("--embedding-model", type=Path, required=True, help="directory of a sentence-transformers model")
    parser.add_argument("--rows", type=int, default=3000, help="rows to embed (default 3000)")
    parser.add_argument("--threads", type=int, default=2, help="of both (default 2)")
    args = parser.parse_args()

    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(args.threads)
    table = pl.read_parquet(args.problems, columns=["id", "problem"])
    rows = table.gather_every(max(len(table) // args.rows, 1)).head(args.rows)
    benchmarks = {name: list(read_benchmark(path).values()) for name, path in args.benchmark.items()}
    usual = SentenceTransformer(str(args.embedding_model), device="cpu")
    usual.encode(["warm up"])
    begun = time.perf_counter()
    usual.encode(rows["problem"].to_list())
    seconds = {"sentence-transformers": time.perf_counter() - begun}
    with tempfile.TemporaryDirectory() as cache:
        embedder = Embedder(args.embedding_model, Path(cache))
        for _ in embedder.embed([item["problem"] for items in benchmarks.values() for item in items]):
            pass
        settings = Settings(methods=("semantic",), embedding_model=args.embedding_model, embedding_cache=Path(cache), workers=args.threads)
        begun = time.perf_counter()
        matches = find_matches(rows, benchmarks, settings)
        seconds["ours"] = time.perf_counter() - begun
    for name, taken in seconds.items():
        print(f"{name:22} {taken:7.1f} s   {len(rows) / taken:7.1f} rows/s")
    print(f"ratio: {seconds['sentence-transformers'] / seconds['ours']:.2f} ({len(rows)} rows, {len(matches)} pairs)")


if __name__ == "__main__":
    run_main(main)
