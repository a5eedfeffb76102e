"""Make the score table from eval JSONs: scores.csv, scores.md and scores.html, in percent with 95 % intervals and n.

    python scripts/tabulate_scores.py --results results --models base grpo --protocols finalist contest \
        --benchmarks aime24 gsm8k --primary contest --out results/scores
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from mathrl.core.arguments import NamedLists
from mathrl.core.files import UserError, run_main, write_text


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default="results", help="folder with {model}/{protocol}/eval/{benchmark}.json (default: results)")
    parser.add_argument("--models", nargs="+", required=True, help="models, a row each, in order")
    parser.add_argument("--protocols", nargs="+", required=True, help="named evaluations, a section each")
    parser.add_argument("--benchmarks", nargs="+", required=True, help="benchmarks, a column each")
    parser.add_argument("--primary", help="protocol that comes first (default: the first of --protocols)")
    parser.add_argument("--config", help="configuration as JSON: says which models are runs, and which differ in their seed alone")
    replicates = "replicates of one run; repeat (default: as --config says)"
    parser.add_argument("--group", action=NamedLists, form="NAME=RUN,RUN", help=replicates)
    parser.add_argument("--dates", default="{}", help="dates of benchmarks and models as JSON (default: none known)")
    parser.add_argument("--out", required=True, help="path without ending: .csv, .md and .html are added")
    return parser.parse_args()


def main() -> None:
    args = parse()
    from mathrl.config.endpoint import Endpoint
    from mathrl.data.dates import Dates
    from mathrl.evaluation.evaluated import STORES, evaluated, left_out
    from mathrl.evaluation.scores import load_evals, score_table
    from mathrl.report.content import read_config
    from mathrl.report.page import scores_page
    from mathrl.statistics.comparisons import control_kinds, regroup, run_groups

    primary = args.primary or args.protocols[0]
    if primary not in args.protocols:
        raise UserError(f"--primary {primary}: is none of --protocols ({', '.join(args.protocols)})")
    evals, missing = load_evals(args.results, args.models, args.protocols, args.benchmarks)
    if not evals:
        raise UserError(f"{args.results}: holds no eval JSON of {', '.join(args.models)}; run: {missing[0]['make']}")
    groups = {model: [model] for model in args.models if model != "base" and "@" not in model}
    config = read_config(args.config) if args.config else None
    groups = regroup(run_groups(config, args.models) if config else groups, args.group)
    endpoint = replace(Endpoint.of(config), protocol=primary) if config else None
    controls = control_kinds(config, args.models) if config else {}
    bands = config.evaluation.bands if config else ()
    further = left_out(evaluated(Path(args.results), args.models, Path(args.results).parent / STORES))
    shown, dates = (args.models, args.protocols, args.benchmarks), Dates.read(args.dates)
    found = score_table(evals, missing, *shown, primary, groups, endpoint, controls, further, dates, bands)
    write_text(f"{args.out}.csv", found.csv())
    write_text(f"{args.out}.md", found.markdown())
    write_text(f"{args.out}.html", scores_page(found))


if __name__ == "__main__":
    run_main(main)
