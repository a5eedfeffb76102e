"""Make the demo's training problems (Big-Math's columns), its three benchmarks and a list of the leaks planted in them.

python scripts/make_demo_problems.py --problems 4000 --items 100 --leaks 12 --seed 1 --out resources/demo
"""

import argparse
from pathlib import Path

from mathrl.core.files import atomic_path, run_main, write_json, write_jsonl
from mathrl.demo.world import make_world


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=4000, help="training rows before leaks are planted (default 4000)")
    parser.add_argument("--items", type=int, default=100, help="items per benchmark (default 100)")
    parser.add_argument("--leaks", type=int, default=12, help="planted leaks per kind (default 12)")
    parser.add_argument("--seed", type=int, default=1, help="of every choice (default 1)")
    parser.add_argument("--out", type=Path, required=True, help="directory: problems.parquet, {benchmark}.jsonl, leaks.json")
    args = parser.parse_args()

    import polars as pl

    world = make_world(args.seed, args.problems, args.items, args.leaks)
    with atomic_path(args.out / "problems.parquet") as path:
        pl.DataFrame(world["problems"]).write_parquet(path)
    for name, items in world["benchmarks"].items():
        write_jsonl(args.out / f"{name}.jsonl", items)
    write_json(args.out / "leaks.json", {"schema_version": 1, "leaks": world["leaks"]})


if __name__ == "__main__":
    run_main(main)
