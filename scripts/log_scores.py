"""Write each run's evaluation scores and hyper-parameters as TensorBoard events, to be read beside the training logs.

The scores of a run's exported model stand at its step, those of further checkpoints of it (`run@…` among --models) at theirs.

python scripts/log_scores.py --runs grpo=main --config config.json --out results/tensorboard
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.arguments import NamedLists
from mathrl.core.files import UserError, read_json, run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", action=NamedLists, nargs="*", form="RUN=STAGE,STAGE", help="runs with their stages, in order")
    parser.add_argument("--config", required=True, help="the workflow's configuration as JSON, or a JSON file")
    parser.add_argument("--results", default="results", help="folder of results (default: results)")
    parser.add_argument("--models", nargs="*", default=[], help="evaluated models, for checkpoints along training (default: none)")
    parser.add_argument("--out", required=True, help="folder for {run}/events…, each replaced as a whole")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.evaluation.scores import load_evals
    from mathrl.report.content import read_config
    from mathrl.report.tensorboard_scores import score_scalars, write_run
    from mathrl.statistics.comparisons import merged_runs

    config, results = read_config(args.config), Path(args.results)
    protocols = list(config["evaluation"].get("select") or config["evaluation"]["protocols"])
    benchmarks = config["benchmarks"]
    evals, _ = load_evals(results, ["base", *args.runs, *args.models], protocols, benchmarks)
    write_run(Path(args.out) / "base", {}, {0: score_scalars(evals, "base", protocols, benchmarks)})
    for run, stages in args.runs.items():
        if run not in config["runs"]:
            raise UserError(f"--runs {run}: is no run of the configuration; known: {', '.join(config['runs'])}")
        manifests = [read_json(results / run / stage / "manifest.json") for stage in stages]
        before = sum(m["steps"] for m in manifests[:-1])
        points = [model for model in args.models if model.startswith(f"{run}@")]
        steps = {before + read_json(results / model / "model" / "export.json")["step"]: model for model in points}
        steps[before + manifests[-1]["chosen_step"]] = run
        scores = {step: score_scalars(evals, model, protocols, benchmarks) for step, model in steps.items()}
        write_run(Path(args.out) / run, merged_runs(config)[run], scores)


if __name__ == "__main__":
    run_main(main)
