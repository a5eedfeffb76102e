"""The checks of the workflow's configuration: every message is one line that names key and remedy."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from mathrl.config import augmentation, bands, endpoint, launcher, process, report, served, verifiers
from mathrl.config.batches import check_batches
from mathrl.config.determinism import is_deterministic
from mathrl.config.experiment import Configuration, check_whole, spelled_out
from mathrl.config.methods import check_method, check_process
from mathrl.config.model_names import is_named_by_itself
from mathrl.config.reading import Raw
from mathrl.config.records import PinRow
from mathrl.config.reward_terms import check_names
from mathrl.config.runs import labelling_runs, model_source, sharing_budget, stages, start_of, verifying_runs
from mathrl.config.search_methods import WITH_A_MODEL, searched_by
from mathrl.config.secret_keys import check_secrets
from mathrl.config.sources import OWN_SOLUTIONS
from mathrl.config.stage import Reward, Stage
from mathrl.config.verl_keys import check_raw_keys
from mathrl.core import named_judges, users_code
from mathrl.core.files import UserError

# Names that no run may have: they stand for something else in `start_from`, below checkpoints/ or below results/.
RESERVED = {
    "base", "previous", "samples", "data", "model", "figures", "tensorboard", "augmentation", "verifiers",
    "audit.json", "report.html", "report-so-far.html", "scores.csv", "scores.html", "scores.md",
}  # fmt: skip
NO_BENCHMARKS = {"dev": "the held-out problems have", "mean": "the mean over all benchmarks has"}
BESIDE_STAGES = {"generation", "manifest.json", "model"}  # what lies in results/{run}/ beside a directory for each stage and protocol


Table = Mapping[str, PinRow]
"""The rows of the table of downloads by name."""


def validate(raw: Raw, read_table: Callable[[str], Table], asked: Collection[str] = ()) -> tuple[Configuration, list[str]]:
    """The configuration that merged files stand for, after every check that needs no data, and notices for the user.

    `read_table` reads the table of downloads at a path. Runs that are `asked` for will be trained like selected ones.

    Raises:
        UserError: unknown key, bad value, a name that is in no table or taken, settings that contradict each other, or batch
            numbers that verl refuses.
    """
    check_secrets(raw)  # before any message quotes a value
    check_whole(raw)
    _check_runs(raw)
    config = spelled_out(raw)
    augmentation.check_entries(config)
    table = read_table(config.pins)
    _check_files(config, table)
    _check_table(config, table)
    _check_evaluation(config)
    endpoint.check(config)
    bands.check(config)
    _check_removal(config, config.decontamination.remove, "decontamination.remove")
    _check_terms(config.reward, "reward.terms")
    report.check(config.report)
    launcher.check(config.launcher)
    verifiers.check(config.verifiers)
    _check_verifiers(config, table)
    process.check(config.reward.process, config.reward.terms, config.verifiers, "reward.process", config.accelerator)
    _check_stages(config, {name for name in config.benchmarks if name in table and table[name].get("after_training")})
    notices = []
    further = [*(run for run in config.runs if run in asked), *verifiers.trained_runs(config.verifiers, config.runs)]
    for run in _trained(config, [*config.select, *further]):
        for stage in stages(config, run):  # the numbers of runs that are not trained need not fit an overlay that changes the batch
            notices += check_stage(config, run, stage)
    for run in config.select:
        _check_steps(config.evaluation.steps, config.stage(run, stages(config, run)[-1]), run)
    return config, notices


def _check_terms(reward: Reward, where: str) -> None:
    try:
        check_names(reward.terms)
    except (ValueError, UserError) as error:
        raise UserError(f"config: {where}: {error}") from None


def _check_files(config: Configuration, table: Table) -> None:
    """Refuse files of the user's that are not there or that no fetch would take, and names that are taken."""
    for name, path in config.benchmark_files.items():
        where = f"config: benchmark_files.{name}"
        if name in table:
            raise UserError(f"{where}: a row of {config.pins} has this name; choose another")
        if name in NO_BENCHMARKS:
            raise UserError(f"{where}: {NO_BENCHMARKS[name]} this name; choose another")
        users_code.check_path(path, where)
        if not os.path.isfile(path):  # of Path's, a name that is too long raises
            raise UserError(f"{where}: there is no file {path} (relative paths start in the working directory)")
        if Path(path).name.startswith(".") or path.endswith(".part"):
            raise UserError(f"{where}: {path}: a name with '.' first or '.part' last is that of an unfinished download; rename it")
        if Path(os.path.normpath(path)).is_relative_to("resources/benchmarks"):
            raise UserError(f"{where}: {path}: the workflow writes its own files there; move yours to another folder")
        if any(Path("resources/by_hand", name).glob("*")):
            raise UserError(
                f"{where}: resources/by_hand/{name}/ has files, which are read in place of it; remove them or choose another name"
            )
    for name, protocol in config.grader_protocols.items():
        where = f"config: grader_protocols.{name}"
        if name in named_judges.OWN:
            raise UserError(f"{where}: a judge of ours has this name; choose another")
        if not users_code.is_file(protocol):
            raise UserError(f"{where}: '{protocol}' is not of the form FILE.py:Class")
        users_code.check(protocol, where)


