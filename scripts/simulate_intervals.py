"""Show how often each kind of 95 % interval holds the true accuracy when the samples of one problem belong together.

Problem sets are drawn with a known mean accuracy; `alike` says how their difficulty is spread: Beta distributions with an
intraclass correlation of 0.1, 0.3 and 0.6, and `mixed`, where most problems are never solved. Prints coverage and mean
width in percent for this workflow's interval, clustered errors (Miller 2024), the percentile bootstrap over problems, and Wilson's over
all samples as if independent.

    python scripts/simulate_intervals.py --repeats 1000
    python scripts/simulate_intervals.py --problems 30 --accuracy 0.002 0.01 --run 0.05 0.05
"""

from __future__ import annotations

import argparse

from mathrl.core.files import UserError, run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="simulated data sets a line (default: 1000)")
    parser.add_argument("--problems", type=int, nargs="+", default=[30, 40, 500], help="problems (default: 30 40 500)")
    parser.add_argument("--accuracy", type=float, nargs="+", default=[0.005, 0.03, 0.2, 0.6], help="true accuracies, 0–1")
    parser.add_argument("--samples", type=int, default=16, help="samples a problem (default: 16)")
    parser.add_argument("--seed", type=int, default=1, help="seed (default: 1)")
    parser.add_argument("--methods", nargs="+", help="of these intervals alone, as the table's head names them (default: all)")
    parser.add_argument(
        "--run",
        type=float,
        nargs="+",
        default=[],
        help="accuracies of a run: prints the interval of run − base on the same problems instead, base as --accuracy in the same order",
    )
    return parser.parse_args()


def main() -> None:
    args = parse()
    if args.repeats < 1 or any(not 0 < accuracy < 1 for accuracy in args.accuracy):
        raise UserError("--repeats must be at least 1 and each --accuracy between 0 and 1")
    if args.samples < 1 or args.seed < 0 or any(count < 1 for count in args.problems):
        raise UserError("--samples and --problems must be at least 1, --seed at least 0")
    from mathrl.statistics.interval_coverage import METHODS, difference_lines, lines

    if args.run and args.methods:
        raise UserError("--methods: of differences there is one interval; leave it out beside --run")
    if args.run:
        pairs = list(zip(args.accuracy, args.run, strict=False))
        if len(args.run) != len(args.accuracy) or any(not base <= run < (1 + base) / 2 for base, run in pairs):
            raise UserError("--run: needs one accuracy for each --accuracy, from it to less than halfway between it and 1")
        for line in difference_lines(args.problems, pairs, args.samples, args.repeats, args.seed):
            print(line, flush=True)
        return

    methods = args.methods or list(METHODS)
    if unknown := set(methods) - set(METHODS):
        raise UserError(f"--methods: unknown: {', '.join(sorted(unknown))}; known: {', '.join(METHODS)}")
    for line in lines(args.problems, args.accuracy, args.samples, args.repeats, args.seed, methods):
        print(line, flush=True)


if __name__ == "__main__":
    run_main(main)
