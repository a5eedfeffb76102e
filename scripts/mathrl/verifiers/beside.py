"""Verifiers beside a training: its rewards ask for one response at a time, from an event loop that must not wait.

What is asked for while a batch is scored becomes the next batch (`mathrl.verifiers.gathering`). Scores are kept as everywhere
(`mathrl.verifiers.kept`), but for those that cost less than to look them up. A model scores in a process of its own
(`mathrl.verifiers.server`), which all reward workers ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mathrl.config.verifier import Verifiers
from mathrl.config.verifiers import Settings, settings
from mathrl.core.files import UserError
from mathrl.verifiers import load
from mathrl.verifiers.gathering import Gathering
from mathrl.verifiers.interface import Verifier
from mathrl.verifiers.kept import Kept
from mathrl.verifiers.one_pass import OnePass
from mathrl.verifiers.served import Place, Served

REMEMBERED = 200_000  # responses; a longer training must not fill the memory of its reward workers
UNKEPT = ("arithmetic",)  # scored again faster than read


def gathered(section: Verifiers, name: str, store: Path, workers: int, served: Mapping[str, Place] | None = None) -> Gathering:
    """The verifier `name`, made for one of so many reward workers: they share what a judge may have in flight.

    Args:
        section: of the configuration.
        name: of the verifier.
        store: folder of kept scores.
        workers: that ask.
        served: where verifiers that are models are served.

    Raises:
        UserError: it cannot be had.
    """
    one = settings(section)[name]
    limits = {key: getattr(section, key) for key in ("timeout", "retries", "batch_size")}
    if one.needs_gpu:
        place = (served or {}).get(name)
        if place is None:
            raise UserError(f"verifier {name}: is a model, and nobody serves it")
        kept = Kept(name, _asked(name, place, section.timeout), store, threshold=one.threshold, remembered=REMEMBERED, **limits)
    else:
        kept = load.make(one, root=store, remembered=REMEMBERED, **limits)
    verifier: Verifier = kept.inner if one.kind in UNKEPT else kept
    return Gathering(verifier, kept.batch_size, max(1, kept.parallel // workers))


def _asked(name: str, place: Place, timeout: float) -> Served:
    try:
        return Served(place, timeout)
    except UserError as error:
        raise UserError(f"verifier {name}: {error}") from None


def check(section: Verifiers, store: Path) -> None:
    """Refuse before a training what could not score in it.

    Raises:
        UserError: a function that cannot be loaded, a judge whose prompt cannot be read, a model that is none.
    """
    for name, one in settings(section).items():
        try:
            made = load.make(one, root=store, timeout=1.0, retries=0, batch_size=1, model=_model(one))
            if isinstance(made.inner, OnePass):
                made.inner.check()
        except UserError as error:
            raise UserError(f"config: verifiers.named.{name}: {error}") from None


def _model(one: Settings) -> Path | None:
    """Directory of a verifier that is a model."""
    return Path(one.own["model"]) if one.needs_gpu else None
