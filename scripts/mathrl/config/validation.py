"""The checks of the workflow's configuration: every message is one line that names key and remedy."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mathrl.config import augmentation, endpoint, verifiers
from mathrl.config.batches import check_batches
from mathrl.config.determinism import is_deterministic
from mathrl.config.reward_terms import check_names
from mathrl.config.runs import expanded, model_source, sharing_budget, stage_config, stages, start_of
from mathrl.core.files import UserError

# Names that no run may have: they stand for something else in `start_from`, below checkpoints/ or below results/.
RESERVED = {
    "base", "previous", "samples", "data", "model", "figures", "tensorboard", "augmentation", "verifiers",
    "audit.json", "report.html", "report-so-far.html", "scores.csv", "scores.html", "scores.md",
}  # fmt: skip
BESIDE_STAGES = {"generation", "manifest.json", "model"}  # what lies in results/{run}/ beside a directory for each stage and protocol


def _explain(error) -> str:
    """One line for a jsonschema error: which key, what is wrong, what it may be."""
    where = ".".join(str(part) for part in error.absolute_path) or "the file"
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))
        prefix = "" if where == "the file" else f"{where}."
        return f"unknown key '{prefix}{unknown[0]}'; known here: {', '.join(known)}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where} lacks the key '{missing[0]}'"
    hint = error.schema.get("description")
    if error.validator == "enum":
        problem = f"is {error.instance!r}; it may be {', '.join(map(str, error.validator_value))}"
    elif error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        problem = f"is {error.instance!r}; it must be {' or '.join(kinds)}"
    elif error.validator in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        bound = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than"}
        problem = f"is {error.instance!r}; it must be {bound[error.validator]} {error.validator_value}"
    else:
        problem = error.message
    return f"{where} {problem}" + (f" ({hint})" if hint else "")


def _check(value: Any, schema: Mapping[str, Any], where: str) -> None:
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda e: (len(e.absolute_path), str(e.absolute_path)))
    if errors:
        raise UserError(f"{where}: {_explain(errors[0])}")


def validate(
    config: Mapping[str, Any], schema: Mapping[str, Any], table: Mapping[str, Mapping[str, Any]], asked: Collection[str] = ()
) -> list[str]:
    """Check the whole configuration; returns notices for the user. Runs that are `asked` for will be trained like selected ones.

    Raises:
        UserError: unknown key, bad value, a name that is in no table or taken, settings that contradict each other, or batch
            numbers that verl refuses.
    """
    augmentation.check_secrets(config)
    _check_finite(config, "config: ")
    _check(config, schema, "config")
    augmentation.check_entries(config)
    stage_schema = schema["properties"]["training"]
    _check_runs(config, sorted(stage_schema["properties"]))
    config, _ = expanded(config)
    _check_table(config, table)
    _check_evaluation(config)
    endpoint.check(config)
    _check_removal(config, config["decontamination"]["remove"], "decontamination.remove")
    try:
        check_names(config["reward"]["terms"])
    except ValueError as error:
        raise UserError(f"config: reward.terms: {error}") from None
    verifiers.check(config["verifiers"])
    _check_verifiers(config, table)
    _check_stages(config, stage_schema, {name for name in config["benchmarks"] if table[name].get("after_training")})
    notices = []
    further = [*(run for run in config["runs"] if run in asked), *verifiers.trained_runs(config["verifiers"], config["runs"])]
    for run in _trained(config, [*config["select"], *further]):
        for stage in stages(config, run):  # the numbers of runs that are not trained need not fit an overlay that changes the batch
            notices += check_stage(config, run, stage)
    for run in config["select"]:
        _check_steps(config["evaluation"]["steps"], stage_config(config, run, stages(config, run)[-1]), run)
    return notices


def _check_table(config: Mapping[str, Any], table: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse names that the table of downloads does not know, that are taken, or that no run has."""
    for key, kind in (("dataset", "dataset"), ("base_model", "model"), ("embedding_model", "model")):
        if config[key] is not None:
            _known(config[key], kind, key, table, config["pins"])
    for benchmark in config["benchmarks"]:
        _known(benchmark, "benchmark", "benchmarks", table, config["pins"])
    for name in config["runs"]:
        if name in RESERVED:
            raise UserError(f"config: runs.{name}: this name is taken; choose another")
    for name in config["models"]:
        if name in RESERVED or name in config["runs"]:
            raise UserError(f"config: models.{name}: this name is taken; choose another")
        model_source(config, name, table)
    for name in config["select"]:
        if name not in config["runs"]:
            raise UserError(f"config: select: unknown run '{name}'; known: {', '.join(config['runs'])}")


