"""The section `verifiers` of a configuration: who scores, which runs become verifiers, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from mathrl.config.messages import parse
from mathrl.config.reading import Raw
from mathrl.config.records import VerifierOptions
from mathrl.config.verifier import FOR_ALL, Verifiers
from mathrl.core import users_code
from mathrl.core.files import UserError

LABELS = "results/verifiers/labels.parquet"  # what a run trains on that becomes a verifier: solutions of `training`
ACCEPTED = "results/verifiers/accepted.parquet"  # solutions that grader and verifier accept, for rejection sampling
MADE_HERE = (LABELS, ACCEPTED)
OWN_KINDS = ("arithmetic", "prm", "likelihood", "hf-prm", "judge", "ensemble")
TRAINED_HERE = ("prm", "likelihood")  # kinds whose model may be a run
MODELS = (*TRAINED_HERE, "hf-prm")  # kinds that are a model of ours
FUNCTION = re.compile(r"(?:[^:]+\.py|[A-Za-z_][\w.]*):[A-Za-z_]\w*")
# What a kind may say, and must say (first).
KEYS = {
    "arithmetic": ((), ()),
    "prm": (("model",), ("dtype",)),
    "likelihood": (("model",), ("dtype", "separator")),
    "hf-prm": (("model",), ("dtype", "separator", "system")),
    "judge": (("model", "url"), ("key_env", "prompt", "max_tokens", "parallel", "max_total_tokens", "max_usd", "usd_per_million")),
    "ensemble": (("of",), ("combine",)),
    "function": ((), ("options",)),
}


@dataclass(frozen=True)
class Settings:
    """One verifier: its name, kind, what its kind needs, and how its scores are read."""

    name: str
    kind: str  # one of OWN_KINDS, FILE.py:function or module:function
    threshold: float = 0.5  # a step below it is flagged
    aggregate: str = "min"  # of a response's steps
    own: VerifierOptions = field(default_factory=VerifierOptions)

    @property
    def of(self) -> list[str]:
        """Members of an ensemble."""
        return list(self.own.get("of", [])) if self.kind == "ensemble" else []

    @property
    def needs_gpu(self) -> bool:
        """Whether a model of ours scores."""
        return self.kind in MODELS


def read(value: Raw, where: str) -> Verifiers:
    """The section that a mapping stands for, or what of it a command line hands on.

    Raises:
        UserError: an unknown key, or a value that may not be; the line begins with `where`.
    """
    return parse(Verifiers, value, where)


def settings(section: Verifiers) -> dict[str, Settings]:
    """The verifiers of the section, by name; `check` says what is wrong with them."""
    return {name: Settings(name, one.kind, one.threshold, one.aggregate, one.own) for name, one in section.named.items()}


def scorers(section: Verifiers, wanted: list[str] | None = None) -> list[str]:
    """Names of the verifiers that score by themselves: those `wanted` (default: `use`) and the members of wanted ensembles."""
    known = settings(section)
    names = [part for name in (section.use if wanted is None else wanted) for part in (known[name].of or [name])]
    return list(dict.fromkeys(names))


def trained_runs(section: Verifiers, runs: Collection[str]) -> list[str]:
    """Runs whose model is a verifier."""
    models = [one.model for one in section.named.values() if one.kind in TRAINED_HERE and one.model]
    return [name for name in dict.fromkeys(models) if name in runs]


def check(section: Verifiers) -> None:
    """What no schema says.

    Raises:
        UserError: a kind without what it needs or with what it does not know, an unknown name, an ensemble in an ensemble.
    """
    known = settings(section)
    for name, one in known.items():
        where = f"config: verifiers.named.{name}"
        if one.kind not in OWN_KINDS and not FUNCTION.fullmatch(one.kind):
            raise UserError(f"{where}: kind '{one.kind}' is neither {', '.join(OWN_KINDS)} nor FILE.py:function nor module:function")
        users_code.check(one.kind, f"{where}.kind")
        needed, allowed = KEYS[one.kind if one.kind in OWN_KINDS else "function"]
        for key in needed:
            if not one.own.get(key):
                raise UserError(f"{where}: kind {one.kind} needs the key '{key}'")
        for key in one.own:
            if key not in (*needed, *allowed):
                may_say = ", ".join((*FOR_ALL, *needed, *allowed))
                raise UserError(f"{where}: kind {one.kind} has no key '{key}'; it has: {may_say}")
        if one.kind == "likelihood" and one.own.get("separator", " ").strip():  # it could complete a special token of two steps
            raise UserError(f"{where}: separator '{one.own['separator']}' of kind likelihood: only spaces and line ends may part two steps")
        for part in one.of:
            if part not in known:
                raise UserError(f"{where}: of: unknown verifier '{part}'; known: {', '.join(known)}")
            if known[part].kind == "ensemble":
                raise UserError(f"{where}: of: '{part}' is an ensemble itself; name its members")
        limited = {"max_usd", "usd_per_million"} & set(one.own)
        if len(limited) == 1:
            raise UserError(f"{where}: max_usd and usd_per_million belong together; add the other one")
    labels = section.labels
    asked = {"use": section.use, "labels.agree": (labels.agree,), "labels.accept": (labels.accept,)}
    for key, names in asked.items():
        for name in filter(None, names):
            if name not in known:
                raise UserError(f"config: verifiers.{key}: unknown verifier '{name}'; known: {', '.join(known) or 'none'}")
            if key != "use" and known[name].kind == "ensemble":
                raise UserError(f"config: verifiers.{key}: '{name}' is an ensemble; name one verifier")
    if labels.lost >= labels.solvable:
        raise UserError(f"config: verifiers.labels: lost {labels.lost} is not below solvable {labels.solvable}; a drop needs both")
