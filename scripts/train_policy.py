"""Train one stage of a run with verl and write its manifest. Goes on from the last complete checkpoint; a finished stage trains nothing.

python scripts/train_policy.py --run grpo --stage main --config '{"gpus": 6, …}' --model resources/models/openseek \\
    --train results/grpo/main/train.parquet --validation results/grpo/main/val.parquet --manifest results/grpo/main/manifest.json
"""

import argparse
from pathlib import Path

from mathrl.core.files import run_main
from mathrl.training import arguments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_to(parser)
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="kept between calls (default checkpoints)")
    parser.add_argument("--manifest", type=Path, required=True, help="JSON to write")
    args = parser.parse_args()

    from mathrl.training import stage
    from mathrl.training.plan import STORE

    plan = arguments.plan(args, root=args.checkpoints / args.run / args.stage, store=args.checkpoints / STORE.name)
    stage.train(plan, args.manifest)


if __name__ == "__main__":
    run_main(main)
