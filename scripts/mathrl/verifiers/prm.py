"""The verifier `prm`: a causal language model that this workflow trained to answer `+` or `-` after each step (`dialogue`).

One pass over the dialogue (`one_pass`) scores all steps: the probability of `+` against `-` at each mark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mathrl.verifiers import dialogue
from mathrl.verifiers.one_pass import OnePass

NEGLIGIBLE = 1e-4  # of a score: a `-` that changes it by less is not asked for


class ProcessRewardModel(OnePass):
    """See the module."""

    kind = "prm"
    candidates = 20

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        """See `mathrl.verifiers.interface.Verifier`.

        Raises:
            UserError: a tokenizer or a chat template that no such verifier can have, or a dialogue longer than the model's context.
        """
        tokenizer, model = self._load()
        right, wrong = dialogue.mark_ids(tokenizer)
        asked = [dialogue.tokens(tokenizer, problem, steps) for problem, steps in zip(problems, responses, strict=True)]
        dialogue.check_lengths(self._model, [ids for ids, _ in asked])
        passes = {"vllm": _passes_of_vllm, "transformers": _passes_of_transformers}
        return passes[self.backend](model, asked, right, wrong)

    def _try(self, tokenizer: Any) -> None:
        dialogue.mark_ids(tokenizer)
        dialogue.tokens(tokenizer, "1 + 1?", ["1 + 1 = 2.", "It is 2."])


Asked = Sequence[tuple[list[int], list[int]]]
"""Token ids of each dialogue, and the places of its marks."""


def _passes_of_transformers(model: Any, asked: Asked, right: int, wrong: int) -> list[list[float]]:
    import torch

    found = []
    for row, marks in asked:  # one by one: what is scored beside it must not change its last digits
        before = [place - 1 for place in marks]  # the token at a place is predicted at the one before it
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([row])).logits[0, before].float()
        found.append(torch.sigmoid(logits[:, right] - logits[:, wrong]).tolist())
    return found


def _passes_of_vllm(llm: Any, asked: Asked, right: int, wrong: int) -> list[list[float]]:
    from vllm import SamplingParams

    params = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=ProcessRewardModel.candidates)
    made = llm.generate([{"prompt_token_ids": ids} for ids, _ in asked], params, use_tqdm=False)
    told = [output.prompt_logprobs for output in made]
    marks = [(row, place) for row, (_, own) in enumerate(asked) for place in own]
    untold = [(row, place) for row, place in marks if not _tells(told[row][place], right, wrong)]
    # A token that alone may be sampled is told with its probability before the others were forbidden.
    only = SamplingParams(max_tokens=1, temperature=0.0, logprobs=1, allowed_token_ids=[wrong])
    prompts = [{"prompt_token_ids": asked[row][0][:place]} for row, place in untold]
    more = llm.generate(prompts, only, use_tqdm=False) if untold else []
    found = {mark: output.outputs[0].logprobs[0] for mark, output in zip(untold, more, strict=True)}
    return [[_share(found.get((row, place), {}) | told[row][place], right, wrong) for place in own] for row, (_, own) in enumerate(asked)]


def _tells(candidates: Mapping[int, Any], right: int, wrong: int) -> bool:
    """Whether the candidates tell the score: `wrong` is among them, or less likely than all of them and so next to impossible."""
    least = min((candidate.logprob for token, candidate in candidates.items() if token != right), default=0.0)
    return wrong in candidates or math.exp(min(0.0, least - candidates[right].logprob)) < NEGLIGIBLE


def _share(candidates: Mapping[int, Any], right: int, wrong: int) -> float:
    """Probability of `right` against `wrong`. `right` stands in the text, so that its own is always told."""
    if wrong not in candidates:
        return 1.0
    return 1.0 / (1.0 + math.exp(min(500.0, candidates[wrong].logprob - candidates[right].logprob)))
