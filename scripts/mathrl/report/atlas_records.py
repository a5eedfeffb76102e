"""Records of the page of a study of many arms."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from mathrl.core.provenance import Provenance
from mathrl.statistics.records import ArmClaim, Came, Cell, Effect, Mean, NetEffect


class AtlasRun(TypedDict):
    """A training of an atlas. score: 0–1. tokens: generated. budget: in tokens. entropy, length (tokens): at its end. flags: told."""

    run: str
    score: float | None
    steps: int | None
    tokens: int | None
    seconds: float | None
    budget: int | None
    entropy: float | None
    length: float | None
    flags: list[str]


class AtlasEffects(TypedDict):
    """An arm's effects: on the base model, on the reference run, and net of the control that gained most."""

    base: Effect | None
    reference: Effect | None
    net: NetEffect | None


class AtlasArm(TypedDict):
    """An arm with its trainings; steps, tokens, seconds, entropy and length: means over them."""

    model: str
    group: str
    control: str | None
    level: str | None
    p_adjusted: float | None
    effects: AtlasEffects
    claim: ArmClaim
    runs: list[AtlasRun]
    steps: Cell | None
    tokens: Cell | None
    seconds: Cell | None
    entropy: Cell | None
    length: Cell | None


class Spending(TypedDict):
    """Whether trainings generated equally many tokens: by how many they are apart, and what a step is worth."""

    equal: bool | None
    worth: NotRequired[float]
    apart: NotRequired[int]
    told: list[str]


class Atlas(TypedDict):
    """All that the page of an atlas says (`atlas.collect`). late: the endpoint was fixed after a first sample of a trained run."""

    schema_version: int
    endpoint: dict[str, object]
    endpoint_told: str
    sha256: str
    registered: list[str]
    late: bool
    reference: str | None
    base: Mean | None
    arms: list[AtlasArm]
    unfinished: list[str]
    expected: list[Came]
    spending: Spending
    visible: str
    claims: list[ArmClaim]
    no_claims: list[ArmClaim]
    provenance: NotRequired[Provenance]
