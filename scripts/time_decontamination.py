"""Time our decontamination beside the usual way: `datasets.map` over Python sets, any shared 8-gram, once per benchmark.

python scripts/time_decontamination.py --problems results/data/problems.parquet --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import read_json, run_main
from mathrl.data.benchmarks import read_benchmark


def words_of(text: str, size: int) -> set[str]:
    """All runs of `size` words of a text in lower case, as the usual way makes them."""
    words = text.lower().split()
    return {" ".join(words[place : place + size]) for place in range(len(words) - size + 1)}


def usual_way(problems: Path, benchmarks: dict[str, Path], size: int, workers: int) -> int:
    """Rows that share any n-gram with any item."""
    import datasets

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        rows = datasets.Dataset.from_parquet(str(problems), cache_dir=cache).select_columns(["id", "problem"])
        for name, path in benchmarks.items():
            lookup: set[str] = set().union(*(words_of(item["problem"], size) for item in read_benchmark(path).values()))
            mark = lambda row, lookup=lookup, name=name: {name: bool(words_of(row["problem"], size) & lookup)}  # noqa: E731
            rows = rows.map(mark, num_proc=workers, load_from_cache_file=False)
        return sum(any(flags) for flags in zip(*(rows[name] for name in benchmarks), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, required=True, help="parquet with id and problem")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat")
    parser.add_argument("--workers", type=int, default=2, help="processes of the usual way and threads of ours (default 2)")
    args = parser.parse_args()

    options = ["--benchmark", *(f"{name}={path}" for name, path in args.benchmark.items())]
    seconds, removed = {}, {}
    with tempfile.TemporaryDirectory() as out:
        for methods in ("exact,ngram", "exact,ngram,fuzzy"):
            begun = time.perf_counter()
            command = [
                sys.executable, Path(__file__).with_name("decontaminate.py"), "--problems", args.problems, *options,
                "--methods", methods, "--clean", f"{out}/c.parquet",
                "--workers", str(args.workers), "--matches", f"{out}/m.parquet", "--summary", f"{out}/s.json",
            ]  # fmt: skip
            subprocess.run(command, check=True)
            seconds[methods], removed[methods] = time.perf_counter() - begun, read_json(f"{out}/s.json")["rows_removed"]
    begun = time.perf_counter()
    removed["any 8-gram, datasets.map"] = usual_way(args.problems, args.benchmark, 8, args.workers)
    seconds["any 8-gram, datasets.map"] = time.perf_counter() - begun
    for name, time_taken in seconds.items():
        print(f"{name:26} {time_taken:7.1f} s   {removed[name]:7d} rows removed")
    print(f"ratio: {seconds['any 8-gram, datasets.map'] / seconds['exact,ngram']:.1f} (exact and n-gram, start of the process included)")


if __name__ == "__main__":
    run_main(main)
