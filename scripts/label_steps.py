"""Label the steps of sampled solutions by what the policy's completions from each of them come to; ambiguous items are dropped.

python scripts/label_steps.py --solutions results/verifiers/solution_samples/0.json --solution-settings '{"n": 8, …}' \\
    --problems results/verifiers/problems.jsonl --completions results/verifiers/completion_samples/0.json \\
    --completion-settings '{"n": 8, …}' --prefixes results/verifiers/prefixes.jsonl --verifiers '{…}' --out results/verifiers
"""

import argparse
from pathlib import Path

from mathrl.core.files import UserError, log_to, mapping, run_main, write_json, write_jsonl
from mathrl.core.provenance import provenance


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--solutions", nargs="+", type=Path, required=True, help="JSONs of the shards that sampled solutions")
    parser.add_argument("--solution-settings", required=True, help="how they were sampled, JSON")
    parser.add_argument("--problems", type=Path, required=True, help="their problems, JSON lines")
    parser.add_argument("--completions", nargs="+", type=Path, required=True, help="JSONs of the shards that completed prefixes")
    parser.add_argument("--completion-settings", required=True, help="how they were sampled, JSON")
    parser.add_argument("--prefixes", type=Path, required=True, help="what was completed, JSON lines")
    parser.add_argument("--verifiers", required=True, help="the section `verifiers` of the configuration, JSON")
    parser.add_argument("--agree-model", type=Path, help="model of the verifier labels.agree, where it has one")
    parser.add_argument("--accept-model", type=Path, help="model of the verifier labels.accept, where it has one")
    parser.add_argument("--accelerator", choices=("cuda", "cpu"), default="cuda", help="for these (default cuda)")
    parser.add_argument("--store", type=Path, default=Path("checkpoints/verifiers"), help="scores kept between calls")
    parser.add_argument("--demo", action="store_true", help="the problems are the demo's, whose truth is known: measure the labels' noise")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--log", type=Path, help="file for the output (default: none)")
    parser.add_argument("--out", type=Path, required=True, help="folder: labels.parquet, labels.json, rates.jsonl.zst, accepted.parquet")
    return parser.parse_args()


def main() -> None:
    args = parse()
    if args.log:
        log_to(args.log)

    from mathrl.config import messages
    from mathrl.config.evaluation import Sampling
    from mathrl.config.verifiers import read
    from mathrl.data.benchmarks import read_benchmark
    from mathrl.demo.steps import first_error
    from mathrl.evaluation.sampling import of_one_file
    from mathrl.verifiers import label_files, labels, load, planted

    section = read(mapping(args.verifiers, "--verifiers"), "--verifiers")
    limits = labels.Denoising(section.labels.solvable, section.labels.lost)
    problems, prefixes = read_benchmark(args.problems), label_files.read_prefixes(args.prefixes)
    settings = messages.parse(Sampling, mapping(args.solution_settings, "--solution-settings"), "--solution-settings")
    samples = of_one_file(args.solutions, "solutions", settings, args.problems)
    settings = messages.parse(Sampling, mapping(args.completion_settings, "--completion-settings"), "--completion-settings")
    completions = of_one_file(args.completions, "completions", settings, args.prefixes)
    found, funnel = label_files.solutions(samples, problems, args.workers)
    if not found:
        raise UserError("verifiers.labels: no sampled solution could be cut into steps; raise max_tokens or n")
    own_rates = label_files.solve_rates(samples, found)
    wrong = planted.plant(found, section.labels.planted)
    rows, decided = label_files.label_all([*found, *wrong], label_files.rates(prefixes, completions, args.workers), own_rates, limits)
    wanted = {"agree": (section.labels.agree, args.agree_model), "accept": (section.labels.accept, args.accept_model)}
    makers = {key: load.of_section(section, name, args.store, args.accelerator, model) for key, (name, model) in wanted.items() if name}
    summary = label_files.finish(rows, makers, args.out)
    noise = label_files.noise(rows, first_error) if args.demo else None
    funnel["planted"] = len(wrong)
    told = {"schema_version": 1, "funnel": dict(funnel), "decided": dict(decided), "noise": noise}
    inputs = {"problems": args.problems, "prefixes": args.prefixes}
    write_jsonl(args.out / "rates.jsonl.zst", rows)
    write_json(args.out / "labels.json", summary | told | {"provenance": provenance(inputs)})


if __name__ == "__main__":
    run_main(main)
