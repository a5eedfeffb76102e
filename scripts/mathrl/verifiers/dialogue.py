"""A solution as the dialogue that a generative process reward model reads: after each step it answers `+` (right) or `-` (wrong).

RLHFlow's form (github.com/RLHFlow/RLHF-Reward-Modeling, math-rm), through the model's own chat template, so that any causal language
model can be one. The supervised stage trains on the answers alone; the score of a step is the probability of `+` against `-`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError
from mathrl.core.model_context import context

RIGHT, WRONG = "+", "-"


def messages(problem: str, steps: Sequence[str], marks: Sequence[str]) -> list[dict[str, str]]:
    """The dialogue: the first turn is problem and first step, each further turn the next step; a mark answers each."""
    turns: list[dict[str, str]] = []
    for place, (step, mark) in enumerate(zip(steps, marks, strict=True)):
        said = f"{problem}\n{step}" if place == 0 else step
        turns += [{"role": "user", "content": said}, {"role": "assistant", "content": mark}]
    return turns


def tokens(tokenizer: Any, problem: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
    """Token ids of the dialogue with `+` after every step, and the places of these marks among them.

    Raises:
        UserError: the chat template rewrites earlier turns, so that no place can be told.
    """
    problem, steps = without_special(tokenizer, problem, steps)
    turns = messages(problem, steps, [RIGHT] * len(steps))
    whole = tokenizer.apply_chat_template(turns, tokenize=False)
    marks = []
    for end in range(1, len(turns), 2):
        before = tokenizer.apply_chat_template(turns[:end], tokenize=False, add_generation_prompt=True)
        if not whole.startswith(before + RIGHT):
            raise UserError(f"{tokenizer.name_or_path}: its chat template changes earlier turns; it cannot be a verifier of kind prm")
        marks.append(len(before))
    encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    places, wanted = [], iter(marks)
    at = next(wanted, None)
    for place, (begin, end) in enumerate(encoded["offset_mapping"]):
        if at is not None and begin <= at < end:
            places.append(place)
            at = next(wanted, None)
    if len(places) != len(steps):
        raise UserError(f"{tokenizer.name_or_path}: its tokenizer loses the marks after the steps; it cannot be a verifier of kind prm")
    return encoded["input_ids"], places


def without_special(tokenizer: Any, problem: str, steps: Sequence[str], *more: str) -> tuple[str, list[str]]:
    """Problem and steps with a blank for each special or added token: a step could end its turn and write a forged answer to itself.

    Args:
        tokenizer: of the verifier.
        problem, steps: texts.
        more: further texts that have a meaning for the verifier.
    """
    special = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab(), *more} - {RIGHT, WRONG}
    named = sorted((token for token in special if token.strip()), key=len, reverse=True)  # some add runs of blanks
    if not named:
        return problem, list(steps)
    pattern = re.compile("|".join(map(re.escape, named)))

    def blanked(text: str) -> str:
        while (found := pattern.sub(" ", text)) != text:  # a blank may join what stood around a token to another one
            text = found
        return text

    return blanked(problem), [blanked(step) for step in steps]


def check_lengths(model: Path, dialogues: Sequence[Sequence[int]]) -> None:
    """Refuse what a verifier's model cannot read: transformers would score it in silence, and vLLM end the engine's job.

    Args:
        model: Hugging Face directory.
        dialogues: token ids of each.

    Raises:
        UserError: one is longer than the model's context.
    """
    longest, most = max(map(len, dialogues), default=0), context(model)
    if most is not None and longest >= most:  # vLLM makes one token more
        raise UserError(
            f"{model}: a response with its problem takes {longest} tokens, and this verifier reads fewer than {most} "
            "(max_position_embeddings); lower training.max_response_length, or choose a verifier with a longer context"
        )


def mark_ids(tokenizer: Any) -> tuple[int, int]:
    """Token ids of `+` and `-`.

    Raises:
        UserError: a mark is more than one token.
    """
    found = [tokenizer(mark, add_special_tokens=False)["input_ids"] for mark in (RIGHT, WRONG)]
    if any(len(ids) != 1 for ids in found):
        raise UserError(f"{tokenizer.name_or_path}: '+' or '-' is more than one token; it cannot be a verifier of kind prm")
    return found[0][0], found[1][0]