def _check_table(config: Configuration, table: Table) -> None:
    """Refuse names that the table of downloads does not know, that are taken, or that no run has."""
    _known(config.dataset, "dataset", "dataset", table, config.pins)
    for key in ("base_model", "embedding_model"):
        name = getattr(config, key)
        if name is not None and not is_named_by_itself(name, key):
            _known(name, "model", key, table, config.pins)
    for benchmark in (name for name in config.benchmarks if name not in config.benchmark_files):
        _known(benchmark, "benchmark", "benchmarks", table, config.pins)
    for name in config.runs:
        if name in RESERVED:
            raise UserError(f"config: runs.{name}: this name is taken; choose another")
    for name in config.models:
        if name in RESERVED or name in config.runs:
            raise UserError(f"config: models.{name}: this name is taken; choose another")
        model_source(config, name, table)
    for name in config.select:
        if name not in config.runs:
            raise UserError(f"config: select: unknown run '{name}'; known: {', '.join(config.runs)}")


def _check_stages(config: Configuration, late: Collection[str]) -> None:
    """Merge every stage of every run, and refuse one that starts from nothing, or from itself, or is validated on one of `late`, the
    benchmarks that are made after training."""
    for run in config.runs:
        for stage in stages(config, run):
            merged = config.stage(run, stage)
            reward = merged.reward or config.reward
            _check_terms(reward, f"run {run}, stage {stage}: reward.terms")
            where = f"run {run}, stage {stage}: reward.process"
            process.check(reward.process, reward.terms, config.verifiers, where, config.accelerator)
            if merged.validation_benchmark not in config.benchmarks:
                raise UserError(
                    f"config: run {run}: validation_benchmark '{merged.validation_benchmark}' is not in benchmarks: "
                    f"{', '.join(config.benchmarks)}"
                )
            if merged.validation_benchmark in late:
                raise UserError(f"config: run {run}: validation_benchmark '{merged.validation_benchmark}' is made after training")
            kind, name = start_of(config, run, stage)
            if kind == "run" and name not in config.runs:
                known = ", ".join(["previous", "base", *config.runs])
                raise UserError(f"config: run {run}, stage {stage}: start_from: unknown run '{name}'; it may be {known}")
            if merged.supervised and not merged.solutions:
                raise UserError(f"config: run {run}, stage {stage}: algorithm supervised needs `solutions`, a parquet file")
    sound: set[tuple[str, str]] = set()
    for run in config.runs:
        for stage in stages(config, run):
            _check_circle(config, [(run, stage)], sound)


def _trained(config: Configuration, runs: list[str]) -> list[str]:
    """`runs` and those that they start from, each once."""
    found = list(dict.fromkeys(runs))
    for run in found:  # grows
        starts = [start_of(config, run, stage) for stage in stages(config, run)]
        found += dict.fromkeys(name for kind, name in starts if kind == "run" and name not in found)
    return found


