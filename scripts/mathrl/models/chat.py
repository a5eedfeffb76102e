"""One request to a served model, what makes it the same request again, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mathrl.core.files import sha256_json
from mathrl.models.records import AnswerRow

PER_MESSAGE = 16  # tokens that a chat template puts around a message, at most


@dataclass(frozen=True)
class Request:
    """A chat turn with its parameters; `sample` tells requests apart that are alike in everything else."""

    model: str
    text: str
    temperature: float
    max_tokens: int
    sample: int
    seed: int | None = 0
    parameters: Mapping[str, object] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """Hash of model, prompt and parameters: its place in the store. The address is no part of it."""
        return sha256_json(
            {
                "model": self.model, "text": self.text, "temperature": self.temperature, "max_tokens": self.max_tokens,
                "sample": self.sample, "seed": self.seed, "parameters": dict(self.parameters),
            }
        )  # fmt: skip

    @property
    def own_seed(self) -> int | None:
        """The seed that the server gets: 31 bits of the key, so that samples differ."""
        return None if self.seed is None else int(self.key[:8], 16) >> 1

    @property
    def prompt_bound(self) -> int:
        """Tokens of the prompt at most: byte-level tokenizers make no more tokens than bytes."""
        return len(self.text.encode()) + PER_MESSAGE


@dataclass(frozen=True)
class Answer:
    """What came back. `finish`: `stop`, `length`, another reason of the server's, or ours: `too long`, `malformed`, `refused`."""

    key: str
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    served_by: str = ""  # the model as the server called it

    def as_dict(self) -> AnswerRow:
        return {
            "key": self.key,
            "text": self.text,
            "finish": self.finish,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "served_by": self.served_by,
        }