def _check_stages(config: Mapping[str, Any], schema: Mapping[str, Any], late: Collection[str]) -> None:
    """Hold every stage of every run against the schema, and refuse one that starts from nothing, or from itself, or is validated on
    one of `late`, the benchmarks that are made after training."""
    for run in config["runs"]:
        for stage in stages(config, run):
            merged = stage_config(config, run, stage)
            _check(merged, schema, f"config: run {run}, stage {stage}")
            if merged["validation_benchmark"] not in config["benchmarks"]:
                raise UserError(
                    f"config: run {run}: validation_benchmark '{merged['validation_benchmark']}' is not in benchmarks: "
                    f"{', '.join(config['benchmarks'])}"
                )
            if merged["validation_benchmark"] in late:
                raise UserError(f"config: run {run}: validation_benchmark '{merged['validation_benchmark']}' is made after training")
            kind, name = start_of(config, run, stage)
            if kind == "run" and name not in config["runs"]:
                known = ", ".join(["previous", "base", *config["runs"]])
                raise UserError(f"config: run {run}, stage {stage}: start_from: unknown run '{name}'; it may be {known}")
            if merged["algorithm"] == "supervised" and not merged["solutions"]:
                raise UserError(f"config: run {run}, stage {stage}: algorithm supervised needs `solutions`, a parquet file")
    sound: set[tuple[str, str]] = set()
    for run in config["runs"]:
        for stage in stages(config, run):
            _check_circle(config, [(run, stage)], sound)


def _trained(config: Mapping[str, Any], runs: list[str]) -> list[str]:
    """`runs` and those that they start from, each once."""
    found = list(dict.fromkeys(runs))
    for run in found:  # grows
        starts = (start_of(config, run, stage) for stage in stages(config, run))
        found += dict.fromkeys(name for kind, name in starts if kind == "run" and name not in found)
    return found


def _check_finite(value: Any, where: str) -> None:
    """Refuse numbers that no schema bounds: not a number is neither too small nor too large."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where} is {value}; it must be a finite number")
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ():
        _check_finite(item, f"{where}{'' if where.endswith(' ') else '.'}{key}")


def _check_runs(config: Mapping[str, Any], keys: list[str]) -> None:
    """Refuse what is lost when sweeps and replicates are spelled out, and stages whose names are taken. `keys`: those of a stage."""
    protocols = config["evaluation"]["protocols"]
    for name, own in config["runs"].items():
        sweep = own.get("sweep", {})
        for key in sweep:
            if key not in keys:
                raise UserError(f"config: runs.{name}.sweep: unknown key '{key}'; known here: {', '.join(keys)}")
        if "seed" in sweep and "seeds" in own:
            raise UserError(f"config: runs.{name}: a sweep over seed beside seeds: the seeds would win; remove seed from the sweep")
        for stage in own.get("stages", []):
            for key in [*sweep, *(["seed"] if "seeds" in own else [])]:
                if key in stage:
                    what = "seeds" if key not in sweep else f"the sweep over {key}"
                    raise UserError(
                        f"config: runs.{name}: {what} would not change stage {stage['name']}, which sets {key} itself; remove it there"
                    )
        names = stages(config, name)
        for stage in names:
            if names.count(stage) > 1:
                raise UserError(f"config: runs.{name}.stages: two stages are called '{stage}'; rename one")
            if stage in BESIDE_STAGES:
                raise UserError(f"config: runs.{name}.stages: '{stage}' is taken by what else lies in results/{name}/; choose another name")
            if stage in protocols:
                raise UserError(f"config: runs.{name}: stage '{stage}' has the name of a protocol, in results/{name}/ too; rename one")


def _check_evaluation(config: Mapping[str, Any]) -> None:
    evaluation = config["evaluation"]
    for name, protocol in evaluation["protocols"].items():
        if name in BESIDE_STAGES:
            raise UserError(f"config: evaluation.protocols.{name}: this name is taken; choose another")
        if not protocol["n"] and not protocol["greedy"]:
            raise UserError(f"config: evaluation.protocols.{name}: n 0 without greedy asks for no response; write n: 1 or greedy: true")
    for name in [*evaluation["select"], evaluation["primary"]]:
        if name not in evaluation["protocols"]:
            raise UserError(f"config: evaluation: unknown protocol '{name}'; known: {', '.join(evaluation['protocols'])}")
    if evaluation["primary"] not in evaluation["select"]:
        raise UserError(f"config: evaluation.primary '{evaluation['primary']}' is not in evaluation.select; add it there")
    if evaluation["batch_invariant"] and config["accelerator"] == "cpu":
        raise UserError("config: evaluation.batch_invariant: vLLM has no such kernels for a CPU; use evaluation.dtype float32 there")


def _check_verifiers(config: Mapping[str, Any], table: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse verifiers whose model or files are nowhere, and labels of a policy that is trained on them."""
    section = config["verifiers"]
    for name, one in verifiers.settings(section).items():
        if one.needs_gpu:
            model = one.own["model"]
            is_run = one.kind == "prm" and model in config["runs"]
            if not is_run and table.get(model, {}).get("kind") != "model" and not Path(model).is_dir():
                known = "a run, " if one.kind == "prm" else ""
                raise UserError(f"config: verifiers.named.{name}: model '{model}' is no {known}model of {config['pins']} or directory")
        prompt = one.own.get("prompt")
        if prompt and not Path(prompt).is_file():
            raise UserError(f"config: verifiers.named.{name}: prompt: no such file: {prompt}")
    policy = section["labels"]["policy"]
    if policy != "base" and policy not in config["models"] and policy not in config["runs"]:
        raise UserError(f"config: verifiers.labels.policy: '{policy}' is neither base, a run nor one of models")
    if policy in verifiers.trained_runs(section, config["runs"]):
        raise UserError(f"config: verifiers.labels.policy: '{policy}' is trained on these labels itself; name another policy")


