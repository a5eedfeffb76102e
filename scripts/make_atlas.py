"""Train the arms of an atlas of methods over seeds at equal cost, and write its page: make atlas [ARMS="gspo dapo"] [SEEDS=3] [STEPS=30]

A few steps are measured first, then grpo is trained for the steps asked for; all others generate as many tokens as it did. The same
command goes on after any kill. With --model, on GPUs, config.yaml's sizes hold instead of the demo's.

    python scripts/make_atlas.py --directory atlas --arms gspo dapo --seeds 3 --steps 30
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

from mathrl.core.files import UserError, read_json, run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path("atlas"), help="where it works (default: atlas)")
    parser.add_argument(
        "--arms", nargs="*", default=[], help="runs (default: those of profiles/demo/atlas.yaml); grpo and controls come along"
    )
    parser.add_argument("--seeds", type=int, default=3, help="per arm, at least 2 (default: 3)")
    parser.add_argument("--steps", type=int, default=30, help="of grpo; other arms generate as many tokens (default: 30)")
    parser.add_argument("--model", help="model to train on GPUs: a name in pins.tsv, organisation/name@commit or a directory")
    parser.add_argument("--gpus", type=int, default=6, help="GPUs of one training, with --model (default: 6)")
    parser.add_argument("--docs", type=Path, help="folder to copy page and data into at the end, such as docs/atlas")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and train nothing")
    return parser.parse_args()


def main() -> int:
    args = parse()
    if args.seeds < 2 or args.steps < 2 or args.gpus < 1:
        raise UserError("--seeds and --steps must be at least 2, --gpus at least 1: one seed says nothing about a method")
    import psutil
    from mathrl.core.files import write_text
    from mathrl.demo import atlas as work
    from mathrl.execution.driver import working_directory
    from mathrl.execution.recovery import recover

    directory = working_directory(args.directory)
    atlas = work.Atlas(directory, tuple(args.arms), args.seeds, args.steps, args.model, args.gpus)
    together = work.at_once(psutil.virtual_memory().available, os.cpu_count() or 1)
    if not args.dry_run and directory.is_dir():
        for line in recover(directory, 30.0):
            print(f"recover: {line}")
    work.write_overlay(atlas)
    if args.dry_run:
        forecast = read_json(atlas.first) if atlas.first.is_file() else None
        print(work.told(atlas, forecast, together) if forecast else f"atlas: {atlas.trainings} trainings; a few steps are measured first")
        return subprocess.run(work.arguments(atlas, *work.TARGETS, dry_run=True, at_once=together)).returncode
    for needed in (atlas.first, atlas.measure):
        if not needed.is_file():
            code = subprocess.run(work.arguments(atlas, str(needed.relative_to(directory)))).returncode
            if code:
                return code
        if needed is atlas.first:
            print(work.told(atlas, read_json(atlas.first), together), flush=True)
    work.write_overlay(atlas, work.budget(read_json(atlas.measure)))
    code = subprocess.run(work.arguments(atlas, *work.TARGETS, at_once=together)).returncode
    if code == 0:
        page = directory / "results/atlas"
        print(f"{page}/index.html\n{page}/atlas.json")
        for name in ("index.html", "atlas.json") if args.docs else ():
            write_text(args.docs / name, (page / name).read_text(encoding="utf-8"))
    return code


if __name__ == "__main__":
    run_main(main)
