"""Find training problems that are benchmark problems, and write the table of matches, the summary, and the problems without them.

python scripts/decontaminate.py --problems results/data/problems.parquet --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl \\
    --methods exact,ngram,fuzzy --clean clean.parquet --matches matches.parquet --summary contamination.json
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import run_main
from mathrl.decontamination.settings import add_thresholds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    files = parser.add_argument_group("files")
    files.add_argument("--problems", type=Path, required=True, help="parquet with the columns id and problem")
    files.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat for each benchmark")
    files.add_argument("--clean", type=Path, help="parquet: the problems without the removed ones")
    files.add_argument("--matches", type=Path, required=True, help="parquet: one row per problem, item and method")
    files.add_argument("--summary", type=Path, required=True, help="JSON: rows and items per benchmark and method")
    files.add_argument("--csv", type=Path, help="the summary's table as CSV")
    rules = parser.add_argument_group("what is a match")
    rules.add_argument(
        "--methods",
        default="exact,ngram,fuzzy",
        help="exact, ngram, fuzzy, semantic, reworded or module:Class (default exact,ngram,fuzzy)",
    )
    rules.add_argument(
        "--remove",
        default=None,
        help="methods that remove; `similar` adds semantic matches whose numbers differ (default: all of --methods but reworded)",
    )
    rules.add_argument("--embedding-model", type=Path, help="directory of a sentence-transformers model, for semantic and reworded")
    rules.add_argument("--embedding-cache", type=Path, help="folder that keeps embeddings by the hash of their text (default: none)")
    rules.add_argument("--workers", type=int, default=2, help="threads (default 2); the output does not depend on it")
    add_thresholds(parser)
    args = parser.parse_args()

    from mathrl.decontamination import command

    command.run(args)


if __name__ == "__main__":
    run_main(main)
