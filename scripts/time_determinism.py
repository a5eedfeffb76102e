"""Time what determinism costs per step, and what the checks of written files cost, by a demo that has ended on this machine.

python scripts/time_determinism.py --study . --out /tmp/price
"""

import argparse
from pathlib import Path

from mathrl.core.files import UserError, run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path(), help="folder of a finished study that trained on its CPU (default: this one)")
    parser.add_argument("--run", default="grpo", help="the run that is looked at (default grpo)")
    parser.add_argument("--steps", type=int, default=10, help="of each training, 5 or more; first and last are not timed (default 10)")
    parser.add_argument("--rounds", type=int, default=2, help="trainings of each kind, in turn; 0: the checks alone (default 2)")
    parser.add_argument("--out", type=Path, required=True, help="new folder for what is trained")
    args = parser.parse_args()
    if args.steps < 5 or args.rounds < 0:
        raise UserError(f"--steps {args.steps} --rounds {args.rounds}: must be at least 5 and 0")
    if args.out.exists():
        raise UserError(f"--out {args.out}: is there already; name a new folder")

    from mathrl.checks import price

    study, out = args.study.resolve(), args.out.resolve()
    for name, (seconds, work) in price.check_seconds(study, args.run).items():
        print(f"checks of {name}: {seconds:.2f} s of {work:.0f} s, {seconds / work:.2%}", flush=True)
    if args.rounds:
        print(*price.told(price.step_seconds(study, args.run, args.steps, args.rounds, out)), sep="\n")


if __name__ == "__main__":
    run_main(main)
