"""Turn problems into verl's training and validation files, with or without the contaminated rows.

python scripts/format_training_data.py --problems results/data/problems.parquet --matches results/data/matches.parquet --data clean \\
    --remove exact,ngram,fuzzy --validation gsm8k=resources/benchmarks/gsm8k.jsonl --dev-size 512 --instruction '…' \\
    --train train.parquet --val val.parquet --summary data.json
"""

import argparse
from functools import partial
from pathlib import Path

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import UserError, run_main, write_json
from mathrl.data import given_rows, training_files
from mathrl.decontamination.settings import add_thresholds, settings_of_thresholds


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, required=True, help="problems, parquet")
    parser.add_argument("--matches", type=Path, help="matches with benchmarks, parquet; needed for --data clean")
    parser.add_argument(
        "--data", choices=("clean", "raw", "as_given"), default="clean",
        help="without or with the contaminated rows, or the published file as it is (default clean)")  # fmt: skip
    parser.add_argument("--given", type=Path, help="parquet in verl's columns, for --data as_given")
    parser.add_argument(
        "--benchmark", action=NamedFiles, nargs="+", default={}, metavar="NAME=FILE",
        help="benchmarks, for --data as_given: rows that a filter dropped are searched for their items (default: none)")  # fmt: skip
    parser.add_argument(
        "--remove", default="exact,ngram,fuzzy", help="methods whose matches are left out of clean data (default exact,ngram,fuzzy)"
    )
    parser.add_argument("--difficulty", nargs="+", type=int, metavar="BAND", help="difficulty bands to train on (default: all rows)")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="sources to train on (default: all rows)")
    parser.add_argument(
        "--solve-rate", nargs=2, type=float, metavar=("LOW", "HIGH"), help="solve rates to train on, 0-1, both included (default: all rows)"
    )
    parser.add_argument(
        "--solve-rates", type=Path, help="measured solve rates, parquet, instead of the dataset's; rows without one are left out"
    )
    parser.add_argument(
        "--difficulty-bands", nargs="+", default=["quintiles"], metavar="CUT",
        help="bands of --solve-rates: `quintiles` of those between 0 and 1, or falling solve rates (default quintiles)")  # fmt: skip
    parser.add_argument(
        "--augmented", nargs="+", action="extend", type=Path, default=[],
        help="rows that an external model proposed, parquet (default: none)")  # fmt: skip
    parser.add_argument(
        "--repeated", nargs="+", action="extend", type=Path, default=[], help="the same: their source problems once more (default: none)"
    )
    parser.add_argument("--hints", type=Path, help="solutions whose beginnings stand in training prompts, parquet (default: none)")
    parser.add_argument(
        "--hint-share", nargs=2, type=float, metavar=("LOW", "HIGH"), default=(0.5, 0.5), help="share of its steps, 0-1 (default 0.5 0.5)"
    )
    parser.add_argument(
        "--hint-solve-rate", nargs=2, type=float, metavar=("LOW", "HIGH"), help="solve rates of problems with a hint, 0-1 (default: all)"
    )
    parser.add_argument("--validation", required=True, metavar="NAME=FILE", help="benchmark whose rows are validated on")
    parser.add_argument("--dev-size", type=int, default=512, help="rows held out for choosing checkpoints (default 512)")
    parser.add_argument("--instruction", required=True, help="put before each problem, byte for byte")
    parser.add_argument("--separator", default=" ", help="between instruction and problem (default one space)")
    parser.add_argument("--train", type=Path, required=True, help="training rows, parquet")
    parser.add_argument("--val", type=Path, required=True, help="validation rows and dev rows, parquet")
    parser.add_argument("--summary", type=Path, required=True, help="counts and hashes, JSON")
    add_thresholds(parser)
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.decontamination.command import leaked, same_problems

    settings = settings_of_thresholds(args)
    near = partial(same_problems, settings=settings)

    if args.data == "as_given":
        if not args.given:
            raise UserError("--data as_given: needs --given, a parquet in verl's columns")
        if args.hints:
            raise UserError("--data as_given: the prompts stay as they are; write data: {rows: raw, hints: {…}}")
        dirty = training_files.contaminated(args.matches, args.remove) if args.matches else []
        looked_for = partial(leaked, benchmarks=args.benchmark, remove=args.remove, settings=settings)
        write_json(args.summary, given_rows.make(args, dirty, near, looked_for))
    else:
        write_json(args.summary, training_files.make(args, near))


if __name__ == "__main__":
    run_main(main)
