"""Records that the configuration's checks read and write."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class PinRow(TypedDict):
    """A row of the table of downloads, as far as the configuration's checks read it. kind: dataset, benchmark or model."""

    name: str
    kind: str
    source: str
    id: str
    after_training: NotRequired[bool]


class Registered(TypedDict):
    """A line of a register of endpoints. time: UTC. sha256: of the endpoint. checksum: of all of these; earlier versions had none."""

    time: str
    sha256: str
    endpoint: dict[str, object]
    checksum: NotRequired[str]


class VerifierOptions(TypedDict, total=False):
    """What the kind of a verifier was told (`config.verifier.Verifier`), beside what every kind knows."""

    model: str
    dtype: str
    separator: str
    system: str
    url: str
    key_env: str
    prompt: str
    max_tokens: int
    parallel: int
    max_total_tokens: int
    max_usd: float
    usd_per_million: tuple[float, float]
    of: list[str]
    combine: str
    options: dict[str, object]
