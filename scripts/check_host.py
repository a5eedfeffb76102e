#!/usr/bin/env python3
"""Check by hand what the workflow checks before its first job: images, GPUs, write access.

python scripts/check_host.py --config config.yaml [--cluster]

Exit code 2 and one line if something would fail.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.files import UserError, run_main
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
    parser.add_argument("--cluster", action="store_true", help="jobs run elsewhere: this host needs no GPU")
    parser.add_argument("--without-containers", action="store_true", help="as Snakemake without --sdm apptainer")
    parser.add_argument("--gpus", type=int, metavar="N", help="what --resources gpu=N will give (default: no limit)")
    given = parser.parse_args()
    config = load(given.config)
    name = config["accelerator"]
    notices = preflight.check(
        accelerator=name,
        images={name: config["containers"][name], "cpu": config["containers"]["cpu"]},
        locks={"cpu": "envs/cpu.txt", "cuda": "envs/cuda.txt"},
        root=Path(__file__).resolve().parents[1],
        containers=not given.without_containers,
        dry_run=False,
        cluster=given.cluster,
        requests={"training.gpus": config["training"]["gpus"] * config["training"]["nodes"]},
        given=given.gpus,
    )
    for line in notices:
        print(f"notice: {line}")
    print("nothing stands in the way")
    return 0


def load(paths: list[str]) -> dict:
    """Config files merged key by key, later ones over earlier ones."""
    import yaml

    merged: dict = {}
    for path in paths:
        try:
            value = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{path}: cannot be read as YAML ({error})") from None
        merged = merge(merged, value or {})
    return merged


def merge(below: dict, above: dict) -> dict:
    """`above` over `below`, mapping by mapping."""
    both = {
        key: merge(below[key], above[key])
        for key in below.keys() & above.keys()
        if isinstance(above[key], dict) and isinstance(below[key], dict)
    }
    return below | above | both


if __name__ == "__main__":
    run_main(main)
