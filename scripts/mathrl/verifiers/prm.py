"""The verifier `prm`: a causal language model that this workflow trained to answer `+` or `-` after each step (`dialogue`).

One pass over the dialogue scores all steps: the probability of `+` against `-` at each mark. On a GPU vLLM makes the pass, which
serves any architecture (`prompt_logprobs`). On a CPU transformers does: the start of vLLM's engine takes a minute or more there, a
pass of a small model milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError
from mathrl.core.hashes import model_sha256
from mathrl.core.provenance import versions
from mathrl.models.checks import check_model
from mathrl.verifiers import dialogue
from mathrl.verifiers.interface import code_sha256
from mathrl.verifiers.records import Identity

CANDIDATES = 20  # most likely tokens at a mark, of which vLLM tells the probability
NEGLIGIBLE = 1e-4  # of a score: a `-` that changes it by less is not asked for


class ProcessRewardModel:
    """See the module.

    Args:
        model: Hugging Face directory.
        accelerator: `cuda` or `cpu`.
        dtype: float32 or bfloat16.
        gpu_memory_utilization: share of a GPU for the engine.
    """

    def __init__(self, model: Path, accelerator: str, dtype: str, gpu_memory_utilization: float = 0.9) -> None:
        check_model(model)
        self._model, self._accelerator, self._dtype, self._memory = model, accelerator, dtype, gpu_memory_utilization
        self._loaded: tuple[Any, Any] | None = None
        self.identity: Identity = {
            "kind": "prm",
            "model": model_sha256(model),
            "dtype": dtype,
            "backend": "vllm" if accelerator == "cuda" else "transformers",
            "code": code_sha256(Path(__file__), SCRIPTS),
            "versions": versions(("vllm", "torch", "transformers")),
        }

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        """See `mathrl.verifiers.interface.Verifier`.

        Raises:
            UserError: a tokenizer or a chat template that no such verifier can have, or a dialogue longer than the model's context.
        """
        tokenizer, passes = self._load()
        right, wrong = dialogue.mark_ids(tokenizer)
        asked = [dialogue.tokens(tokenizer, problem, steps) for problem, steps in zip(problems, responses, strict=True)]
        dialogue.check_lengths(self._model, [ids for ids, _ in asked])
        return passes([ids for ids, _ in asked], [places for _, places in asked], right, wrong)

    def check(self) -> None:
        """Refuse a model that cannot score, before anything waits for it.

        Raises:
            UserError: no tokenizer, or a tokenizer or a chat template that no such verifier can have.
        """
        from jinja2 import TemplateError
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(str(self._model))
            dialogue.mark_ids(tokenizer)
            dialogue.tokens(tokenizer, "1 + 1?", ["1 + 1 = 2.", "It is 2."])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, TemplateError) as error:
            first = str(error).strip().partition("\n")[0]
            raise UserError(
                f"{self._model}: cannot be a verifier of kind prm ({first}); it needs a tokenizer with a chat template"
            ) from None

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            self._loaded = self._with_vllm() if self._accelerator == "cuda" else self._with_transformers()
        return self._loaded

    def _with_transformers(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(self._model))
        model = AutoModelForCausalLM.from_pretrained(str(self._model), dtype=getattr(torch, self._dtype)).eval()

        def passes(ids: list[list[int]], places: list[list[int]], right: int, wrong: int) -> list[list[float]]:
            found = []
            for row, marks in zip(ids, places, strict=True):  # one by one: what is scored beside it must not change its last digits
                before = [place - 1 for place in marks]  # the token at a place is predicted at the one before it
                with torch.inference_mode():
                    logits = model(input_ids=torch.tensor([row])).logits[0, before].float()
                found.append(torch.sigmoid(logits[:, right] - logits[:, wrong]).tolist())
            return found

        return tokenizer, passes

    def _with_vllm(self) -> tuple[Any, Any]:
        from vllm import SamplingParams

        from mathrl.models.engine_start import start_llm

        llm = start_llm(
            self._accelerator,
            model=str(self._model),
            dtype=self._dtype,
            seed=0,
            enable_prefix_caching=False,  # a cached prefix has no prompt_logprobs
            disable_log_stats=True,
            max_logprobs=CANDIDATES,
            **({"gpu_memory_utilization": self._memory} if self._accelerator == "cuda" else {"enforce_eager": True}),
        )

        def passes(ids: list[list[int]], places: list[list[int]], right: int, wrong: int) -> list[list[float]]:
            params = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=CANDIDATES)
            made = llm.generate([{"prompt_token_ids": row} for row in ids], params, use_tqdm=False)
            told = [output.prompt_logprobs for output in made]
            marks = [(row, place) for row, own in enumerate(places) for place in own]
            untold = [(row, place) for row, place in marks if not _tells(told[row][place], right, wrong)]
            # A token that alone may be sampled is told with its probability before the others were forbidden.
            only = SamplingParams(max_tokens=1, temperature=0.0, logprobs=1, allowed_token_ids=[wrong])
            prompts = [{"prompt_token_ids": ids[row][:place]} for row, place in untold]
            asked = llm.generate(prompts, only, use_tqdm=False) if untold else []
            found = {mark: output.outputs[0].logprobs[0] for mark, output in zip(untold, asked, strict=True)}
            return [
                [_share(found.get((row, place), {}) | told[row][place], right, wrong) for place in own] for row, own in enumerate(places)
            ]

        return llm.get_tokenizer(), passes


def _tells(candidates: Mapping[int, Any], right: int, wrong: int) -> bool:
    """Whether the candidates tell the score: `wrong` is among them, or less likely than all of them and so next to impossible."""
    least = min((candidate.logprob for token, candidate in candidates.items() if token != right), default=0.0)
    return wrong in candidates or math.exp(min(0.0, least - candidates[right].logprob)) < NEGLIGIBLE


def _share(candidates: Mapping[int, Any], right: int, wrong: int) -> float:
    """Probability of `right` against `wrong`. `right` stands in the text, so that its own is always told."""
    if wrong not in candidates:
        return 1.0
    return 1.0 / (1.0 + math.exp(min(500.0, candidates[wrong].logprob - candidates[right].logprob)))
