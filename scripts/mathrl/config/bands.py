"""Checks of `evaluation.bands`: scores that others published, as bands for those of this study."""

from __future__ import annotations

from mathrl.config.evaluation import MEAN
from mathrl.config.experiment import Configuration
from mathrl.config.runs import is_arm
from mathrl.core.files import UserError


def check(config: Configuration) -> None:
    """Refuse a band that nothing is ever compared with, or that no score can be in.

    Raises:
        UserError: the first one.
    """
    for number, band in enumerate(config.evaluation.bands):
        where = f"config: evaluation.bands.{number}"
        if band.low > band.high:
            raise UserError(f"{where}: low {band.low} is more than high {band.high}; write the lower one first")
        if not is_arm(config, band.run):
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
