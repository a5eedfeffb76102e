"""Scores that a study is expected to reach, as others published them: whoever runs it learns whether the machine does what theirs did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import StringConstraints

from mathrl.config.section import Name, Section, Share, key, required
from mathrl.core.files import UserError

if TYPE_CHECKING:
    from mathrl.config.experiment import Configuration

MEAN = "mean"


class Band(Section):
    """A band for the score of one model, and where it is from."""

    run: Name = required("a run, or base for the untrained model")
    benchmark: Name = required("a name in benchmarks, or mean for the mean over all of them")
    low: Share = required("lowest score that is expected", "0 to 1")
    high: Share = required("highest score that is expected", "0 to 1")
    source: Annotated[str, StringConstraints(min_length=1)] = required("who measured it, and how")
    protocol: Name | None = key(None, "a name of evaluation.protocols; null for evaluation.primary")
    metric: Literal["pass@1", "pass@1_strict", "pass@1_lenient", "greedy", "maj@n"] = key("pass@1", "metric of that score")


def check(config: Configuration) -> None:
    """Refuse a band that nothing is ever compared with, or that no score can be in.

    Raises:
        UserError: the first one.
    """
    for number, band in enumerate(config.evaluation.expected):
        where = f"config: evaluation.expected.{number}"
        if band.low > band.high:
            raise UserError(f"{where}: low {band.low} is more than high {band.high}; write the lower one first")
        if band.run != "base" and not any(run == band.run or run.startswith(f"{band.run}-seed-") for run in config.runs):
            raise UserError(f"{where}.run: unknown run '{band.run}'; known: base, {', '.join(config.runs)}")
        if band.benchmark not in (MEAN, *config.benchmarks):
            raise UserError(f"{where}.benchmark: '{band.benchmark}' is not in benchmarks: {', '.join(config.benchmarks)}, or {MEAN}")
        name = band.protocol or config.evaluation.primary
        if name not in config.evaluation.select:
            known = ", ".join(config.evaluation.select)
            raise UserError(f"{where}.protocol: '{name}' is not in evaluation.select: {known}; add it there")
        protocol = config.evaluation.protocols[name]
        if not (protocol.greedy if band.metric == "greedy" else protocol.n or band.metric == "pass@1"):
            asked = "greedy: true" if band.metric == "greedy" else "n: 1"
            raise UserError(f"{where}.metric: protocol {name} makes no responses for {band.metric}; write {asked} there")
