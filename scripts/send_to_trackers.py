"""Send evaluation scores, hyper-parameters and the study report to trackers: what results/tensorboard has, and results/report.html.

Keys come from the environment alone; without one, a tracker writes below --place and sends nothing.

python scripts/send_to_trackers.py --trackers mlflow --runs grpo --config config.json --place results/trackers --out results/trackers.json
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mathrl.core.files import run_main, write_json
from mathrl.core.provenance import provenance

SCALARS = Path("results/tensorboard")  # of scripts/log_scores.py


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trackers", nargs="+", required=True, choices=["wandb", "swanlab", "mlflow", "trackio"], help="where to")
    parser.add_argument("--runs", nargs="*", default=[], help="runs, beside the base model (default: none)")
    parser.add_argument("--config", required=True, help="the workflow's configuration as JSON, or a JSON file")
    parser.add_argument("--report", help="the study report, an HTML file (default: none)")
    parser.add_argument("--place", required=True, help="folder of the trackers' local stores")
    parser.add_argument("--out", required=True, help="JSON file that says what was sent where")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.core.tensorboard import by_step, read_scalars
    from mathrl.execution import trackers
    from mathrl.report.content import read_config
    from mathrl.report.trackers import send
    from mathrl.statistics.comparisons import merged_runs

    place = Path(args.place)
    place.mkdir(parents=True, exist_ok=True)
    os.environ |= trackers.environment(args.trackers, place, os.environ)  # before any of them is imported
    settings = merged_runs(read_config(args.config))
    report = Path(args.report).resolve() if args.report else None
    sent = {}
    for run in ["base", *args.runs]:
        scalars = dict(by_step(read_scalars(SCALARS / run)))
        for tracker in args.trackers:
            send(tracker, f"{run}-evaluation", settings.get(run, {}), scalars, report)
        sent[run] = sum(map(len, scalars.values()))
    write_json(Path(args.out), {"schema_version": 1, "trackers": args.trackers, "scalars": sent, "provenance": provenance()})


if __name__ == "__main__":
    run_main(main)
