"""What an entry of `augmentation` is, and what of a stage's `data` names entries: the one place that reads these keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mathrl.core.files import UserError

KINDS = ("variants", "harder", "easier", "solutions")
ENGINE = "engine"  # as an address: vLLM inside of the job, without a server
RESULTS = "results/augmentation"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECRET = re.compile(r"(?i)(?:sk|pk|key|api)[-_][A-Za-z0-9_-]{8,}|[A-Za-z0-9_-]{32,}")


@dataclass(frozen=True)
class Server:
    """Who answers: the name of a model, where, and the environment variable that holds the key."""

    model: str
    address: str | None
    key: str | None = None

    @property
    def is_engine(self) -> bool:
        return self.address == ENGINE


@dataclass(frozen=True)
class Chosen:
    """Which problems are asked about; None: all."""

    count: int | None = 1000
    difficulty: list[int] | None = None
    sources: list[str] | None = None
    solve_rate: list[float] | None = None


@dataclass(frozen=True)
class Holds:
    """When an answer holds: `m` of `k` independent solutions reach it; for new answers it also leads the next one by `margin`."""

    by: str = "model"  # model: the solver | base: the base model's samples of the door `useful`
    k: int = 4
    m: int = 3
    margin: int = 2
    temperature: float = 0.7
    max_tokens: int = 1024


@dataclass(frozen=True)
class Limits:
    """Budget of an entry, everything that it ever asked; None: no limit. Money is in the currency of the prices."""

    requests: int | None = None
    tokens: int | None = None
    money: float | None = None


@dataclass(frozen=True)
class Prices:
    """Money per million tokens."""

    input: float = 0.0
    output: float = 0.0


@dataclass(frozen=True)
class Entry:
    """One entry of `augmentation` with its defaults; keys, units and meanings are in docs/reference/augmentation.md."""

    kind: str
    model: str
    budget: Limits
    address: str | None = None
    key: str | None = None
    solver: Server | None = None
    prompt: str | None = None
    per_problem: int = 1
    problems: Chosen = field(default_factory=Chosen)
    temperature: float = 1.0
    max_tokens: int = 1024
    seed: int | None = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    concurrency: int = 8
    timeout: float = 120.0
    attempts: int = 8
    prices: Prices = field(default_factory=Prices)
    holds: Holds = field(default_factory=Holds)
    useful: bool = True
    cache: str | None = None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Entry:
        """From the configuration, which the schema has checked, or from what `as_dict` gave."""
        made = dict(value)
        for key, kind in (("budget", Limits), ("problems", Chosen), ("prices", Prices), ("holds", Holds), ("solver", Server)):
            if isinstance(made.get(key), Mapping):
                made[key] = kind(**made[key])
        return cls(**made)

    def as_dict(self) -> dict[str, Any]:
        """Everything spelled out, for a command line."""
        return asdict(self)

    @property
    def proposer(self) -> Server:
        return Server(self.model, self.address, self.key)

    @property
    def checker(self) -> Server:
        """Who solves the proposed problems."""
        return self.solver or self.proposer

    @property
    def asks_solver(self) -> bool:
        return self.kind != "solutions" and self.holds.by == "model"

    @property
    def samples_base(self) -> bool:
        """Whether the base model is sampled on what was proposed."""
        return self.kind != "solutions" and (self.useful or self.holds.by == "base")


def entry(config: Mapping[str, Any], name: str) -> Entry:
    """The named entry of a configuration."""
    return Entry.of(config["augmentation"][name])


def data_kind(stage: Mapping[str, Any]) -> str:
    """`clean`, `raw` or `as_given`: what a stage trains on beside what its `data` adds."""
    data = stage["data"]
    return data if isinstance(data, str) else data.get("rows", "clean")


def data_words(stage: Mapping[str, Any]) -> str:
    """The same in words, with what is added."""
    parts = [f"{what} rows of {', '.join(added(stage, what))}" for what in ("augmented", "repeated") if added(stage, what)]
    return " and ".join([f"{data_kind(stage)} data", *parts])


def added(stage: Mapping[str, Any], what: str) -> list[str]:
    """Entries that a stage's `data` names as `augmented` or `repeated`."""
    data = stage["data"]
    return [] if isinstance(data, str) else list(data.get(what, []))


def product(path: str | None, config: Mapping[str, Any]) -> str | None:
    """The entry whose solutions this path is, or None for a file of the user's."""
    found = re.fullmatch(rf"{RESULTS}/([^/]+)/rows\.parquet", path or "")
    return found[1] if found and found[1] in config.get("augmentation", {}) else None


def check_secrets(config: Mapping[str, Any]) -> None:
    """Refuse a key that was written into the configuration, without repeating it: before any other check quotes the value.

    Raises:
        UserError: what should be the name of an environment variable is none, or an address holds a password.
    """
    section = config.get("augmentation")
    for name, value in section.items() if isinstance(section, Mapping) else ():
        for part in (value, value.get("solver")) if isinstance(value, Mapping) else ():
            if not isinstance(part, Mapping):
                continue
            key, address = part.get("key"), part.get("address")
            if isinstance(key, str) and (not _VARIABLE.match(key) or _SECRET.fullmatch(key)):
                raise UserError(
                    f"config: augmentation.{name}.key: must be the name of an environment variable, such as OPENAI_API_KEY; a key itself "
                    "belongs into no file: export it and write the variable's name here"
                )
            if isinstance(address, str) and "@" in urlsplit(address).netloc:
                raise UserError(f"config: augmentation.{name}.address: holds a password; use `key`, the name of an environment variable")


def check_entries(config: Mapping[str, Any]) -> None:
    """Refuse entries whose settings contradict each other.

    Raises:
        UserError: see the messages below.
    """
    for name, value in config["augmentation"].items():
        where, this = f"config: augmentation.{name}", Entry.of(value)
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


def missing_key(config: Mapping[str, Any], name: str, environment: Mapping[str, str]) -> str | None:
    """One line where an entry needs a key that the environment does not have, or None."""
    this = Entry.of(config["augmentation"][name])
    for server in (this.proposer, *([this.checker] if this.asks_solver else [])):
        if server.address and server.key and not environment.get(server.key, "").strip():
            return f"augmentation {name}: needs a key, and the environment variable {server.key} is empty; export it and start again"
    return None


def check_stage_data(config: Mapping[str, Any], stage: Mapping[str, Any], where: str) -> None:
    """Refuse a stage whose `data` names no entry, or one that gives it no rows."""
    for what in ("augmented", "repeated"):
        for name in added(stage, what):
            if name not in config["augmentation"]:
                known = ", ".join(config["augmentation"]) or "none"
                raise UserError(f"{where}: data.{what}: unknown entry '{name}' of augmentation; known: {known}")
            if config["augmentation"][name]["kind"] == "solutions":
                raise UserError(
                    f"{where}: data.{what}: '{name}' holds solutions; train on them by solutions: {RESULTS}/{name}/rows.parquet"
                )
    name = product(stage["solutions"], config)
    if name and config["augmentation"][name]["kind"] != "solutions":
        raise UserError(f"{where}: solutions: entry '{name}' of augmentation is of kind {config['augmentation'][name]['kind']}")


def used(config: Mapping[str, Any], stages: list[Mapping[str, Any]]) -> list[str]:
    """Entries that these stages need, each once, in the order of the configuration."""
    named = {name for stage in stages for what in ("augmented", "repeated") for name in added(stage, what)}
    named |= {name for stage in stages if (name := product(stage["solutions"], config)) and stage["algorithm"] == "supervised"}
    return [name for name in config["augmentation"] if name in named]
