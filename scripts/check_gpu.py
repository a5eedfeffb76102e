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

from mathrl.core.files import UserError, read_json, run_main, write_json
from mathrl.core.provenance import provenance

ROOT = Path(__file__).resolve().parents[1]


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
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="training settings other than the check's own")
    parser.add_argument(
        "--work", type=Path, help="folder for everything that is made, kept (default: a temporary one, kept on failure only)"
    )
    parser.add_argument("--out", type=Path, help="JSON with the figures (default: none)")
    args = parser.parse_args()
    if args.steps < 1:
        raise UserError(f"--steps {args.steps}: must be 1 or more")

    import yaml
    from mathrl.checks import gpu

    gpu.check_host(args.accelerator)
    if args.model and not isinstance(read_json(args.model / "config.json"), dict):
        raise UserError(f"{args.model}: is no Hugging Face model")
    config = yaml.safe_load(args.config.read_text())
    changes = {}
    for change in args.set:
        key, equals, value = change.partition("=")
        if not equals or key not in config["training"]:
            raise UserError(f"--set {change}: must be KEY=VALUE with a key of `training` in {args.config}")
        changes[key] = yaml.safe_load(value)
    folder = args.work or Path(tempfile.mkdtemp(prefix="gpu-check-"))
    folder.mkdir(parents=True, exist_ok=True)
    figures = gpu.run(
        folder=folder.resolve(),
        training=config["training"] | gpu.SETTINGS | changes,
        prompt=config["prompt"],
        accelerator=args.accelerator,
        steps=args.steps,
        model=args.model.resolve() if args.model else None,
        openseek_sizes=args.openseek_sizes,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(gpu.verdict(figures))
    if args.out:
        write_json(args.out, {"schema_version": 1, **figures, "provenance": provenance(config=gpu.SETTINGS | changes)})
    if not args.work:
        shutil.rmtree(folder)


if __name__ == "__main__":
    run_main(main)