def _check_runs(config: Raw) -> None:
    """Refuse what is lost when sweeps and replicates are spelled out, and stages whose names are taken."""
    keys, protocols = sorted(Stage.model_fields), config["evaluation"]["protocols"]
    for name, own in config["runs"].items():
        sweep, legs = own.get("sweep") or {}, own.get("stages") or []
        for key in sweep:
            if key not in keys:
                raise UserError(f"config: runs.{name}.sweep: unknown key '{key}'; known here: {', '.join(keys)}")
        if "seed" in sweep and own.get("seeds"):
            raise UserError(f"config: runs.{name}: a sweep over seed beside seeds: the seeds would win; remove seed from the sweep")
        for stage in legs:
            for key in [*sweep, *(["seed"] if own.get("seeds") else [])]:
                if key in stage:
                    what = "seeds" if key not in sweep else f"the sweep over {key}"
                    raise UserError(
                        f"config: runs.{name}: {what} would not change stage {stage['name']}, which sets {key} itself; remove it there"
                    )
        names = [leg["name"] for leg in legs] or ["main"]
        for stage in names:
            if names.count(stage) > 1:
                raise UserError(f"config: runs.{name}.stages: two stages are called '{stage}'; rename one")
            if stage in BESIDE_STAGES:
                raise UserError(f"config: runs.{name}.stages: '{stage}' is taken by what else lies in results/{name}/; choose another name")
            if stage in protocols:
                raise UserError(f"config: runs.{name}: stage '{stage}' has the name of a protocol, in results/{name}/ too; rename one")


def _check_evaluation(config: Configuration) -> None:
    evaluation = config.evaluation
    for name, protocol in evaluation.protocols.items():
        if name in BESIDE_STAGES:
            raise UserError(f"config: evaluation.protocols.{name}: this name is taken; choose another")
        if not protocol.n and not protocol.greedy:
            raise UserError(f"config: evaluation.protocols.{name}: n 0 without greedy asks for no response; write n: 1 or greedy: true")
    for name in [*evaluation.select, evaluation.primary]:
        if name not in evaluation.protocols:
            raise UserError(f"config: evaluation: unknown protocol '{name}'; known: {', '.join(evaluation.protocols)}")
    if evaluation.primary not in evaluation.select:
        raise UserError(f"config: evaluation.primary '{evaluation.primary}' is not in evaluation.select; add it there")
    if evaluation.batch_invariant and config.accelerator == "cpu":
        raise UserError("config: evaluation.batch_invariant: vLLM has no such kernels for a CPU; use evaluation.dtype float32 there")


def _check_verifiers(config: Configuration, table: Table) -> None:
    """Refuse verifiers whose model or files are nowhere, and labels of a policy that is trained on them."""
    section = config.verifiers
    for name, one in verifiers.settings(section).items():
        if one.needs_gpu:
            model = one.own["model"]
            is_run = one.kind in verifiers.TRAINED_HERE and model in config.runs
            if not is_run and not (model in table and table[model]["kind"] == "model") and not Path(model).is_dir():
                seeds = [run for run in config.runs if run.startswith(f"{model}-")]
                known = "run, " if one.kind in verifiers.TRAINED_HERE else ""
                remedy = f"; name one of {', '.join(seeds)}" if one.kind in verifiers.TRAINED_HERE and seeds else ""
                raise UserError(f"config: verifiers.named.{name}: model '{model}' is no {known}model of {config.pins} or directory{remedy}")
        prompt = one.own.get("prompt")
        if prompt and not Path(prompt).is_file():
            raise UserError(f"config: verifiers.named.{name}: prompt: no such file: {prompt}")
    policy = section.labels.policy
    if policy != "base" and policy not in config.models and policy not in config.runs:
        raise UserError(f"config: verifiers.labels.policy: '{policy}' is neither base, a run nor one of models")
    if policy in verifiers.trained_runs(section, config.runs):
        raise UserError(f"config: verifiers.labels.policy: '{policy}' is trained on these labels itself; name another policy")


