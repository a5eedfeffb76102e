"""Export a checkpoint as a Hugging Face directory that vLLM and transformers load: a stage's chosen one, another of its
checkpoints, or any checkpoint of verl.

    python scripts/export_model.py --manifest results/grpo/main/manifest.json --out results/grpo/model
    python scripts/export_model.py --manifest results/grpo/main/manifest.json --choice step-400 --out results/grpo@step-400/model
    python scripts/export_model.py --checkpoint elsewhere/global_step_100 --out results/theirs/model
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from mathrl.core.files import UserError, read_json, run_main, write_json
from mathrl.core.provenance import model_sha256, provenance
from mathrl.models.prepare import add_head
from mathrl.verl.environment import verl_environment


def merge(actor: Path, target: Path, accelerator: str) -> None:
    """Merge the shards of a checkpoint into `target`, by verl's own merger."""
    command = [sys.executable, "-m", "verl.model_merger", "merge", "--backend", "fsdp", "--local_dir", str(actor)]
    command += ["--target_dir", str(target), "--use_cpu_initialization"]
    done = subprocess.run(command, env={**os.environ, **verl_environment(accelerator)}, stdout=sys.stderr)
    if done.returncode:
        raise UserError(f"{actor}: verl's merger ended with exit code {done.returncode}; its output is above")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--manifest", type=Path, help="of the stage; names checkpoints and the chosen step")
    source.add_argument("--checkpoint", type=Path, help="a directory global_step_N of verl")
    parser.add_argument("--choice", default="chosen", help="with --manifest: chosen, best, last or step-N (default chosen)")
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="default cuda")
    parser.add_argument("--out", type=Path, required=True, help="model directory, replaced as a whole; export.json says what it is")
    args = parser.parse_args()

    temporary = args.out.with_name(f".{args.out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    if args.manifest:
        from mathrl.training.checkpoint_choice import pick

        manifest = read_json(args.manifest)
        step, why = pick(manifest, args.choice)
        said = {"run": manifest["run"], "stage": manifest["stage"], "step": step, "why": why}
        actor = Path(manifest["checkpoints"]) / f"global_step_{step}" / "actor"
        inputs = {"manifest": args.manifest}
        if step == 0:
            shutil.copytree(manifest["start_model"], temporary, ignore=shutil.ignore_patterns("export.json", "README.md"))
    else:
        actor = args.checkpoint / "actor"
        said = {"checkpoint": str(args.checkpoint), "step": int(args.checkpoint.name.removeprefix("global_step_") or 0)}
        inputs = {}
    if not temporary.exists():
        if (actor.parent / "huggingface").is_dir():
            actor = actor.parent  # a supervised stage's checkpoint has no actor below it
        if not actor.is_dir():
            raise UserError(f"{actor}: no such checkpoint; it was removed after training, or was never there")
        merge(actor, temporary, args.accelerator)
        add_head(temporary)
    write_json(
        temporary / "export.json",
        {"schema_version": 1, "model_sha256": model_sha256(temporary), "provenance": provenance(inputs)} | said,
    )
    shutil.rmtree(args.out, ignore_errors=True)
    temporary.rename(args.out)


if __name__ == "__main__":
    run_main(main)
