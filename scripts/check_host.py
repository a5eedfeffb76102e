#!/usr/bin/env python3
"""Check by hand what the workflow checks before its first job: images, GPUs, write access.

python scripts/check_host.py --config config.yaml

Exit code 2 and one line if something would fail.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.config.experiment import Configuration
from mathrl.config.messages import parse
from mathrl.config.reading import read_yaml
from mathrl.core.files import run_main
from mathrl.execution import preflight


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--config",
        nargs="+",
        default=["config.yaml"],
        metavar="FILE",
        help="config files, later ones win (default config.yaml)",
    )
    parser.add_argument("--without-containers", action="store_true", help="as Snakemake without --sdm apptainer")
    parser.add_argument("--gpus", type=int, metavar="N", help="what --resources gpu=N will give (default: no limit)")
    given = parser.parse_args()
    config = parse(Configuration, read_yaml(*given.config), "config")
    name = config.accelerator
    stage = config.training.model_copy(update={"reward": config.training.reward or config.reward})
    notices = preflight.check(
        accelerator=name,
        images={name: getattr(config.containers, name), "cpu": config.containers.cpu},
        locks={"cpu": "envs/cpu.txt", "cuda": "envs/cuda.txt"},
        root=Path(__file__).resolve().parents[1],
        containers=not given.without_containers,
        dry_run=False,
        cluster=False,
        requests={"training.gpus": stage.job_gpus * stage.nodes},
        given=given.gpus,
    )
    for line in notices:
        print(f"notice: {line}")
    print("nothing stands in the way")
    return 0


if __name__ == "__main__":
    run_main(main)