def _check_removal(config: Configuration, methods: Sequence[str], where: str) -> None:
    """Refuse to remove by matches that nobody looks for: nothing would be removed, without a word."""
    for method in methods:
        needed = searched_by(method)
        if needed not in config.decontamination.methods:
            raise UserError(f"config: {where}: {method} needs the method {needed}; add it to decontamination.methods")
        if needed in WITH_A_MODEL and config.embedding_model is None:
            raise UserError(f"config: {where}: {method} needs a model; name one as embedding_model")


def check_stage(config: Configuration, run: str, stage: str) -> list[str]:
    """Refuse a stage whose settings contradict each other or the data's; returns notices. For stages that will be trained.

    Raises:
        UserError: see the messages below, and `check_batches`.
    """
    merged = config.stage(run, stage)
    name = f"run {run}, stage {stage}"
    where = f"config: {name}"
    if not merged.supervised:
        check_process(merged, where)
        served.check(merged, config.verifiers, config.accelerator, where)
    notices = check_batches(merged, name)
    check_raw_keys(merged, where)
    if not merged.supervised:  # verl's SFT trainer has no engine
        check_method(merged, where)
        try:
            is_deterministic(merged, config.accelerator)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        samples = merged.train_batch_size * merged.rollout_n
        for judge in process.unlimited((merged.reward or config.reward).process, config.verifiers):
            notices.append(
                f"{name}: judge '{judge}' has neither max_total_tokens nor max_usd and is asked about up to {samples} responses per step"
            )
    if merged.validation_benchmark == "dev":
        raise UserError(f"{where}: validation_benchmark: 'dev' is what the held-out problems are called; rename it in {config.pins}")
    if merged.choose == "end" and merged.monitor.stop:
        raise UserError(
            f"{where}: choose: end and monitor.stop: a run that is stopped saves nothing at its end; write monitor: {{stop: false}}"
        )
    if merged.reshard and not merged.adopt:
        raise UserError(
            f"{where}: reshard: names no checkpoints; write adopt: '<name of the directory below checkpoints/{run}/{stage}>' too"
        )
    if merged.supervised:
        _check_supervised(config, merged, where)
    elif merged.extra_layers:
        raise UserError(f"{where}: extra_layers: only a supervised stage may put layers on its model; write extra_layers: 0 here")
    penalty = merged.overlong_penalty
    if penalty and penalty.buffer > merged.max_response_length:
        raise UserError(
            f"{where}: overlong_penalty.buffer {penalty.buffer} is more than max_response_length {merged.max_response_length}; "
            "it is the last part of it"
        )
    notices += _check_choice_of_rows(config, merged, name, where)
    save, keep = merged.save_every, merged.keep_every
    if keep and keep % save:
        notices.append(f"{name}: keep_every {keep} keeps every {math.lcm(keep, save)}th step only, as save_every is {save}")
    return notices


def _check_supervised(config: Configuration, merged: Stage, where: str) -> None:
    """Refuse what a supervised stage cannot do."""
    if merged.reshard:
        raise UserError(f"{where}: reshard: a supervised stage is trained again with another number of GPUs; remove reshard")
    if merged.budget.bounds:
        raise UserError(
            f"{where}: budget: steps alone end a supervised stage, verl logs no times of it; write budget: "
            "{tokens: null, gpu_hours: null} there, and its cost is not counted"
        )
    made_here = merged.solutions in (OWN_SOLUTIONS, *verifiers.MADE_HERE) or augmentation.product(merged.solutions, config)
    if not made_here and not Path(merged.solutions or "").is_file():
        raise UserError(f"{where}: solutions: no such file: {merged.solutions}; a parquet with the columns problem and solution")


