"""The workflow's configuration: validated, runs and stages merged, every message one line that names key and remedy."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import pins
from .io import UserError
from .verl_config import check_batches

RESERVED = {"base", "data", "model", "figures", "tensorboard"}  # names that stand for something else below results/


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid upon `base`, mapping by mapping; neither is changed."""
    merged = copy.deepcopy(dict(base))
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def from_command_line(config: Mapping[str, Any], given: Mapping[str, Any], read: Callable[[str], Any]) -> dict[str, Any]:
    """`config` with the values of `given` as numbers, booleans or null where they read so.

    Snakemake hands values inside `--config key={…}` on as text, whatever they are; in a file, quotes mean text.
    `read` is a YAML reader.
    """
    typed = dict(config)
    for key, value in given.items():
        if isinstance(value, Mapping) and isinstance(typed.get(key), Mapping):
            typed[key] = from_command_line(typed[key], value, read)
        elif isinstance(value, list):
            typed[key] = [read(item) if isinstance(item, str) else item for item in value]
        elif isinstance(value, str) and typed.get(key) == value and not isinstance(read(value), list | dict):
            typed[key] = read(value)
    return typed


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


def read_pins(path: str | Path) -> dict[str, dict[str, Any]]:
    """Rows of the table of downloads by name, as mappings with `kind`, `source`, `id` and the rest of `mathrl.pins.Pin`."""
    return {name: {**asdict(pin), "source": pin.origin.source, "id": pin.origin.id} for name, pin in pins.read_pins(path).items()}


