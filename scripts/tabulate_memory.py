"""Expected memory per GPU of a training stage, on GPUs of several sizes: fits, or which keys to change.

python scripts/tabulate_memory.py --config config.yaml --run grpo --model-config resources/models/openseek/config.json
"""

import argparse
from pathlib import Path

from mathrl.core.files import UserError, read_json, run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="of the workflow (default config.yaml)")
    parser.add_argument("--run", default="grpo", help="named run (default grpo)")
    parser.add_argument("--stage", help="of the run (default: its first)")
    parser.add_argument("--model-config", type=Path, help="the model's config.json (default: OpenSeek-Small's sizes)")
    parser.add_argument("--gpus", default="24,40,80", help="sizes of a GPU, GiB (default 24,40,80)")
    args = parser.parse_args()

    from mathrl.config import experiment, reading, runs, served
    from mathrl.models.shape import OPENSEEK
    from mathrl.training import memory

    config = experiment.spelled_out(reading.read_yaml(args.config))
    if args.run not in config.runs:
        raise UserError(f"--run {args.run}: no such run in {args.config} (it has: {', '.join(sorted(config.runs))})")
    names = runs.stages(config, args.run)
    if args.stage not in (None, *names):
        raise UserError(f"--stage {args.stage}: run {args.run} has no such stage (it has: {', '.join(names)})")
    try:
        gpus = [float(size) for size in args.gpus.split(",")]
        model = memory.read_model(read_json(args.model_config) if args.model_config else OPENSEEK)
    except KeyError as error:
        raise UserError(f"{args.model_config}: lacks {error}; is it the config.json of a DeepSeek-V3 or Llama model?") from None
    except ValueError:
        raise UserError(f"--gpus {args.gpus}: must be sizes in GiB, such as 24,40,80") from None
    stage = config.stage(args.run, args.stage or names[0])
    print((memory.__doc__ or "").strip(), end="\n\n")
    print(f"{model.parameters / 1e9:.3f} billion parameters, {2 * model.cache} bytes of KV cache a token in bfloat16")
    print(f"run {args.run}, GiB on each of {stage.all_gpus} GPUs:\n")
    found = served.of_stage(stage, config.verifiers)
    print(memory.table(model, stage, gpus, memory.Held(found.on_training_gpu, found.share)))
    for name in found.names:
        where = "of a GPU of its own" if found.gpus else "of a GPU that trains too"
        print(f"\nverifier {name}: {found.share:.2g} {where} (reward.process.gpu_memory)")


if __name__ == "__main__":
    run_main(main)