def _check_choice_of_rows(config: Configuration, merged: Stage, name: str, where: str) -> list[str]:
    """Refuse a choice of training rows that no row can meet, or that contradicts the data; returns notices."""
    data, notices = config.data, []
    low, high = merged.solve_rate or (0, 1)
    if low > high:
        raise UserError(f"{where}: solve_rate [{low}, {high}] holds no rate; write the lowest first: [{high}, {low}]")
    cuts = data.difficulty_bands
    wanted: tuple[int, ...] = merged.difficulty or ()
    if not isinstance(cuts, str) and max(wanted, default=1) > len(cuts) + 1:
        raise UserError(
            f"{where}: difficulty: there is no band {max(wanted)}; the {len(cuts)} cut-offs of data.difficulty_bands make {len(cuts) + 1}"
        )
    if merged.solve_rates == "own" and (wanted or merged.solve_rate) and data.own_solve_rates.n == 1:
        raise UserError(f"{where}: one response tells a problem's own solve rate as 0 or 1 only; raise data.own_solve_rates.n")
    if merged.solve_rates == "own" and not merged.solve_rate and (5 if isinstance(cuts, str) else len(cuts) + 1) in wanted:
        notices.append(
            f"{name}: its hardest band of own solve rates holds every problem that was never solved, and those teach nothing; "
            "solve_rate: [0.01, 0.99] leaves them out"
        )
    allowed = data.filters.sources
    missing = [source for source in merged.sources or [] if allowed is not None and source not in allowed]
    if missing:
        raise UserError(f"{where}: sources: data.filters.sources leaves out '{missing[0]}'; add it there")
    chosen = [key for key in ("difficulty", "sources", "solve_rate", "remove") if getattr(merged, key)]
    augmentation.check_stage_data(config, merged, where)
    rows = augmentation.data_kind(merged)
    if rows == "as_given" and (chosen or merged.solve_rates == "own"):
        raise UserError(f"{where}: {(chosen or ['solve_rates'])[0]}: data as_given trains on all rows; remove it, or write data: raw")
    if rows == "clean":
        _check_removal(config, merged.remove or [], f"{name}: remove")
    return notices


def _check_steps(steps: Sequence[int | str], last: Stage, run: str) -> None:
    """Refuse a step that the run's last stage never saves, or saves and removes again."""
    every, total, keep = last.save_every, last.steps, last.keep_every
    for step in steps:
        if isinstance(step, str) or step == total:
            continue
        if total is not None and (step > total or step % every):
            saved = [*range(every, total, every), total]
            some = ", ".join(map(str, saved[:8])) + (f", … {total}" if len(saved) > 8 else "")
            raise UserError(f"config: evaluation.steps: run {run} saves no step {step}; it saves {some} (save_every {every})")
        newest = total is not None and step > total - every * last.keep_last
        if not newest and (not keep or step % keep):
            raise UserError(
                f"config: evaluation.steps: run {run} does not keep step {step} (keep_last {last.keep_last}, keep_every {keep}); "
                f"set training.keep_every to {step} or to a number that divides it"
            )


def _known(name: str, kind: str, key: str, table: Table, file: str) -> None:
    known = [row["name"] for row in table.values() if row["kind"] == kind]
    if name not in known:
        raise UserError(f"config: {key}: unknown {kind} '{name}'; {file} knows: {', '.join(known) or 'none'}")


def _check_circle(config: Configuration, path: list[tuple[str, str]], sound: set[tuple[str, str]]) -> None:
    """Refuse a stage (the last of `path`) that waits for itself: by what it starts from, shares a budget with, or is verified by.

    `sound` collects the stages that do not.
    """
    run, stage = path[-1]
    kind, name = start_of(config, run, stage)
    needs = [(run, before) for before in sharing_budget(config, run, stage)]
    needs += [(run, name)] if kind == "stage" else [(name, stages(config, name)[-1])] if kind == "run" else []
    needs += [(other, stages(config, other)[-1]) for other in [*verifying_runs(config, run, stage), *labelling_runs(config, run, stage)]]
    for need in needs:
        if need in path:
            around = [*path[path.index(need) :], need]
            said = " → ".join(at if len(stages(config, at)) == 1 else f"{at}/{leg}" for at, leg in around)
            verified = any(verifying_runs(config, *at) or labelling_runs(config, *at) for at in path)
            key = "start_from, or a verifier's model or labels," if verified else "start_from"
            raise UserError(f"config: run {run}, stage {stage}: {key} goes round in a circle: {said}")
        if need not in sound:
            _check_circle(config, [*path, need], sound)
    sound.add((run, stage))
