"""A causal language model that this workflow trained, and that scores a response by one pass over it: kinds `prm` and `likelihood`.

On a GPU vLLM makes the pass, which serves any architecture (`prompt_logprobs`). On a CPU transformers does: the start of vLLM's
engine takes a minute or more there, a pass of a small model milliseconds.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError
from mathrl.core.hashes import model_sha256
from mathrl.core.provenance import versions
from mathrl.models.checks import check_model
from mathrl.verifiers.interface import code_sha256
from mathrl.verifiers.records import Identity


class OnePass(ABC):
    """See the module.

    Args:
        model: Hugging Face directory.
        accelerator: `cuda` or `cpu`.
        dtype: float32 or bfloat16.
        gpu_memory_utilization: share of a GPU for the engine.
    """

    kind: str
    candidates: int  # most likely tokens at a place, of which vLLM tells the probability

    def __init__(self, model: Path, accelerator: str, dtype: str, gpu_memory_utilization: float = 0.9) -> None:
        check_model(model)
        self._model, self._accelerator, self._dtype, self._memory = model, accelerator, dtype, gpu_memory_utilization
        self.backend = "vllm" if accelerator == "cuda" else "transformers"
        self._loaded: tuple[Any, Any] | None = None
        self.identity: Identity = {
            "kind": self.kind,
            "model": model_sha256(model),
            "dtype": dtype,
            "backend": self.backend,
            "code": code_sha256(Path(str(sys.modules[type(self).__module__].__file__)), SCRIPTS),
            "versions": versions(("vllm", "torch", "transformers")),
        }

    @abstractmethod
    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        """See `mathrl.verifiers.interface.Verifier`."""

    @abstractmethod
    def _try(self, tokenizer: Any) -> None:
        """Raise what a tokenizer raises that no such verifier can have."""

    def check(self) -> None:
        """Refuse a model that cannot score, before anything waits for it.

        Raises:
            UserError: no tokenizer, or a tokenizer or a chat template that no such verifier can have.
        """
        from jinja2 import TemplateError
        from transformers import AutoTokenizer

        try:
            self._try(AutoTokenizer.from_pretrained(str(self._model)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, TemplateError) as error:
            first = str(error).strip().partition("\n")[0]
            raise UserError(
                f"{self._model}: cannot be a verifier of kind {self.kind} ({first}); it needs a tokenizer with a chat template"
            ) from None

    def _load(self) -> tuple[Any, Any]:
        """Tokenizer and what makes a pass: transformers' model, or vLLM's engine on a GPU."""
        if self._loaded is None:
            self._loaded = self._with_vllm() if self.backend == "vllm" else self._with_transformers()
        return self._loaded

    def _with_transformers(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(self._model))
        return tokenizer, AutoModelForCausalLM.from_pretrained(str(self._model), dtype=getattr(torch, self._dtype)).eval()

    def _with_vllm(self) -> tuple[Any, Any]:
        from mathrl.models.engine_start import start_llm

        llm = start_llm(
            self._accelerator,
            model=str(self._model),
            dtype=self._dtype,
            seed=0,
            enable_prefix_caching=False,  # a cached prefix has no prompt_logprobs
            disable_log_stats=True,
            max_logprobs=self.candidates,
            **({"gpu_memory_utilization": self._memory} if self._accelerator == "cuda" else {"enforce_eager": True}),
        )
        return llm.get_tokenizer(), llm
