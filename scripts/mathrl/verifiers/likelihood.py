"""The verifier `likelihood`: how far a step departs from what a model expects that writes right solutions.

The score of a step is the smallest p(token) / p(most likely token) of its tokens, each after the problem and all before it. No label
is needed: the model is a policy, or the supervised stage trained it on right solutions alone. It measures surprise, so that a right
step in unusual words scores low too, and what the model itself gets wrong scores high. A related score, a sum over tokens against a
second model, is the implicit process reward of arXiv 2412.01981.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mathrl.verifiers import dialogue
from mathrl.verifiers.one_pass import OnePass


class StepLikelihood(OnePass):
    """See the module.

    Args:
        model, accelerator, dtype, gpu_memory_utilization: see `OnePass`.
        separator: what the model writes between two steps.
    """

    kind = "likelihood"
    candidates = 1  # the token that stands there is told besides

    def __init__(self, model: Path, accelerator: str, dtype: str, gpu_memory_utilization: float = 0.9, separator: str = " ") -> None:
        super().__init__(model, accelerator, dtype, gpu_memory_utilization)
        self._separator = separator
        self.identity = {**self.identity, "separator": separator}

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        """See `mathrl.verifiers.interface.Verifier`.

        Raises:
            UserError: a response longer than the model's context.
        """
        tokenizer, model = self._load()
        asked = [tokens(tokenizer, problem, steps, self._separator) for problem, steps in zip(problems, responses, strict=True)]
        dialogue.check_lengths(self._model, [ids for ids, _ in asked])
        ratios = {"vllm": _ratios_of_vllm, "transformers": _ratios_of_transformers}
        found = ratios[self.backend](model, [ids for ids, _ in asked])
        # numpy's minimum, as a damaged model gives NaN, which Python's may leave out; nothing is unexpected in a step without a token
        return [
            [float(np.min([row[place] for place in own])) if own else 1.0 for own in places]
            for row, (_, places) in zip(found, asked, strict=True)
        ]

    def _try(self, tokenizer: Any) -> None:
        if not tokenizer.is_fast:
            raise ValueError("its tokenizer does not say where in the text a token stands, which tokenizer.json makes it do")
        tokens(tokenizer, "1 + 1?", ["1 + 1 = 2.", "It is 2."], self._separator)


def tokens(tokenizer: Any, problem: str, steps: Sequence[str], separator: str) -> tuple[list[int], list[list[int]]]:
    """Token ids of the problem and the response, and for each step the places of its tokens.

    The first token of a step does not count: how a step begins is a choice of words, and hangs on the separator. A step of one token
    has that one.
    """
    problem, steps = dialogue.without_special(tokenizer, problem, steps)
    text = tokenizer.apply_chat_template([{"role": "user", "content": problem}], tokenize=False, add_generation_prompt=True)
    spans: list[tuple[int, int]] = []
    for place, step in enumerate(steps):
        text += separator if place else ""
        spans.append((len(text), len(text) + len(step)))
        text += step
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    places: list[list[int]] = [[] for _ in steps]
    number = 0
    for at, (begin, end) in enumerate(encoded["offset_mapping"]):
        while number < len(spans) and begin >= spans[number][1]:
            number += 1
        reached = number
        while reached < len(spans) and spans[reached][0] < end:
            places[reached].append(at)
            reached += 1
    return encoded["input_ids"], [own[1:] or own for own in places]


def _ratios_of_transformers(model: Any, rows: Sequence[list[int]]) -> list[list[float]]:
    import torch

    found = []
    for row in rows:  # one by one: what is scored beside it must not change its last digits
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([row])).logits[0, :-1].float()
        said = logits.gather(1, torch.tensor(row[1:])[:, None])[:, 0]
        found.append([1.0, *torch.exp(said - logits.max(1).values).tolist()])  # nothing is expected of the first token
    return found


def _ratios_of_vllm(llm: Any, rows: Sequence[list[int]]) -> list[list[float]]:
    from vllm import SamplingParams

    params = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=StepLikelihood.candidates)
    made = llm.generate([{"prompt_token_ids": row} for row in rows], params, use_tqdm=False)
    return [
        [1.0, *(_ratio(told, token) for told, token in zip(output.prompt_logprobs[1:], row[1:], strict=True))]
        for output, row in zip(made, rows, strict=True)
    ]


def _ratio(told: Mapping[int, Any], token: int) -> float:
    """Of the token that stands there to the most likely one."""
    return math.exp(told[token].logprob - float(np.max([one.logprob for one in told.values()])))
