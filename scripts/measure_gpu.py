"""Measure what trainings cost on this machine, beside verl's own plain trainer, and write a page: make gpu-check

Parts of a few minutes each; the same command goes on with those that are missing or failed.

    python scripts/measure_gpu.py --directory gpu-check
    python scripts/measure_gpu.py --accelerator cpu --directory cpu-check
"""

import argparse
import datetime
import math
import sys
from pathlib import Path

from mathrl.config.experiment import Configuration
from mathrl.config.messages import parse
from mathrl.config.reading import read_yaml
from mathrl.core.arguments import Help
from mathrl.core.code_files import ROOT
from mathrl.core.files import UserError, run_main, write_json, write_text
from mathrl.execution import preflight
from mathrl.execution.driver import working_directory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--directory", type=Path, default=Path("gpu-check"), help="for records, page and everything that is made")
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="what is checked")
    parser.add_argument("--shapes", nargs="+", metavar="SHAPE", help="sizes to measure (default: openseek and two Qwen; on a CPU: tiny)")
    parser.add_argument("--steps", type=int, default=6, help="of each training whose steps are measured, at least 2")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of a training, on this host")
    parser.add_argument("--minutes", type=float, default=8, help="that a part may take")
    args = parser.parse_args()

    from mathrl.checks import gpu_page, gpu_parts

    shapes = tuple(dict.fromkeys(args.shapes or (gpu_parts.ON_A_GPU if args.accelerator == "cuda" else ("tiny",))))
    for shape in shapes:
        if shape not in gpu_parts.SHAPES:
            raise UserError(f"--shapes {shape}: is no shape; there are {', '.join(gpu_parts.SHAPES)}")
    if not 2 <= args.steps <= 1000 or not 1 <= args.gpus <= 64 or not 0 < args.minutes < math.inf:
        raise UserError("--steps must be from 2 to 1000, --gpus from 1 to 64, --minutes a number above 0")
    check = gpu_parts.Check(
        folder=working_directory(args.directory),
        accelerator=args.accelerator,
        shapes=shapes,
        steps=args.steps,
        gpus=args.gpus,
        minutes=args.minutes,
        config=parse(Configuration, read_yaml(ROOT / "config.yaml"), "config"),
    )
    preflight.enter(Path(sys.prefix))  # this Python's environment, as in a rule
    records = gpu_parts.run(check, say=lambda line: print(line, file=sys.stderr, flush=True))
    page = gpu_page.page(check, records, datetime.date.today())
    write_text(check.folder / "gpu-check.md", page)
    write_json(check.folder / "gpu-check.json", {"schema_version": 1, **check.asked, "parts": records})
    print(page)
    print(f"{check.folder}/gpu-check.md")
    return 1 if any(record["failed"] for record in records) else 0


if __name__ == "__main__":
    run_main(main)
