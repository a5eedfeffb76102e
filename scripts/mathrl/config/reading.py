"""Configuration as files and the command line hold it: merged key by key, sweeps and replicates spelled out, then made into types.

This is the border: before it, values are whatever YAML says; behind it there are models alone.
"""

from __future__ import annotations

import copy
import itertools
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError

CONTROLS = ("control-random", "control-inverted", "control-format", "control-constant")
"""Runs that `controls: true` adds to a study."""
SHARED = (
    "start_from", "data", "remove", "difficulty", "sources", "solve_rate", "solve_rates", "steps", "epochs", "budget", "rollout_n",
    "max_prompt_length", "max_response_length", "learning_rate", "lora",
)  # fmt: skip
"""Keys of a run that its control arms have from it: where it begins, what it sees, and what it costs."""
BATCHES = ("train_batch_size", "mini_batch_size")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
Raw = dict[str, Any]
"""A mapping as YAML or JSON gives it."""


def merge(base: Raw, over: Raw) -> Raw:
    """`over` laid upon `base`, mapping by mapping; neither is changed."""
    merged = copy.deepcopy(dict(base))
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def read_yaml(*paths: str | Path) -> Raw:
    """Configuration files merged key by key, later ones over earlier ones.

    Raises:
        UserError: a file that is missing or no mapping in YAML.
    """
    import yaml

    merged: Raw = {}
    for path in paths:
        try:
            value = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{path}: cannot be read as YAML ({error})") from None
        if not isinstance(value, Mapping):
            raise UserError(f"{path}: holds no mapping of keys to values")
        merged = merge(merged, dict(value))
    return merged


def from_command_line(config: Raw, given: Raw, read: Callable[[str], Any]) -> Raw:
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


def check_finite(value: Any, where: str) -> None:
    """Refuse numbers that no type bounds, in raw keys of verl too: not a number is neither too small nor too large.

    Raises:
        UserError: the first of them.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where} is {value}; it must be a finite number")
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ():
        check_finite(item, f"{where}{'' if where.endswith(' ') else '.'}{key}")


def expanded(config: Raw) -> tuple[Raw, dict[str, Raw]]:
    """The configuration with sweeps and replicates as runs of their own, in `runs`, in `select` and in `start_from`.

    Also says of each run which group it is a replicate of, and its seed: {run: {"group": name, "seed": seed}}.

    Raises:
        UserError: two runs of one name, a value that no file can be called by, or a `start_from` that stands for several runs.
    """
    config = _with_controls(config)
    runs: Raw = {}
    groups: dict[str, Raw] = {}
    members: dict[str, list[str]] = {}
    for name, own in config["runs"].items():
        plain = {key: value for key, value in own.items() if key not in ("seeds", "sweep")}
        sweep = own.get("sweep") or {}
        for values in itertools.product(*sweep.values()):
            chosen = dict(zip(sweep, values, strict=True))
            group = "-".join([name, *(f"{key}-{value}" for key, value in chosen.items())])
            for key, value in chosen.items():
                if not NAME.fullmatch(f"0{value}"):
                    raise UserError(f"config: runs.{name}.sweep.{key}: {value!r} cannot be part of a run's name; write these runs out")
            for seed in own.get("seeds") or [None]:
                run = group if seed is None else f"{group}-seed-{seed}"
                if run in runs or (group != name and group in config["runs"]):
                    raise UserError(f"config: runs: two runs are called '{run if run in runs else group}'; rename one")
                runs[run] = merge(plain, chosen if seed is None else chosen | {"seed": seed})
                groups[run] = {"group": group, "seed": runs[run].get("seed", config["training"]["seed"])}
                for whole in dict.fromkeys((name, group)):
                    members.setdefault(whole, []).append(run)
    for run, own in runs.items():
        for part in (own, *(own.get("stages") or [])):
            if "start_from" in part:
                part["start_from"] = _counterpart(part["start_from"], run, runs, groups, members)
    select = [run for name in config["select"] for run in members.get(name, [name])]
    return {**config, "runs": runs, "select": list(dict.fromkeys(select))}, groups


def _with_controls(config: Raw) -> Raw:
    """The configuration with the control arms among the selected runs, if it asks for them.

    They have the seeds of the first selected run that has some, and begin, last and cost as the first selected run that is not supervised.

    Raises:
        UserError: an arm is no run, or the first selected run has stages, which an arm would have to have, too.
    """
    if not config.get("controls"):
        return config
    runs = dict(config["runs"])
    trained = [name for name in config["select"] if name not in CONTROLS and (runs.get(name) or {}).get("algorithm") != "supervised"]
    first = next(iter(trained), "")
    own = runs.get(first) or {}
    if own.get("stages"):
        raise UserError(
            f"config: controls: run {first} has stages, and the control arms have one; write controls: false, and the arms with its stages"
        )
    shared = {key: own[key] for key in SHARED if key in own}
    batches = {key: own[key] for key in BATCHES if key in own} if "train_batch_size" in own else {}  # they must divide each other
    seeds = next((own["seeds"] for name in config["select"] if (own := runs.get(name, {})).get("seeds")), None)
    for name in CONTROLS:
        if name not in runs:
            raise UserError(f"config: controls: there is no run {name} in runs; take it from config.yaml, or write controls: false")
        runs[name] = shared | ({"seeds": seeds} if seeds else {}) | (runs[name] or {}) | batches
    return {**config, "runs": runs, "select": list(dict.fromkeys([*config["select"], *CONTROLS]))}


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
