"""What a run and a stage are: settings merged from the defaults down to the stage, sweeps and replicates spelled out."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid upon `base`, mapping by mapping; neither is changed."""
    merged = copy.deepcopy(dict(base))
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def read_yaml(*paths: str | Path) -> dict[str, Any]:
    """Configuration files merged key by key, later ones over earlier ones.

    Raises:
        UserError: a file that is missing or no mapping in YAML.
    """
    import yaml

    merged: dict[str, Any] = {}
    for path in paths:
        try:
            value = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{path}: cannot be read as YAML ({error})") from None
        if not isinstance(value, Mapping):
            raise UserError(f"{path}: holds no mapping of keys to values")
        merged = merge(merged, value)
    return merged


def from_command_line(config: Mapping[str, Any], given: Mapping[str, Any], read: Callable[[str], Any]) -> dict[str, Any]:
    """`config` with the values of `given` as numbers, booleans or null where they read so.

    Snakemake hands values inside `--config key={…}` on as text, whatever they are; in a file, quotes mean text.
    `read` is a YAML reader.
    """
    return _typed(config, given, read)


def _typed(value: Any, given: Any, read: Callable[[str], Any]) -> Any:
    if isinstance(value, Mapping) and isinstance(given, Mapping):
        return {**value, **{key: _typed(value[key], item, read) for key, item in given.items() if key in value}}
    if isinstance(given, list):
        return [_typed(item, item, read) for item in given]
    if isinstance(given, str) and value == given and not isinstance(read(given), list | dict):
        return read(given)
    return value


def expanded(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The configuration with sweeps and replicates as runs of their own, in `runs`, in `select` and in `start_from`.

    Also says of each run which group it is a replicate of, and its seed: {run: {"group": name, "seed": seed}}.

    Raises:
        UserError: two runs of one name, a value that no file can be called by, or a `start_from` that stands for several runs.
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
            for key, value in chosen.items():
                if not NAME.fullmatch(f"0{value}"):
                    raise UserError(f"config: runs.{name}.sweep.{key}: {value!r} cannot be part of a run's name; write these runs out")
            for seed in own.get("seeds", [None]):
                run = group if seed is None else f"{group}-seed-{seed}"
                if run in runs or (group != name and group in config["runs"]):
                    raise UserError(f"config: runs: two runs are called '{run if run in runs else group}'; rename one")
                runs[run] = merge(plain, chosen if seed is None else chosen | {"seed": seed})
                groups[run] = {"group": group, "seed": runs[run].get("seed", config["training"]["seed"])}
                for whole in dict.fromkeys((name, group)):
                    members.setdefault(whole, []).append(run)
    for run, own in runs.items():
        for part in (own, *own.get("stages", [])):
            if "start_from" in part:
                part["start_from"] = _counterpart(part["start_from"], run, runs, groups, members)
    select = [run for name in config["select"] for run in members.get(name, [name])]
    return {**config, "runs": runs, "select": list(dict.fromkeys(select))}, groups


def _counterpart(wanted: str, run: str, runs: Mapping, groups: Mapping, members: Mapping[str, list[str]]) -> str:
    """The run that `start_from: wanted` means for `run`: of replicates, the one of the same seed."""
    several = members.get(wanted, [wanted])
    if wanted in runs or len(several) == 1:
        return several[0] if wanted not in runs else wanted
    seeds = {groups[one]["seed"]: one for one in several}
    one_group = len({groups[one]["group"] for one in several}) == 1
    if one_group and run != groups[run]["group"] and groups[run]["seed"] in seeds:
        return seeds[groups[run]["seed"]]
    remedy = f", or give this run seeds: {sorted(seeds)} too" if one_group else ""
    raise UserError(f"config: run {run}: start_from: '{wanted}' stands for {', '.join(several)}; name one of them{remedy}")


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


def start_of(config: Mapping[str, Any], run: str, stage: str) -> tuple[str, str | None]:
    """Where a stage starts: ("base", None), ("stage", name of the run's stage before) or ("run", name of another run)."""
    wanted = stage_config(config, run, stage)["start_from"]
    names = stages(config, run)
    place = names.index(stage)
    if wanted == "previous":
        return ("stage", names[place - 1]) if place else ("base", None)
    return ("base", None) if wanted == "base" else ("run", wanted)


def run_budget(config: Mapping[str, Any], run: str) -> dict[str, Any]:
    """What a run may use, all its stages together; a stage's own budget bounds that stage besides."""
    return merge(config["training"]["budget"], config["runs"][run].get("budget", {}))


def sharing_budget(config: Mapping[str, Any], run: str, stage: str) -> list[str]:
    """Stages before this one that take from the run's budget; none without one. What supervised stages use is not counted."""
    if all(limit is None for limit in run_budget(config, run).values()):
        return []
    names = stages(config, run)
    before = names[: names.index(stage)]
    return [name for name in before if stage_config(config, run, name)["algorithm"] != "supervised"]


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
