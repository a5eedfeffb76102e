"""Write the model card of a run from its manifests, the configuration and the scores.

python scripts/write_model_card.py --run grpo --stages main --config config.json --out results/grpo/model/README.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.files import UserError, read_json, run_main, write_text


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--stages", nargs="+", default=["main"], help="its stages, in order (default: main)")
    parser.add_argument("--config", required=True, help="the workflow's configuration as JSON, or a JSON file")
    parser.add_argument("--results", default="results", help="folder of results (default: results)")
    parser.add_argument("--out", required=True, help="README.md to write")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.evaluation.scores import load_evals
    from mathrl.report.content import read_config
    from mathrl.report.model_card import model_card
    from mathrl.statistics.comparisons import merged_runs

    config, results = read_config(args.config), Path(args.results)
    if args.run not in config.runs:
        raise UserError(f"--run {args.run}: is no run of the configuration; known: {', '.join(config.runs)}")
    paths = [results / args.run / stage / "manifest.json" for stage in args.stages]
    manifests = [read_json(path) for path in paths if path.is_file()]
    protocols = list(config.evaluation.select)
    evals, _ = load_evals(results, ["base", args.run], protocols, config.benchmarks)
    found = results / "data" / "contamination.json"
    contamination = read_json(found) if found.is_file() else None
    settings = merged_runs(config)[args.run]
    write_text(args.out, model_card(args.run, config, settings, manifests, evals, contamination))


if __name__ == "__main__":
    run_main(main)
