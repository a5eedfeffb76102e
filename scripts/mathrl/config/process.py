"""The section `reward.process`: verifiers that score the steps of each response in training, and what that does to its reward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from mathrl.config.reward_terms import Term, weights
from mathrl.config.section import Count, Distinct, Positive, PositiveShare, Section, Several, WholeNumber, key, required
from mathrl.config.verifier import VerifierName, Verifiers
from mathrl.config.verifiers import MODELS, Settings, settings
from mathrl.core.files import UserError

LONGEST_TIMEOUT = 480  # seconds; a training that prints nothing for ten minutes counts as hung, and each try that fails prints a line
NOT_BESIDE = {"ensemble": "name its members, and set combine"}
"""Kinds that score no training, and why."""
OF_MODELS = ("gpus", "gpu_memory")
"""Settings of verifiers that are models alone: where they work and how much memory they take, which no score depends on."""

UNDECIDING = ("key_env", "parallel", "max_total_tokens", "max_usd", "usd_per_million")
"""What a verifier is told and no score depends on."""

READ_BY = {
    "weight": ("gate", "blend", "min"),
    "drop": ("filter",),
    "wrong": ("filter",),
    "steps": ("filter",),
    "temperature": ("min",),
}
"""Settings that some modes read alone."""


class Process(Section):
    """A process reward: it looks at the steps of a response, where the other terms look at its answer."""

    verifiers: Annotated[Distinct[VerifierName], Field(min_length=1)] = required(
        "names in `verifiers.named` of those that score the steps, of any kind but ensemble"
    )
    combine: Literal["vote", "min", "mean", "lower_bound"] = key("min", "how the scores of several verifiers become one")
    mode: Literal["gate", "blend", "filter", "min"] = key(
        "gate",
        "gate: a right answer with a flagged step loses `weight`, all others keep their reward; filter: of each group "
        "`drop` responses are not trained on, right ones with the lowest and wrong ones with the highest step scores; "
        "min: a step is rewarded by how near it is to the worst one; blend: `weight` parts of the process score "
        "in the reward, which teaches to please the verifier: for comparison",
    )
    weight: PositiveShare = key(0.5, "gate: what is lost; blend, min: share of the process score in the reward", "reward")
    drop: Count | None = key(None, "filter: responses of each group that are not trained on; null: half of them", "responses")
    wrong: Literal["by_score", "at_random"] = key(
        "by_score", "filter: which wrong answers are dropped: those whose steps score best, or any; for a verifier that is weak"
    )
    steps: Annotated[Several[Count], Field(min_length=2, max_length=2)] = key(
        (2, 30), "filter: fewest and most steps of a sound response; others are dropped first", "steps"
    )
    temperature: Positive = key(0.1, "min: of the softmin over the steps; the lower, the more the worst step counts alone")
    gpus: WholeNumber = key(
        0,
        "prm, likelihood, hf-prm: GPUs of the verifiers alone, besides `training.gpus`; 0: they share the GPUs that train",
        "GPUs per job",
    )
    gpu_memory: PositiveShare | None = key(
        None,
        "prm, likelihood, hf-prm: what each may take; null: 0.2 of a GPU that also trains, else 0.9 divided by the verifiers on that GPU",
        "share of a GPU",
    )

    def dropped(self, responses: int) -> int:
        """Responses that are not trained on, of a group of so many."""
        if self.mode != "filter":
            return 0
        return responses // 2 if self.drop is None else self.drop


def reading(process: Process, section: Verifiers) -> Settings:
    """How the scores of a step are read: one verifier's as it says, those of several as an ensemble's with its defaults."""
    known = settings(section)
    first, *others = process.verifiers
    return Settings("process", "ensemble", own={"of": list(process.verifiers), "combine": process.combine}) if others else known[first]


def part(process: Process, section: Verifiers, models: Mapping[str, str | None] | None = None) -> Verifiers:
    """Of the section `verifiers` what concerns a process reward, for a command line; `models` says where the verifiers' models lie."""
    named = {name: section.named[name] for name in process.verifiers}
    for name, directory in (models or {}).items():
        named[name] = named[name].model_copy(update={"model": directory or named[name].model})
    return Verifiers(named=named, **{name: getattr(section, name) for name in ("batch_size", "timeout", "retries")})


