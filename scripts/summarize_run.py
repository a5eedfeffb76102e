#!/usr/bin/env python3
"""Gather the manifests of a run's stages into one: how far each came, what ended it, which checkpoint was chosen.

python scripts/summarize_run.py --run grpo --manifests results/grpo/main/manifest.json --out results/grpo/manifest.json
"""

from __future__ import annotations

import argparse

from mathrl.core.arguments import Help
from mathrl.core.files import run_main, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--manifests", nargs="+", required=True, metavar="FILE", help="manifests of its stages, in order")
    parser.add_argument("--out", required=True, help="JSON to write")
    args = parser.parse_args()
    from mathrl.training.run_manifest import run_manifest

    write_json(args.out, run_manifest(args.run, args.manifests))


if __name__ == "__main__":
    run_main(main)
