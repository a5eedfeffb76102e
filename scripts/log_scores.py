"""Write each run's evaluation scores and hyper-parameters as TensorBoard events, to be read beside the training logs.

The scores of a run's exported model stand at its step, those of further checkpoints of it (`run@…` among --models) at theirs.

python scripts/log_scores.py --runs grpo=main --config config.json --out results/tensorboard
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.arguments import NamedLists
from mathrl.core.files import run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", action=NamedLists, nargs="*", form="RUN=STAGE,STAGE", help="runs with their stages, in order")
    parser.add_argument("--config", required=True, help="the workflow's configuration as JSON, or a JSON file")
    parser.add_argument("--results", default="results", help="folder of results (default: results)")
    parser.add_argument("--models", nargs="*", default=[], help="evaluated models, for checkpoints along training (default: none)")
    parser.add_argument("--out", required=True, help="folder for {run}/events…, each replaced as a whole")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.report.content import read_config
    from mathrl.report.tensorboard_scores import write_all

    write_all(read_config(args.config), args.runs, args.models, Path(args.results), Path(args.out))


if __name__ == "__main__":
    run_main(main)
