"""Measure a few steps of a stage and say what the whole will cost: steps, hours, GPU-hours, disk. Trains nothing that is kept.

python scripts/forecast_training.py --run grpo --config '{"gpus": 6, …}' --model resources/models/openseek \\
    --train results/grpo/main/train.parquet --validation results/grpo/main/val.parquet --out results/grpo/main/forecast.json
"""

import argparse
import sys
import tempfile
from pathlib import Path

from mathrl.core.files import run_main, write_json
from mathrl.training import arguments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_to(parser)
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    args = parser.parse_args()

    from mathrl.core.provenance import provenance
    from mathrl.training import forecast

    checkpoints = Path("checkpoints")  # one of them must fit
    checkpoints.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="forecast-", dir=checkpoints) as place:
        plan = arguments.plan(args, root=Path(place))
        found = forecast.measure(plan)
    inputs = {"train": args.train, "validation": args.validation}
    said = {"schema_version": 1, "run": args.run, "stage": args.stage, **found, "config": plan.stage.model_dump()}
    write_json(args.out, said | {"provenance": provenance(inputs, config=plan.stage.model_dump())})
    name = f"forecast {args.run}" + ("" if args.stage == "main" else f"/{args.stage}")
    print(forecast.describe(name, found), file=sys.stderr)


if __name__ == "__main__":
    run_main(main)
