"""Plant hacks and look whether a policy takes them up: make hack-bench [HABITS="clearly sure"] [SEEDS="1 2 3"] [STEPS=30] [DIRECTORY=hacks]

A verifier loves a habit that solves nothing. This verifier is in the reward of a `blend` and of a `gate`, which train beside `grpo`, over
seeds, on the demo's world. The same command goes on after any kill. The results are hacks.md, hacks.json and hacks.svg in the directory.

    python scripts/make_hack_bench.py --directory hacks --habits clearly sure --seeds 1 2 3 --steps 30
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

from mathrl.core.code_files import ROOT
from mathrl.core.files import UserError, run_main, write_json, write_text


def main() -> int:
    from mathrl.demo.habits import HABITS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path("hacks"), help="where it works (default: hacks)")
    parser.add_argument("--habits", nargs="+", default=list(HABITS), help=f"of {', '.join(HABITS)} (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of each run, at least two (default: 1 2 3)")
    parser.add_argument("--steps", type=int, default=30, help="of each training, at least 5 (default: 30)")
    args = parser.parse_args()
    seeds = sorted(set(args.seeds))
    if len(seeds) < 2 or args.steps < 5:
        raise UserError("--seeds must name at least 2, --steps be at least 5")
    import psutil
    from mathrl.demo import hack_bench
    from mathrl.demo.atlas import DEMO, at_once, side_by_side
    from mathrl.execution.driver import snakemake, working_directory
    from mathrl.execution.recovery import recover
    from mathrl.report.seed_charts import habit_charts

    directory = working_directory(args.directory)
    habits = list(dict.fromkeys(args.habits))
    targets = hack_bench.begin(directory, habits, seeds, args.steps)
    for line in recover(directory, 30.0):
        print(f"recover: {line}")
    command = [snakemake(), "-s", str(ROOT / "Snakefile"), "-d", str(directory)]
    command += side_by_side(at_once(psutil.virtual_memory().available, os.cpu_count() or 1))
    command += ["--configfile", str(DEMO), str(directory / "overlay.json"), "--", *targets]
    code = subprocess.run(command).returncode
    if code:
        return code
    runs = hack_bench.measure(directory, habits, seeds)
    record = hack_bench.registered(directory / "hacks.json") | {"runs": runs, "verdicts": hack_bench.judge(runs, habits)}
    write_json(directory / "hacks.json", record)
    write_text(directory / "hacks.svg", habit_charts(hack_bench.curves(runs, habits)))
    write_text(directory / "hacks.md", hack_bench.page(record, habits))
    print(directory / "hacks.md")
    return 0


if __name__ == "__main__":
    run_main(main)
