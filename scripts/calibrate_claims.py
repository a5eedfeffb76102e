"""A/A: how often runs that differ in their seed alone are claimed to differ by the comparison of the score table.

Reads evaluated runs with their manifests from one folder of results or several (of finished trainings), groups those whose settings
differ in `seed` alone, and takes the largest group. The study report shows what it writes.

    python scripts/calibrate_claims.py --results results --out results/calibration.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mathrl.core.files import UserError, read_json, run_main, write_json
from mathrl.core.provenance import provenance


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", nargs="+", default=["results"], help="folders with {run}/{stage}/manifest.json and eval JSONs")
    parser.add_argument("--protocol", help="named evaluation (default: the first one by name)")
    parser.add_argument("--metric", default="pass@1", help="metric of the endpoint (default: pass@1)")
    parser.add_argument("--group", type=int, help="seeds per side (default: as many as leave one out, 2 to 5)")
    parser.add_argument("--out", default="results/calibration.json", help="JSON to write (default: results/calibration.json)")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.evaluation.evaluated import replicated_runs
    from mathrl.statistics.calibration import HIGH_SHARE, calibrate, seeds_needed
    from mathrl.statistics.comparisons import COLUMNS

    if args.metric not in COLUMNS:
        raise UserError(f"--metric {args.metric}: may be {', '.join(COLUMNS)}")
    if args.group is not None and args.group < 2:
        raise UserError(f"--group {args.group}: a side needs 2 seeds at least")
    names, runs = replicated_runs([Path(folder) for folder in args.results], args.protocol)
    benchmarks = sorted(set.intersection(*(set(run) for run in runs))) if runs else []
    found = calibrate([{name: read_json(run[name]) for name in benchmarks} for run in runs], benchmarks, COLUMNS[args.metric], args.group)
    write_json(args.out, {"schema_version": 1, "runs": names, "benchmarks": benchmarks} | found | {"provenance": provenance()})
    print(
        f"A/A: {100 * found['share']:.1f} % of {found['pairs']} comparisons ({found['group']} against {found['group']} of {found['seeds']} "
        f"seeds) claim a difference, 95 %: {100 * found['low']:.1f} to {100 * found['high']:.1f} "
        f"({100 * found['jackknife'][0]:.1f} to {100 * found['jackknife'][1]:.1f} by leaving out one seed at a time; "
        f"comparisons without a common run: {found['disjoint']}); "
        f"single runs by their problems alone: {100 * found['one_seed']:.0f} % of {found['one_seed_pairs']} pairs"
    )
    if found["high"] > HIGH_SHARE:
        needed = f"to show less with {found['group']} seeds per side takes {seeds_needed(found['group'])} seeds at least"
        print(f"not shown: the share of false claims may be above 10 %; {needed}")


if __name__ == "__main__":
    run_main(main)
