"""What a model is asked for an entry of augmentation: proposals, and the solutions that check them."""

from __future__ import annotations

from collections.abc import Sequence

from mathrl.augmentation import prompts
from mathrl.augmentation.records import Asked, Source
from mathrl.config.entry import Entry, Server
from mathrl.core.files import sha256_text
from mathrl.models.chat import Request


def proposals(entry: Entry, prompt: str, source: Asked | Source, model: str | None = None) -> list[Request]:
    """What is asked about one source problem. `model`: what the model is known by, where that is not its name."""
    text = prompts.filled(prompt, source["problem"], source["answer"])
    made = (model or entry.model, text, entry.temperature, entry.max_tokens)
    return [Request(*made, sample, entry.seed, entry.parameters) for sample in range(entry.per_problem)]


def solutions(entry: Entry, problem: str, model: str | None = None) -> list[Request]:
    """The questions whose answers tell whether a proposed problem's answer holds."""
    text = prompts.filled(prompts.SOLVE, problem)
    made = (model or entry.checker.model, text, entry.holds.temperature, entry.holds.max_tokens)
    return [Request(*made, sample, entry.seed, entry.parameters) for sample in range(entry.holds.k)]


def prompt_hash(text: str) -> str:
    """A prompt's hash as the rows carry it."""
    return sha256_text(text)[:16]


def names(servers: Sequence[Server]) -> str:
    """Servers as a message calls them."""
    return ", ".join(dict.fromkeys(f"{server.model} at {server.address}" for server in servers))
