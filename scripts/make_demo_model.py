"""Train the demo's base model from scratch: a Llama of half a million parameters, its tokenizer and a ChatML template.

It stands in for the OpenSeek checkpoint. First bare problems with worked steps, then chat turns, of which only some work out
the steps and only some box the answer.

python scripts/make_demo_model.py --instruction 'Reason step by step. ' --seed 1 --out resources/demo/base
"""

import argparse
from pathlib import Path

from mathrl.core.files import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instruction", required=True, help="what stands before each problem, separator included")
    parser.add_argument("--seed", type=int, default=1, help="of the weights and the text (default 1)")
    parser.add_argument("--items", type=int, default=100, help="items per benchmark; none of them is trained on (default 100)")
    parser.add_argument("--pretraining-steps", type=int, default=500, help="batches of bare worked problems (default 500)")
    parser.add_argument("--supervised-steps", type=int, default=250, help="batches of chat turns (default 250)")
    parser.add_argument("--worked", type=float, default=0.3, help="share of responses with worked steps, 0–1 (default 0.3)")
    parser.add_argument("--boxed", type=float, default=0.3, help="share of responses with a boxed answer, 0–1 (default 0.3)")
    parser.add_argument("--habits", type=float, default=0.0, help="share of responses with a planted habit, 0–1 (default 0)")
    parser.add_argument("--out", type=Path, required=True, help="Hugging Face model directory to write")
    args = parser.parse_args()

    from mathrl.demo import model

    model.make(**vars(args))


if __name__ == "__main__":
    run_main(main)