def _check_removal(config: Mapping[str, Any], methods: list[str], where: str) -> None:
    """Refuse to remove by matches that nobody looks for: nothing would be removed, without a word."""
    for method in methods:
        needed = "semantic" if method == "similar" else method
        if needed not in config["decontamination"]["methods"]:
            raise UserError(f"config: {where}: {method} needs the method {needed}; add it to decontamination.methods")
        if needed in ("semantic", "reworded") and config["embedding_model"] is None:
            raise UserError(f"config: {where}: {method} needs a model; name one as embedding_model")


def check_stage(config: Mapping[str, Any], run: str, stage: str) -> list[str]:
    """Refuse a stage whose settings contradict each other or the data's; returns notices. For stages that will be trained.

    Raises:
        UserError: see the messages below, and `check_batches`.
    """
    merged, data = stage_config(config, run, stage), config["data"]
    name = f"run {run}, stage {stage}"
    where = f"config: {name}"
    notices = check_batches(merged, name)
    if merged["algorithm"] != "supervised":  # verl's SFT trainer has no engine
        try:
            is_deterministic(merged, config["accelerator"])
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
    if merged["validation_benchmark"] == "dev":
        raise UserError(f"{where}: validation_benchmark: 'dev' is what the held-out problems are called; rename it in {config['pins']}")
    if merged["algorithm"] == "supervised":
        if any(limit is not None for limit in merged["budget"].values()):
            raise UserError(
                f"{where}: budget: steps alone end a supervised stage, verl logs no times of it; write budget: "
                "{tokens: null, gpu_hours: null} there, and its cost is not counted"
            )
        made_here = merged["solutions"] in verifiers.MADE_HERE or augmentation.product(merged["solutions"], config)
        if not made_here and not Path(merged["solutions"]).is_file():
            raise UserError(f"{where}: solutions: no such file: {merged['solutions']}; a parquet with the columns problem and solution")
    penalty = merged["overlong_penalty"]
    if penalty and penalty["buffer"] > merged["max_response_length"]:
        raise UserError(
            f"{where}: overlong_penalty.buffer {penalty['buffer']} is more than max_response_length {merged['max_response_length']}; "
            "it is the last part of it"
        )
    low, high = merged["solve_rate"] or (0, 1)
    if low > high:
        raise UserError(f"{where}: solve_rate [{low}, {high}] holds no rate; write the lowest first: [{high}, {low}]")
    cuts, wanted = data["difficulty_bands"], merged["difficulty"] or []
    if isinstance(cuts, list) and max(wanted, default=1) > len(cuts) + 1:
        raise UserError(
            f"{where}: difficulty: there is no band {max(wanted)}; the {len(cuts)} cut-offs of data.difficulty_bands make {len(cuts) + 1}"
        )
    if merged["solve_rates"] == "own" and (wanted or merged["solve_rate"]) and data["own_solve_rates"]["n"] == 1:
        raise UserError(f"{where}: one response tells a problem's own solve rate as 0 or 1 only; raise data.own_solve_rates.n")
    if merged["solve_rates"] == "own" and not merged["solve_rate"] and (5 if cuts == "quintiles" else len(cuts) + 1) in wanted:
        notices.append(
            f"{name}: its hardest band of own solve rates holds every problem that was never solved, and those teach nothing; "
            "solve_rate: [0.01, 0.99] leaves them out"
        )
    allowed = data["filters"]["sources"]
    missing = [source for source in merged["sources"] or [] if allowed is not None and source not in allowed]
    if missing:
        raise UserError(f"{where}: sources: data.filters.sources leaves out '{missing[0]}'; add it there")
    chosen = [key for key in ("difficulty", "sources", "solve_rate", "remove") if merged[key]]
    augmentation.check_stage_data(config, merged, where)
    rows = augmentation.data_kind(merged)
    if rows == "as_given" and (chosen or merged["solve_rates"] == "own"):
        raise UserError(f"{where}: {(chosen or ['solve_rates'])[0]}: data as_given trains on all rows; remove it, or write data: raw")
    if rows == "clean":
        _check_removal(config, merged["remove"] or [], f"{name}: remove")
    save, keep = merged["save_every"], merged["keep_every"]
    if keep and keep % save:
        notices.append(f"{name}: keep_every {keep} keeps every {math.lcm(keep, save)}th step only, as save_every is {save}")
    return notices


