"""Export a stage's chosen checkpoint as a Hugging Face directory that vLLM and transformers load.

python scripts/export_model.py --manifest results/grpo/main/manifest.json --out results/grpo/model
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from mathrl.io import UserError, read_json, run_main, sha256_tree, write_json
from mathrl.provenance import provenance
from mathrl.verl_config import environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True, help="of the stage; names checkpoints and the chosen step")
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="default cuda")
    parser.add_argument("--out", type=Path, required=True, help="model directory, replaced as a whole; export.json says what it is")
    args = parser.parse_args()

    manifest = read_json(args.manifest)
    temporary = args.out.with_name(f".{args.out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    if manifest["chosen_step"] == 0:
        shutil.copytree(manifest["start_model"], temporary)
    else:
        actor = Path(manifest["checkpoints"]) / f"global_step_{manifest['chosen_step']}" / "actor"
        if not actor.is_dir():
            raise UserError(f"{actor}: the checkpoint that {args.manifest} chose is gone; train again: delete {args.manifest}")
        command = [sys.executable, "-m", "verl.model_merger", "merge", "--backend", "fsdp", "--local_dir", str(actor)]
        command += ["--target_dir", str(temporary), "--use_cpu_initialization"]
        done = subprocess.run(command, env={**os.environ, **environment(args.accelerator)}, stdout=sys.stderr)
        if done.returncode:
            raise UserError(f"{actor}: verl's merger ended with exit code {done.returncode}; its output is above")
    export = {
        "schema_version": 1,
        "run": manifest["run"],
        "stage": manifest["stage"],
        "step": manifest["chosen_step"],
        "why": manifest["chosen_why"],
        "model_sha256": sha256_tree(temporary),
        "provenance": provenance({"manifest": args.manifest}),
    }
    write_json(temporary / "export.json", export)
    shutil.rmtree(args.out, ignore_errors=True)
    temporary.rename(args.out)


if __name__ == "__main__":
    run_main(main)
