"""Sample responses of one model to all benchmarks under all protocols with one vLLM engine; one shard of the work.

python scripts/generate_samples.py --name base --model resources/models/openseek --protocols '{"finalist": {"n": 4, …}}' \\
    --prompt '{"instruction": "…", "separator": "…"}' --engine '{"batch_size": 512, …}' \\
    --benchmark gsm8k=resources/benchmarks/gsm8k.jsonl --shard 0 --shards 6 --out results/base/generation/0.json
"""

import argparse
import sys
from pathlib import Path

from mathrl.core.arguments import NamedFiles
from mathrl.core.files import log_to, mapping, run_main, write_json
from mathrl.core.provenance import provenance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="name of the model in results")
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face directory")
    parser.add_argument("--protocols", required=True, help="settings by protocol, JSON")
    parser.add_argument("--prompt", required=True, help="instruction and separator, JSON")
    parser.add_argument("--benchmark", action=NamedFiles, nargs="+", required=True, help="canonical JSON lines; repeat")
    parser.add_argument("--shard", type=int, default=0, help="number of this job, from 0 (default 0)")
    parser.add_argument("--shards", type=int, default=1, help="jobs that share the work (default 1)")
    parser.add_argument("--engine", required=True, help="batch_size, dtype, batch_invariant, gpu_memory_utilization, JSON")
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="default cuda")
    parser.add_argument("--store", type=Path, default=Path("checkpoints/samples"), help="kept between calls (default checkpoints/samples)")
    parser.add_argument("--log", type=Path, help="file for the engine's output; progress still goes to stderr (default: none)")
    parser.add_argument("--out", type=Path, required=True, help="JSON: where the samples are, how many were made")
    args = parser.parse_args()

    progress = log_to(args.log) if args.log else sys.stderr

    from mathrl.config.evaluation import Engine, Sampling
    from mathrl.config.messages import parse
    from mathrl.config.sources import Prompt
    from mathrl.evaluation import sampling

    given = mapping(args.protocols, "--protocols")
    protocols = {name: parse(Sampling, settings, f"--protocols: {name}") for name, settings in given.items()}
    result = sampling.generate(
        model_name=args.name,
        model=args.model,
        protocols=protocols,
        benchmarks=args.benchmark,
        prompt=parse(Prompt, mapping(args.prompt, "--prompt"), "--prompt"),
        shard=args.shard,
        shards=args.shards,
        engine=parse(Engine, mapping(args.engine, "--engine"), "--engine"),
        accelerator=args.accelerator,
        root=args.store,
        progress=progress,
    )
    made = {"schema_version": 1, "model": args.name, "provenance": provenance(args.benchmark)}
    write_json(args.out, result | made)


if __name__ == "__main__":
    run_main(main)
