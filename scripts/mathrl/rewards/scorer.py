"""The verifiers of a process reward at work: what verl's reward workers hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mathrl.config import process as process_config
from mathrl.config import verifiers
from mathrl.config.messages import parse
from mathrl.config.process import Process
from mathrl.config.verifiers import Settings
from mathrl.core.files import JsonObject
from mathrl.rewards import process
from mathrl.text.reasoning_steps import reasoning_steps
from mathrl.verifiers import beside
from mathrl.verifiers.served import Place


@dataclass(frozen=True)
class Scorer:
    """Scores responses by all verifiers of a process reward."""

    settings: Process
    together: Settings  # how their scores are read
    members: tuple[Settings, ...]
    gatherings: tuple[beside.Gathering, ...]

    @classmethod
    def of(cls, given: JsonObject, store: Path, served: Mapping[str, Place] | None = None) -> Scorer:
        """From what `mathrl.verl.grpo_config` hands to the reward workers: process, verifiers, workers.

        `store` is the folder of kept scores; `served` says where verifiers that are models are.

        Raises:
            UserError: a value that may not be, or a verifier that cannot be had.
        """
        settings = parse(Process, given["process"], "reward.process")
        section = verifiers.read(given["verifiers"], "verifiers")
        known = verifiers.settings(section)
        return cls(
            settings,
            process_config.reading(settings, section),
            tuple(known[name] for name in settings.verifiers),
            tuple(beside.gathered(section, name, store, given["workers"], served) for name in settings.verifiers),
        )

    async def score(self, outcome: Mapping[str, float | str], problem: str, response: str) -> dict[str, float | str]:
        """The outcome of a response with its process reward; `process_seconds` is how long its steps waited for their scores.

        Raises:
            UserError: a verifier refused or failed for good; no score is made up.
        """
        begun = time.monotonic()
        steps = await asyncio.to_thread(reasoning_steps, response)
        scores = await asyncio.gather(*(one.score(problem, steps) for one in self.gatherings)) if steps else [[] for _ in self.members]
        found = process.with_process(outcome, process.verdict(scores, self.together, self.members), self.settings, steps)
        return found | {"process_seconds": time.monotonic() - begun}
