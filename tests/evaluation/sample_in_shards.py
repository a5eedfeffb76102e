"""Sample a benchmark in one process, part after part, and merge: what the workflow does in a job a part.

MODEL is made where it is missing: the demo's shape with random weights.

python tests/evaluation/sample_in_shards.py MODEL BENCHMARK STORE SHARDS DTYPE OUT
"""

import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from mathrl.config.evaluation import Engine, Sampling
from mathrl.config.sources import Prompt
from mathrl.core.files import write_json
from mathrl.evaluation import sampling

PROTOCOL = Sampling(prompt="training", temperature=1.0, top_p=0.95, n=4, greedy=True, max_tokens=24, seed=0)


def make_model(path: Path) -> None:
    """Random weights, so large that a token's probability depends on what stands before it, and is neither flat nor certain."""
    import torch
    from mathrl.demo import model, world

    torch.manual_seed(0)
    rng = random.Random(0)
    tokenizer = model.train_tokenizer([world.draw(rng, kind).text for kind in ("symbols", "words") for _ in range(300)])
    model = model.new_model(len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.mul_(2 if "embed" in name else 4)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)


def main() -> None:
    model, benchmark, store, shards, dtype, out = sys.argv[1:]
    if not Path(model).exists():
        make_model(Path(model))
    benchmarks, protocols = {"toy": Path(benchmark)}, {"p": PROTOCOL}
    made = 0
    for shard in range(int(shards)):
        result = sampling.generate(
            model_name="toy",
            model=Path(model),
            protocols=protocols,
            benchmarks=benchmarks,
            prompt=Prompt(instruction="Solve. ", separator=""),
            shard=shard,
            shards=int(shards),
            engine=Engine(dtype=dtype, batch_size=8),
            accelerator="cpu",
            root=Path(store),
            progress=sys.stderr,
        )
        made += result["made"]
    merged = sampling.merge(Path(result["stores"]["p"]), "p", PROTOCOL, benchmarks)
    write_json(out, {"made": made, "samples": merged["toy"]})
    print(json.dumps({"made": made}))


if __name__ == "__main__":
    main()
