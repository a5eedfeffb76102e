"""Entries of `augmentation` in a configuration, and what of a stage's `data` names them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from posixpath import normpath
from typing import Literal
from urllib.parse import urlsplit

from mathrl.config.entry import ENGINE, Entry, Limits
from mathrl.config.experiment import Configuration
from mathrl.config.sources import Hints
from mathrl.config.stage import Stage
from mathrl.core.files import UserError

RESULTS = "results/augmentation"
WAYS: tuple[Literal["augmented", "repeated"], ...] = ("augmented", "repeated")


def data_kind(stage: Stage) -> str:
    """`clean`, `raw` or `as_given`: what a stage trains on beside what its `data` adds."""
    return stage.data if isinstance(stage.data, str) else stage.data.rows


def data_words(stage: Stage) -> str:
    """The same in words, with what is added."""
    parts = [f"{what} rows of {', '.join(added(stage, what))}" for what in WAYS if added(stage, what)]
    parts += [f"hints from {own.solutions}"] if (own := hints(stage)) else []
    return " and ".join([f"{data_kind(stage)} data", *parts])


def added(stage: Stage, what: str) -> list[str]:
    """Entries that a stage's `data` names as `augmented` or `repeated`."""
    return [] if isinstance(stage.data, str) else list(getattr(stage.data, what) or ())


def hints(stage: Stage) -> Hints | None:
    """The hints of a stage's prompts, if there are any."""
    return None if isinstance(stage.data, str) else stage.data.hints


def hint_solutions(stage: Stage, config: Configuration) -> str | None:
    """The parquet of the solutions that a stage's hints are cut from; None without hints."""
    if (own := hints(stage)) is None:
        return None
    return f"{RESULTS}/{name}/rows.parquet" if (name := _hint_entry(own, config)) else own.solutions


def _hint_entry(own: Hints, config: Configuration) -> str | None:
    """The entry that hints are cut from, named by itself or by its rows; None for a file of the user's."""
    return own.solutions if own.solutions in config.augmentation else product(own.solutions, config)


def product(path: str | None, config: Configuration) -> str | None:
    """The entry whose solutions this path is, or None for a file of the user's."""
    found = re.fullmatch(rf"{RESULTS}/([^/]+)/rows\.parquet", normpath(path or ""))
    return found[1] if found and found[1] in config.augmentation else None


def check_entries(config: Configuration) -> None:
    """Refuse entries whose settings contradict each other.

    Raises:
        UserError: see the messages below.
    """
    for name, this in config.augmentation.items():
        where = f"config: augmentation.{name}"
        for server, key in ((this.proposer, "address"), (this.solver, "solver.address")):
            address = server.address if server else None
            if address and address != ENGINE and (urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname):
                raise UserError(f"{where}.{key}: {address!r} is no address; write http(s)://HOST/v1, engine, or null with a cache")
        if this.address is None and this.cache is None:
            raise UserError(f"{where}: has neither address nor cache; name a server, engine, or a file of answers to replay")
        if this.solver and ENGINE in (this.solver.address, this.address):
            raise UserError(f"{where}.solver: address engine has one model for both; remove solver, or name servers")
        if this.budget == Limits():
            raise UserError(f"{where}.budget: sets no limit; write requests, tokens or money")
        if this.budget.money is not None and not (this.prices.input or this.prices.output):
            raise UserError(
                f"{where}.budget.money: counts nothing without prices; write prices: {{input: …, output: …}} per million tokens"
            )
        if this.holds.m > this.holds.k:
            raise UserError(f"{where}.holds: m {this.holds.m} of k {this.holds.k} solutions cannot be; lower m or raise k")
        if this.holds.by == "base" and this.kind in ("harder", "easier"):
            raise UserError(f"{where}.holds.by: base checks a known answer only; {this.kind} needs by: model")


def missing_key(entry: Entry, name: str, environment: Mapping[str, str]) -> str | None:
    """One line where an entry needs a key that the environment does not have, or None."""
    for server in (entry.proposer, *([entry.checker] if entry.asks_solver else [])):
        if server.address and server.key and not environment.get(server.key, "").strip():
            return f"augmentation {name}: needs a key, and the environment variable {server.key} is empty; export it and start again"
    return None


def check_stage_data(config: Configuration, stage: Stage, where: str) -> None:
    """Refuse a stage whose `data` names no entry, or one that gives it no rows.

    Raises:
        UserError: see the messages below.
    """
    entries = config.augmentation
    if not isinstance(stage.data, str) and not any(added(stage, what) for what in WAYS) and not stage.data.hints:
        raise UserError(f"{where}: data: adds nothing; write entries under augmented or repeated, or hints, or data: {stage.data.rows}")
    _check_hints(config, stage, where)
    for what in WAYS:
        for name in added(stage, what):
            if name not in entries:
                raise UserError(f"{where}: data.{what}: unknown entry '{name}' of augmentation; known: {', '.join(entries) or 'none'}")
            if entries[name].kind == "solutions":
                raise UserError(
                    f"{where}: data.{what}: '{name}' holds solutions; train on them by solutions: {RESULTS}/{name}/rows.parquet"
                )
    name = product(stage.solutions, config) or ""
    if name and entries[name].kind != "solutions":
        raise UserError(f"{where}: solutions: entry '{name}' of augmentation is of kind {entries[name].kind}")


def _check_hints(config: Configuration, stage: Stage, where: str) -> None:
    own = hints(stage)
    if own is None:
        return
    if stage.supervised:
        raise UserError(f"{where}: data.hints: a supervised stage trains on the solutions themselves; remove hints")
    for key, pair in (("share", own.shares), ("solve_rate", own.solve_rate)):
        if pair and pair[0] > pair[1]:
            raise UserError(f"{where}: data.hints.{key} [{pair[0]}, {pair[1]}] holds none; write the lowest first: [{pair[1]}, {pair[0]}]")
    _check_hint_solutions(config, own, f"{where}: data.hints.solutions")


def _check_hint_solutions(config: Configuration, own: Hints, where: str) -> None:
    entries = config.augmentation
    if name := _hint_entry(own, config):
        if entries[name].kind != "solutions":
            raise UserError(f"{where}: entry '{name}' of augmentation is of kind {entries[name].kind}")
        return
    known = ", ".join(name for name, one in entries.items() if one.kind == "solutions") or "none"
    if own.solutions == "own":
        raise UserError(
            f"{where}: own is for supervised stages; name an entry of augmentation of kind solutions (known: {known}) or a parquet file"
        )
    if set("{}") & set(own.solutions):
        raise UserError(f"{where}: '{own.solutions}' has braces, which Snakemake takes for a wildcard; rename the file")
    if not Path(own.solutions).is_file():
        raise UserError(f"{where}: '{own.solutions}' is no file and no entry of augmentation of kind solutions (known: {known})")


def used(config: Configuration, stages: Sequence[Stage]) -> list[str]:
    """Entries that these stages need, each once, in the order of the configuration."""
    named = {name for stage in stages for what in WAYS for name in added(stage, what)}
    named |= {name for stage in stages if stage.supervised and (name := product(stage.solutions, config))}
    named |= {name for stage in stages if (own := hints(stage)) and (name := _hint_entry(own, config))}
    return [name for name in config.augmentation if name in named]
