"""Export a checkpoint as a Hugging Face directory that vLLM and transformers load: a stage's chosen one, another of its
checkpoints, or any checkpoint of verl.

    python scripts/export_model.py --manifest results/grpo/main/manifest.json --out results/grpo/model
    python scripts/export_model.py --manifest results/grpo/main/manifest.json --choice step-400 --out results/grpo@step-400/model
    python scripts/export_model.py --checkpoint elsewhere/global_step_100 --out results/theirs/model
"""

import argparse
from pathlib import Path

from mathrl.core.files import read_json, run_main
from mathrl.models import export
from mathrl.training import checkpoints
from mathrl.training.checkpoint_choice import pick
from mathrl.verl.environment import verl_environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--manifest", type=Path, help="of the stage; names checkpoints and the chosen step")
    source.add_argument("--checkpoint", type=Path, help="a directory global_step_N of verl")
    parser.add_argument("--choice", default="chosen", help="with --manifest: chosen, best, last or step-N (default chosen)")
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="default cuda")
    parser.add_argument("--out", type=Path, required=True, help="model directory, replaced as a whole; export.json says what it is")
    args = parser.parse_args()

    environment = verl_environment(args.accelerator)
    if args.checkpoint:
        checkpoints.check(args.checkpoint)
        said = {"checkpoint": str(args.checkpoint), "step": int(args.checkpoint.name.removeprefix("global_step_") or 0)}
        export.export_checkpoint(args.checkpoint, args.out, environment, said, {})
        return
    manifest = read_json(args.manifest)
    step, why = pick(manifest, args.choice)
    said = {"run": manifest["run"], "stage": manifest["stage"], "step": step, "why": why}
    inputs = {"manifest": args.manifest}
    if step:
        checkpoint = Path(manifest["checkpoints"]) / f"global_step_{step}"
        checkpoints.check(checkpoint)
        export.export_checkpoint(checkpoint, args.out, environment, said, inputs)
    else:
        export.export_model(Path(manifest["start_model"]), args.out, said, inputs)


if __name__ == "__main__":
    run_main(main)