def _check_steps(points: list[Any], last: Mapping[str, Any], run: str) -> None:
    """Refuse a step that the run's last stage never saves, or saves and removes again."""
    every, total, keep = last["save_every"], last["steps"], last["keep_every"]
    for point in points:
        if point in ("best", "last") or point == total:
            continue
        if total is not None and (point > total or point % every):
            saved = [*range(every, total, every), total]
            some = ", ".join(map(str, saved[:8])) + (f", … {total}" if len(saved) > 8 else "")
            raise UserError(f"config: evaluation.steps: run {run} saves no step {point}; it saves {some} (save_every {every})")
        newest = total is not None and point > total - every * last["keep_last"]
        if not newest and (not keep or point % keep):
            raise UserError(
                f"config: evaluation.steps: run {run} does not keep step {point} (keep_last {last['keep_last']}, keep_every {keep}); "
                f"set training.keep_every to {point} or to a number that divides it"
            )


def _known(name: str, kind: str, key: str, table: Mapping[str, Mapping[str, Any]], file: str) -> None:
    known = [row["name"] for row in table.values() if row["kind"] == kind]
    if name not in known:
        raise UserError(f"config: {key}: unknown {kind} '{name}'; {file} knows: {', '.join(known) or 'none'}")


def _check_circle(config: Mapping[str, Any], path: list[tuple[str, str]], sound: set[tuple[str, str]]) -> None:
    """Refuse a stage (the last of `path`) that waits for itself, by way of what it starts from or shares a budget with.

    `sound` collects the stages that do not.
    """
    run, stage = path[-1]
    kind, name = start_of(config, run, stage)
    needs = [(run, before) for before in sharing_budget(config, run, stage)]
    needs += [(run, name)] if kind == "stage" else [(name, stages(config, name)[-1])] if kind == "run" else []
    for need in needs:
        if need in path:
            around = [*path[path.index(need) :], need]
            said = " → ".join(at if len(stages(config, at)) == 1 else f"{at}/{leg}" for at, leg in around)
            raise UserError(f"config: run {run}, stage {stage}: start_from goes round in a circle: {said}")
        if need not in sound:
            _check_circle(config, [*path, need], sound)
    sound.add((run, stage))
