"""Check a machine in one command: real verl steps and a real vLLM engine on a small model made on the spot; says OK or what is wrong.

python scripts/check_gpu.py                      # an NVIDIA GPU, three to six minutes
python scripts/check_gpu.py --accelerator cpu    # the same check on a CPU
python scripts/check_gpu.py --openseek-sizes --set max_response_length=512 train_batch_size=44 mini_batch_size=12
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from mathrl.config.experiment import Configuration
from mathrl.config.messages import parse
from mathrl.config.reading import read_yaml
from mathrl.config.stage import Stage
from mathrl.core.arguments import NamedSettings
from mathrl.core.code_files import ROOT
from mathrl.core.files import UserError, read_json, run_main, write_json
from mathrl.core.provenance import provenance
from mathrl.execution import preflight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="default cuda")
    parser.add_argument("--steps", type=int, default=4, help="optimizer steps of GRPO (default 4)")
    parser.add_argument("--model", type=Path, help="Hugging Face directory to check with (default: the demo's model, made on the spot)")
    parser.add_argument(
        "--config", type=Path, default=ROOT / "config.yaml", help="whose training and prompt settings are used (default ours)"
    )
    parser.add_argument(
        "--openseek-sizes", action="store_true", help="random weights in OpenSeek's sizes (2.8 GB) instead: what steps cost"
    )
    parser.add_argument("--set", action=NamedSettings, nargs="+", help="training settings other than the check's own")
    parser.add_argument(
        "--work", type=Path, help="folder for everything that is made, kept (default: a temporary one, kept on failure only)"
    )
    parser.add_argument("--out", type=Path, help="JSON with the figures (default: none)")
    args = parser.parse_args()
    if args.steps < 1:
        raise UserError(f"--steps {args.steps}: must be 1 or more")

    from mathrl.checks import gpu

    preflight.enter(Path(sys.prefix))  # this Python's environment, as in a rule
    gpu.check_host(args.accelerator)
    if args.model and not isinstance(read_json(args.model / "config.json"), dict):
        raise UserError(f"{args.model}: is no Hugging Face model")
    config = parse(Configuration, read_yaml(args.config), "config")
    for key, value in args.set.items():
        if key not in Stage.model_fields:
            raise UserError(f"--set {key}={value}: must be KEY=VALUE with a key of `training` in {args.config}")
    folder = args.work or Path(tempfile.mkdtemp(prefix="gpu-check-"))
    folder.mkdir(parents=True, exist_ok=True)
    figures = gpu.run(
        folder=folder.resolve(),
        training=parse(Stage, config.training.model_dump() | gpu.SETTINGS | args.set, "--set"),
        prompt=config.prompt,
        accelerator=args.accelerator,
        steps=args.steps,
        model=args.model.resolve() if args.model else None,
        openseek_sizes=args.openseek_sizes,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(gpu.verdict(figures))
    if args.out:
        write_json(args.out, {"schema_version": 1, **figures, "provenance": provenance(config=gpu.SETTINGS | args.set)})
    if not args.work:
        shutil.rmtree(folder)


if __name__ == "__main__":
    run_main(main)
