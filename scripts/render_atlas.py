"""Render the atlas of methods: every effect against base, against a reference run and net of control, at what cost; page and data.

python scripts/render_atlas.py --results results --config '{"select": ["grpo"], …}' --models base grpo-seed-1 --out results/atlas
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.files import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default="results", help="folder of results (default: results)")
    parser.add_argument("--config", required=True, help="the workflow's configuration as JSON, or a JSON file")
    parser.add_argument("--models", nargs="+", required=True, help="evaluated models, in order")
    parser.add_argument("--out", required=True, type=Path, help="folder of index.html and atlas.json, at most 1 MB together")
    args = parser.parse_args()
    from mathrl.core.provenance import provenance
    from mathrl.report.atlas import collect, write_atlas
    from mathrl.report.content import gather, read_config

    config = read_config(args.config)
    results = Path(args.results)
    study = gather(config, args.models, results, results.parent / "resources/benchmarks", texts=False)
    write_atlas(args.out, collect(study) | {"provenance": provenance()})


if __name__ == "__main__":
    run_main(main)