def validate(config: Mapping[str, Any], schema: Mapping[str, Any], table: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Check the whole configuration; returns notices for the user.

    Raises:
        UserError: unknown key, bad value, a name that is in no table, or batch numbers that verl refuses.
    """
    _check(config, schema, "config")
    config, _ = expanded(config)
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
    evaluation = config["evaluation"]
    for name in [*evaluation["select"], evaluation["primary"]]:
        if name not in evaluation["protocols"]:
            raise UserError(f"config: evaluation: unknown protocol '{name}'; known: {', '.join(evaluation['protocols'])}")
    if evaluation["primary"] not in evaluation["select"]:
        raise UserError(f"config: evaluation.primary '{evaluation['primary']}' is not in evaluation.select; add it there")
    if evaluation["batch_invariant"] and config["accelerator"] == "cpu":
        raise UserError("config: evaluation.batch_invariant: vLLM has no such kernels for a CPU; use evaluation.dtype float32 there")
    notices = []
    stage_schema = schema["properties"]["training"]
    for run in config["runs"]:
        for stage in stages(config, run):
            merged = stage_config(config, run, stage)
            _check(merged, stage_schema, f"config: run {run}, stage {stage}")
            if merged["validation_benchmark"] not in config["benchmarks"]:
                raise UserError(
                    f"config: run {run}: validation_benchmark '{merged['validation_benchmark']}' is not in benchmarks: "
                    f"{', '.join(config['benchmarks'])}"
                )
            _check_start(config, run, stage)
            if merged["algorithm"] == "supervised" and not merged["solutions"]:
                raise UserError(f"config: run {run}, stage {stage}: algorithm supervised needs `solutions`, a parquet file")
            if run in config["select"]:  # the others' numbers need not fit an overlay that changes the batch
                notices += check_batches(merged, f"run {run}, stage {stage}")
        if run in config["select"]:
            _check_points(evaluation["steps"], merged, run)
    return notices


def _check_points(points: list[Any], last: Mapping[str, Any], run: str) -> None:
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


def expanded(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The configuration with sweeps and replicates as runs of their own, in `runs` and in `select`.

    Also says of each run which group it is a replicate of, and its seed: {run: {"group": name, "seed": seed}}.

    Raises:
        UserError: two runs of one name.
    """
    runs: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    members: dict[str, list[str]] = {}
    for name, own in config["runs"].items():
        plain = {key: value for key, value in own.items() if key not in ("seeds", "sweep")}
        sweep = own.get("sweep", {})
        for values in itertools.product(*sweep.values()):
            chosen = dict(zip(sweep, values, strict=True))
            group = "-".join([name, *(f"{key}-{value}" for key, value in chosen.items())])
            for seed in own.get("seeds", [None]):
                run = group if seed is None else f"{group}-seed-{seed}"
                if run in runs:
                    raise UserError(f"config: runs: two runs are called '{run}'; rename one")
                runs[run] = merge(plain, chosen if seed is None else chosen | {"seed": seed})
                groups[run] = {"group": group, "seed": runs[run].get("seed", config["training"]["seed"])}
                members.setdefault(name, []).append(run)
    select = [run for name in config["select"] for run in members.get(name, [name])]
    return {**config, "runs": runs, "select": list(dict.fromkeys(select))}, groups


def start_of(config: Mapping[str, Any], run: str, stage: str) -> tuple[str, str | None]:
    """Where a stage starts: ("base", None), ("stage", name of the run's stage before) or ("run", name of another run)."""
    wanted = stage_config(config, run, stage)["start_from"]
    names = stages(config, run)
    place = names.index(stage)
    if wanted == "previous":
        return ("stage", names[place - 1]) if place else ("base", None)
    return ("base", None) if wanted == "base" else ("run", wanted)


def _check_start(config: Mapping[str, Any], run: str, stage: str) -> None:
    seen = [run]
    kind, name = start_of(config, run, stage)
    while kind == "run":
        if name not in config["runs"]:
            known = ", ".join(["previous", "base", *config["runs"]])
            raise UserError(f"config: run {run}, stage {stage}: start_from: unknown run '{name}'; it may be {known}")
        if name in seen:
            raise UserError(f"config: run {run}, stage {stage}: start_from goes round in a circle: {' → '.join([*seen, name])}")
        seen.append(name)
        kind, name = start_of(config, name, stages(config, name)[0])


def stages(config: Mapping[str, Any], run: str) -> list[str]:
    """Names of a run's stages, in order; a run without a list of them has one, `main`."""
    return [stage["name"] for stage in config["runs"][run].get("stages", [])] or ["main"]


def stage_config(config: Mapping[str, Any], run: str, stage: str) -> dict[str, Any]:
    """`training`, under the run's overrides, under the stage's."""
    own = {key: value for key, value in config["runs"][run].items() if key != "stages"}
    merged = merge(config["training"], own)
    for entry in config["runs"][run].get("stages", []):
        if entry["name"] == stage:
            merged = merge(merged, {key: value for key, value in entry.items() if key != "name"})
    return merged


def checkpoint_models(config: Mapping[str, Any]) -> list[str]:
    """Checkpoints along training that are evaluated, as rows `run@step-N`, `run@best`, `run@last`."""
    points = [point if isinstance(point, str) else f"step-{point}" for point in config["evaluation"]["steps"]]
    return [f"{run}@{point}" for run in config["select"] for point in points]


def evaluated_models(config: Mapping[str, Any]) -> list[str]:
    """Rows of the score table: the base model, further models, the selected runs, and checkpoints along their training."""
    return ["base", *config["models"], *config["select"], *checkpoint_models(config)]


def model_source(config: Mapping[str, Any], name: str, table: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """What an entry of `models` is: ("pin", name), ("checkpoint", verl's directory global_step_N) or ("directory", path).

    Raises:
        UserError: no such directory, or it holds neither a Hugging Face model nor verl's checkpoint of one.
    """
    value = config["models"][name]
    if table.get(value, {}).get("kind") == "model":
        return "pin", value
    path = Path(value)
    if not path.is_dir():
        known = ", ".join(row["name"] for row in table.values() if row["kind"] == "model") or "none"
        raise UserError(f"config: models.{name}: '{value}' is no directory and no model of {config['pins']} ({known})")
    if path.name.startswith("global_step_"):
        if not (path / "actor" / "huggingface" / "config.json").is_file():
            raise UserError(f"config: models.{name}: {value} is no checkpoint of verl, actor/huggingface/config.json is missing")
        return "checkpoint", value.rstrip("/")
    weights = [*path.glob("*.safetensors"), *path.glob("*.bin")]
    if not weights or not (path / "config.json").is_file():
        raise UserError(f"config: models.{name}: {value} is no Hugging Face model; config.json or the weights (*.safetensors) are missing")
    return "directory", value.rstrip("/")
