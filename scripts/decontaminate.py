"""Find training problems that are benchmark problems, and write the table of matches, the summary, and the problems without them.

python scripts/decontaminate.py --problems results/data/problems.parquet --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl \\
    --methods exact,ngram,fuzzy --clean clean.parquet --matches matches.parquet --summary contamination.json
"""

import argparse
from pathlib import Path

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import run_main
from mathrl.decontamination.settings import Settings


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
    rules.add_argument("--ngram-size", type=int, default=8, help="words (default 8)")
    rules.add_argument("--ngram-coverage", type=float, default=0.5, help="share of an item's informative n-grams in one row (default 0.5)")
    rules.add_argument("--fuzzy-similarity", type=float, default=0.85, help="token similarity, 0–1 (default 0.85)")
    rules.add_argument("--semantic-similarity", type=float, default=0.85, help="cosine, 0–1 (default 0.85)")
    rules.add_argument("--reworded-similarity", type=float, default=0.6, help="cosine of a rewording, 0–1 (default 0.6)")
    for name, kind, text in (
        ("semantic-words", float, "token similarity that confirms a semantic match"),
        ("reworded-numbers", int, "numbers of an item; with fewer, a rewording needs the semantic similarity"),
        ("boilerplate-rows", int, "an n-gram in more rows that are no copies is boilerplate"),
        ("boilerplate-items", int, "and so is one that more items have"),
        ("whole", float, "share of all n-grams that is a match even where most are boilerplate"),
        ("replaced", float, "share of an item's content that a row may have replaced"),
    ):
        default = getattr(Settings, name.replace("-", "_"))
        rules.add_argument(f"--{name}", type=kind, default=default, help=f"{text} (default {default})")
    rules.add_argument("--embedding-model", type=Path, help="directory of a sentence-transformers model, for semantic and reworded")
    rules.add_argument("--embedding-cache", type=Path, help="folder that keeps embeddings by the hash of their text (default: none)")
    rules.add_argument("--workers", type=int, default=2, help="threads (default 2); the output does not depend on it")
    args = parser.parse_args()

    from mathrl.decontamination import command

    command.run(args)


if __name__ == "__main__":
    run_main(main)
