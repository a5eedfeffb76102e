"""The workflow's own engine instead of a server: all requests of a kind in one batch, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mathrl.augmentation.records import Source
from mathrl.augmentation.store import Store
from mathrl.augmentation.work import Plan, Progress
from mathrl.config import evaluation
from mathrl.config.sources import Prompt
from mathrl.models import spending
from mathrl.models.chat import Answer, Request
from mathrl.models.spending import Cost, fits

BATCH = 256  # requests that a kill costs at most


class Engine:
    """vLLM on a Hugging Face directory, started when it is first asked."""

    def __init__(self, model: Path, settings: evaluation.Engine, accelerator: str, most_tokens: int) -> None:
        self._model, self._settings, self._accelerator, self._most = model, settings, accelerator, most_tokens
        self._llm: Any = None
        self._parameters: Any = None

    def answers(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer for each request, in order; one that does not fit the model's context is `refused`."""
        if self._llm is None:
            self._start(requests)
        limit = self._llm.llm_engine.model_config.max_model_len
        tokenizer = self._llm.get_tokenizer()
        ids = [self._ids(tokenizer, request.text) for request in requests]
        rooms = [min(request.max_tokens, limit - len(tokens)) for request, tokens in zip(requests, ids, strict=True)]
        fitting = [place for place, room in enumerate(rooms) if room > 0]
        made = self._llm.generate(
            [{"prompt_token_ids": ids[place]} for place in fitting],
            [self._drawn(requests[place], rooms[place]) for place in fitting],
            use_tqdm=False,
        )
        found = dict(zip(fitting, made, strict=True))
        return [self._answer(request, len(ids[place]), found.get(place)) for place, request in enumerate(requests)]

    def _start(self, requests: Sequence[Request]) -> None:
        from mathrl.evaluation import sampling

        # Later requests hold what was proposed: their text may be longer by as many characters as an answer has.
        longest = max((request.text for request in requests), key=len) + "x" * 4 * self._most
        self._llm, self._parameters = sampling.start_engine(
            self._model,
            {"augmentation": evaluation.FINALIST.sampling.changed(max_tokens=self._most)},
            self._settings,
            self._accelerator,
            [sampling.Request("augmentation", "", "", 0, longest)],
            Prompt(instruction="", separator=""),
        )

    @staticmethod
    def _ids(tokenizer: Any, text: str) -> list[int]:
        shown = tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
        return tokenizer(shown, add_special_tokens=False)["input_ids"]

    def _drawn(self, request: Request, room: int) -> Any:
        return self._parameters(temperature=request.temperature, max_tokens=room, seed=request.own_seed)

    def _answer(self, request: Request, prompt_tokens: int, output: Any) -> Answer:
        if output is None:
            return Answer(request.key, "", "refused", 0, 0, self._model.name)
        made = output.outputs[0]
        text = made.text.encode(errors="replace").decode()
        return Answer(request.key, text, str(made.finish_reason), prompt_tokens, len(made.token_ids), self._model.name)


def with_engine(plan: Plan, store: Store, sources: Sequence[Source], engine: Engine) -> Progress:
    """Make what the store lacks, in two batches: proposals, then checks. Sources that the budget does not reach are counted."""
    progress = Progress()
    asked = []
    planned = Cost()
    for source in sources:
        wanted = plan.bound(source, store.answers)
        if wanted.requests and not fits(plan.entry.budget, store.spent, planned + wanted):
            progress.not_asked += 1
            continue
        planned += wanted
        asked.append(source)
    _batch([request for source in asked for request in plan.proposals(source)], plan, store, engine, progress)
    _batch([check for source in asked for check in plan.checks(source, store.answers)], plan, store, engine, progress)
    return progress


def _batch(requests: Sequence[Request], plan: Plan, store: Store, engine: Engine, progress: Progress) -> None:
    missing = list({request.key: request for request in requests if request.key not in store.answers}.values())
    for start in range(0, len(missing), BATCH):
        reserved: dict[str, Request] = {}
        for request in missing[start : start + BATCH]:
            bound = spending.bound(request, plan.entry.prices)
            if fits(plan.entry.budget, store.spent, bound):
                reserved[store.reserve(bound, request.key)] = request
            else:
                progress.given_up += 1
        progress.sent += len(reserved)
        for name, answer in zip(reserved, engine.answers(list(reserved.values())) if reserved else [], strict=True):
            store.keep(name, spending.paid(answer, plan.entry.prices), answer)