def read(process: Process) -> dict[str, object]:
    """The settings that the mode reads and that decide a reward."""
    told = process.model_dump(exclude=set(OF_MODELS))
    return {name: value for name, value in told.items() if process.mode in READ_BY.get(name, (process.mode,))}


def models(process: Process | None, section: Verifiers) -> list[str]:
    """Names of the verifiers of a process reward that are models of ours: a server holds each of them."""
    known = settings(section)
    return [name for name in process.verifiers if known[name].needs_gpu] if process else []


def deciding(one: Settings) -> dict[str, object]:
    """What of a verifier's settings decides what it scores and how that is read."""
    own = {name: value for name, value in one.own.items() if name not in UNDECIDING}
    return {"kind": one.kind, "threshold": one.threshold, "aggregate": one.aggregate, **own}


def unlimited(process: Process | None, section: Verifiers) -> list[str]:
    """Judges of a process reward that may spend without a limit."""
    known = settings(section)
    names = process.verifiers if process else ()
    return [name for name in names if known[name].kind == "judge" and not {"max_total_tokens", "max_usd"} & set(known[name].own)]


def check(process: Process | None, terms: Mapping[str, float | Term], section: Verifiers, where: str, accelerator: str) -> None:
    """What no schema says.

    Args:
        process: of a reward; null: nothing to refuse.
        terms: of the same reward.
        section: the verifiers of the configuration.
        where: of the reward, for the message.
        accelerator: cuda or cpu.

    Raises:
        UserError: an unknown verifier, one that cannot score beside a training, a setting that nothing reads, or a gate that
            makes a right answer worth less than a wrong one.
    """
    if process is None:
        return
    known = settings(section)
    for name in process.verifiers:
        if name not in known:
            raise UserError(f"config: {where}.verifiers: unknown verifier '{name}'; known: {', '.join(known) or 'none'}")
        if known[name].kind in NOT_BESIDE:
            raise UserError(f"config: {where}.verifiers: '{name}' is of kind {known[name].kind}: {NOT_BESIDE[known[name].kind]}")
    _check_gpus(process, len(models(process, section)), where, accelerator)
    for name, modes in READ_BY.items():
        value = getattr(process, name)
        if process.mode not in modes and value != Process.model_fields[name].default:
            raise UserError(
                f"config: {where}.{name} {value} changes nothing under mode {process.mode}, only under {', '.join(modes)}; remove it"
            )
    if len(process.verifiers) == 1 and process.combine != Process.model_fields["combine"].default:
        raise UserError(f"config: {where}.combine {process.combine} changes nothing with one verifier; remove it, or name another one")
    fewest, most = process.steps
    if fewest > most:
        raise UserError(f"config: {where}.steps [{fewest}, {most}] holds no number of steps; exchange them")
    correct = weights(terms).get("correct")
    if process.mode == "gate" and correct is not None and process.weight > correct:
        raise UserError(
            f"config: {where}.weight {process.weight} is more than the term correct gives, {correct}: a right answer would be worth less "
            "than a wrong one; lower it"
        )
    if section.timeout > LONGEST_TIMEOUT:
        raise UserError(
            f"config: {where}: verifiers.timeout {section.timeout} s: a training that waits so long counts as hung; lower it to "
            f"{LONGEST_TIMEOUT} or less"
        )


def _check_gpus(process: Process, count: int, where: str, accelerator: str) -> None:
    """Refuse GPUs for `count` verifiers that are models where nothing uses them."""
    for name in OF_MODELS:
        value = getattr(process, name)
        if value == Process.model_fields[name].default:
            continue
        if accelerator == "cpu":
            raise UserError(f"config: {where}.{name} {value} changes nothing with accelerator: cpu; remove it")
        if not count:
            kinds = ", ".join(MODELS)
            raise UserError(f"config: {where}.{name} {value} changes nothing without a verifier that is a model ({kinds}); remove it")
    if process.gpus > count:
        raise UserError(f"config: {where}.gpus {process.gpus}: {count} verifier(s) are models, and each works on one GPU; lower it")
