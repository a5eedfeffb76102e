"""The endpoint of a study: what it will be judged by, written down with time and hash before the first sample of a trained run."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mathrl.config.experiment import Configuration
from mathrl.config.records import Registered
from mathrl.config.runs import is_arm
from mathrl.core import own_checksum
from mathrl.core.files import UserError, parse_json, sha256_json

REGISTER = Path("checkpoints/endpoints.jsonl")
"""Outside all declared outputs, so that no rerun replaces it: a line per endpoint that this folder ever had."""
TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Endpoint:
    """One number that decides: a metric under a protocol, its mean over benchmarks, and what runs are compared with.

    Attributes:
        protocol: a name of `evaluation.protocols`, with its settings in `settings`.
        benchmarks: whose unweighted mean counts, as the contest counts it.
        metric: as `evaluation.endpoint.metric` may be.
        against: the base model and runs (groups of replicates) that every run is compared with.
        inverse_variance: whether a mean with weights by the base model's variance on each benchmark stands beside it.
        settings: sampling and judge of the protocol.
        expected: what is expected of runs, as JSON; it is hashed only where there is something, so that older registers hold.
    """

    protocol: str
    benchmarks: tuple[str, ...]
    metric: str = "pass@1"
    against: tuple[str, ...] = ("base", "grpo")
    inverse_variance: bool = False
    settings: str = "{}"
    expected: str = "[]"

    @classmethod
    def of(cls, config: Configuration) -> Endpoint:
        """The endpoint of a configuration; what `evaluation.endpoint` does not name is all benchmarks and pass@1 under `primary`."""
        evaluation = config.evaluation
        own, protocols = evaluation.endpoint, evaluation.select
        protocol = evaluation.primary if evaluation.primary in protocols else protocols[0]
        settings = evaluation.protocols.get(protocol)  # a part of a configuration need not hold it
        return cls(
            protocol=protocol,
            benchmarks=own.benchmarks or config.benchmarks,
            metric=own.metric,
            against=own.against,
            inverse_variance=own.inverse_variance,
            settings=json.dumps(settings.plain() if settings else {}, sort_keys=True),
            expected=json.dumps([one.model_dump() for one in own.expected], sort_keys=True),
        )

    @property
    def sha256(self) -> str:
        """Hash of all of it."""
        return sha256_json(self.plain())

    def plain(self) -> dict[str, object]:
        """As it is registered."""
        content = asdict(self)
        if content["expected"] == "[]":
            del content["expected"]
        return content

    def told(self) -> str:
        """In words."""
        return (
            f"{self.metric} under {self.protocol}, unweighted mean over {', '.join(self.benchmarks)}, "
            f"each run against {' and '.join(self.against)}"
        )


def check(config: Configuration) -> None:
    """Refuse an endpoint that nobody measures.

    Raises:
        UserError: a benchmark or a metric that the study does not have.
    """
    own, primary = config.evaluation.endpoint, config.evaluation.primary
    for name in own.benchmarks or ():
        if name not in config.benchmarks:
            raise UserError(f"config: evaluation.endpoint.benchmarks: '{name}' is not in benchmarks: {', '.join(config.benchmarks)}")
    for name in own.against:
        if name != "grpo":  # the default; a study without it has one comparison less
            _check_run(config, name, "against")
    metrics = {"metric": own.metric}
    for place, one in enumerate(own.expected):
        for name in (one.run, one.over):
            _check_run(config, name, f"expected.{place}")
        metrics[f"expected.{place}.metric"] = one.metric or own.metric
    settings = config.evaluation.protocols[primary]
    for key, metric in metrics.items():
        if metric == "greedy" and not settings.greedy:
            raise UserError(f"config: evaluation.endpoint.{key} greedy: protocol {primary} has no greedy response")
        if metric != "greedy" and metric != "pass@1" and not settings.n:
            raise UserError(f"config: evaluation.endpoint.{key} {metric}: protocol {primary} has greedy responses alone")


def _check_run(config: Configuration, name: str, key: str) -> None:
    if not is_arm(config, name):
        raise UserError(f"config: evaluation.endpoint.{key}: unknown run '{name}'; known: base, {', '.join(config.runs)}")


def register(config: Configuration, path: Path = REGISTER) -> bool:
    """Append the endpoint with the time (UTC) unless it is the last one of `path`; returns whether it did."""
    endpoint = Endpoint.of(config)
    known = registered(path)
    if known and known[-1]["sha256"] == endpoint.sha256:
        return False
    now = time.strftime(TIME, time.gmtime())
    row = {"time": now, "sha256": endpoint.sha256, "endpoint": endpoint.plain()}
    line = json.dumps({**row, "checksum": sha256_json(row)}, sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        whole = not file.seek(0, os.SEEK_END) or (file.seek(-1, os.SEEK_END) >= 0 and file.read(1) == b"\n")
        file.write(("" if whole else "\n").encode() + line.encode() + b"\n")  # a line that a kill cut off swallows no other
        file.flush()
        os.fsync(file.fileno())
    return True


def registered(path: Path = REGISTER) -> list[Registered]:
    """Every endpoint of a register, in order: {time, sha256, endpoint}; lines that are not as they were written are left out."""
    return [row for row in _lines(path) if row]


def damaged(path: Path = REGISTER) -> int:
    """How many lines of a register are not as they were written: cut off by a kill, or edited (a line's hash is that of its endpoint)."""
    return sum(row is None for row in _lines(path))


def _lines(path: Path) -> list[Registered | None]:
    if not path.is_file():
        return []
    return [_row(line) for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if line.strip()]


def _row(line: str) -> Registered | None:
    try:
        row = parse_json(line)
        time.strptime(row["time"], TIME)
        kept = {key: row[key] for key in ("checksum",) if key in row}  # earlier versions wrote none
        whole = own_checksum.holds(row) and isinstance(row["endpoint"], dict) and row["sha256"] == sha256_json(row["endpoint"])
        return row | kept if whole else None
    except (KeyError, TypeError, ValueError):
        return None


def changes(entries: Sequence[Registered]) -> list[str]:
    """What each later entry of a register changed, in words: `metric: pass@1 → greedy`."""
    told = []
    for before, after in itertools.pairwise(entries):
        keys = sorted({*before["endpoint"], *after["endpoint"]})
        parts = [
            f"{key}: {_short(before['endpoint'].get(key))} → {_short(after['endpoint'].get(key))}"
            for key in keys
            if before["endpoint"].get(key) != after["endpoint"].get(key)
        ]
        told.append("; ".join(parts) or "the same again")
    return told


def _short(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
