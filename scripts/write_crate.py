"""Pack a finished study into one file to send: a Provenance Run Crate without weights, private paths and texts that may not travel.

python scripts/write_crate.py --config '{"select": ["grpo"], …}' --models base grpo --pins pins.tsv --out results/crate.zip
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mathrl.core.files import UserError, run_main, write_text


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default="results", help="folder of results (default: results)")
    parser.add_argument("--resources", default="resources", help="folder of benchmarks and models (default: resources)")
    parser.add_argument("--config", required=True, help="the workflow's configuration as JSON, or a JSON file")
    parser.add_argument("--models", nargs="+", required=True, help="evaluated models, in order")
    parser.add_argument("--pins", required=True, help="table of downloads; its column licence decides which problem texts travel")
    parser.add_argument("--out", required=True, help="zip file to write")
    return parser.parse_args()


def main() -> None:
    args = parse()
    if Path(args.out).is_dir():
        raise UserError(f"--out {args.out}: is a folder; name the zip file to write, as in {Path(args.out) / 'crate.zip'}")
    from mathrl.core.code_files import ROOT
    from mathrl.core.provenance import git_commit
    from mathrl.crate.study import open_study, stage_files
    from mathrl.crate.write import finish, prepare_report
    from mathrl.report.content import gather, read_config
    from mathrl.report.page import report_page

    config = read_config(args.config)
    study = open_study(config, args.models, Path(args.results), Path(args.resources), Path(args.pins), ROOT)
    with tempfile.TemporaryDirectory(prefix="mathrl-crate-") as temporary:
        folder, render = Path(temporary, "crate"), Path(temporary, "report")
        stage_files(study, folder)
        prepare_report(study, folder, render)
        shown = gather(study.told_config(folder), args.models, render / "results", folder / "resources/benchmarks")
        write_text(folder / "results/report.html", report_page(shown).replace(f"{render}/", ""))
        finish(study, folder, Path(args.out))
    left_out = f"; without the problem texts of {', '.join(study.withheld)}: their licences do not permit it" if study.withheld else ""
    if git_commit().endswith("+changes"):
        left_out += "; commit your changes of the workflow, or nobody else can grade by them"
    print(f"{args.out}: {Path(args.out).stat().st_size / 1e6:.1f} MB{left_out}")


if __name__ == "__main__":
    run_main(main)
