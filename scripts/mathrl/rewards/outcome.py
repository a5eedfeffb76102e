"""The reward of a response: a weighted sum of named terms.

The config names the terms and their weights, `{"format": 0.1, "correct": 0.9}` by default. `correct`, `format` (a box is there: the
finalist's rule) and `answer_format` (a box whose content can be read as an answer) are ours. Any other name is `FILE.py:function` or
`module:function`, a function `(grade, data_source, response, answer, extra_info) -> float` of the user's. So a user adds a term, or a
reward model behind one, without touching this module; each term has its own curve. `mathrl.rewards.users_terms` calls it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from mathrl.config.messages import parse
from mathrl.config.reward_terms import Term, check_names, curve_name, settings
from mathrl.core import users_code
from mathrl.core.files import UserError
from mathrl.data.records import ExtraInfo
from mathrl.grading import STATUSES, can_be_read, grade
from mathrl.rewards.users_terms import Caller, Sample, Value

Terms = Mapping[str, "float | Term"]
DEFAULT_TERMS: Terms = {"format": 0.1, "correct": 0.9}
MAX_PRED_CHARS = 500
"""`pred` is for reading; a megabyte of it would travel through every log."""

_OWN: dict[str, Callable[..., float]] = {
    "correct": lambda result, *_: float(result.correct),
    "format": lambda result, *_: float(result.format),
    "answer_format": lambda result, *_: float(result.format and can_be_read(result.extracted or "")),
}


@lru_cache(maxsize=64)
def load_term(name: str) -> Callable[..., Any]:
    """The function behind a term's name; ValueError where there is none."""
    if name in _OWN:
        return _OWN[name]
    try:
        return users_code.load(name, f"reward term '{name}' cannot be loaded")
    except UserError as error:
        raise ValueError(str(error)) from None


def check_terms(terms: Mapping[str, object]) -> dict[str, float | Term]:
    """The terms as JSON gives them, made into types; ValueError where `check_names` finds one or a function cannot be loaded."""
    try:
        if isinstance(terms, Mapping):
            read = {str(name): _read(str(name), value) for name, value in terms.items()}
        check_names(read if isinstance(terms, Mapping) else terms)
    except UserError as error:
        raise ValueError(str(error)) from None
    for name in read:
        load_term(name)
    return read


def _read(name: str, value: object) -> Any:
    return parse(Term, value, f"reward term '{name}'") if isinstance(value, Mapping) else value


def problem_of(extra_info: ExtraInfo | None) -> str | None:
    """The text of the problem: `original_problem`, failing that the last user message of `prompt`; None where there is neither."""
    known = extra_info or {}
    problem = known.get("original_problem")
    if isinstance(problem, str) and problem.strip():
        return problem
    prompt = known.get("prompt")
    messages = [prompt] if isinstance(prompt, str) else list(prompt) if prompt is not None else []
    contents = [part.get("content") if isinstance(part, Mapping) and part.get("role") == "user" else part for part in messages]
    return next((content for content in reversed(contents) if isinstance(content, str) and content.strip()), None)


class Rewards:
    """Terms with their functions loaded, for all responses of a process."""

    def __init__(self, terms: Terms = DEFAULT_TERMS) -> None:
        self.weights = {name: settings(term).weight for name, term in terms.items()}
        self.users = {name: Caller(name, settings(term), load_term(name)) for name, term in terms.items() if name not in _OWN}

    def reward(self, data_source: str, response: str, answer: str, extra_info: ExtraInfo | None = None) -> dict[str, float | str]:
        """Reward and its parts, as verl wants them.

        `score` is Σ weight × term; `acc` and `format` are 0.0 or 1.0; `pred` and `status` are text (verl drops text from its
        metrics); `term_<name>` is each term before weighing and `status_<status>` is 1.0 for the verdict's status, numeric so
        that verl carries them to TensorBoard. `failed_<name>` is 1.0 where a term of the user's has no value and counts 0.
        `status_without_problem` is 1.0 where the problem is not known, so that a formula copied from it cannot be told.

        Raises:
            TermFailed: a term of the user's has no value, and is to end the training then.
        """
        sample = graded(data_source, response, answer, extra_info)
        return self.summed(sample, {name: caller.value(sample) for name, caller in self.users.items()})

    async def reward_soon(
        self, data_source: str, response: str, answer: str, extra_info: ExtraInfo | None = None
    ) -> dict[str, float | str]:
        """The same, awaited: nothing waits in a thread while the user's terms work, all of them at once."""
        sample = await asyncio.to_thread(graded, data_source, response, answer, extra_info)
        values = await asyncio.gather(*(caller.value_soon(sample) for caller in self.users.values()))
        return self.summed(sample, dict(zip(self.users, values, strict=True)))

    def without_users(self, data_source: str, response: str, answer: str, extra_info: ExtraInfo | None = None) -> dict[str, float | str]:
        """The same keys, with all of the user's terms failed and no reward: nothing is learnt from it."""
        sample = graded(data_source, response, answer, extra_info)
        return self.summed(sample, dict.fromkeys(self.users, Value(0.0, failed=True))) | {"score": 0.0}

    def summed(self, sample: Sample, users: Mapping[str, Value]) -> dict[str, float | str]:
        """The reward of a graded response from the values of the user's terms."""
        result = sample.grade
        values = {name: users[name].number if name in users else _OWN[name](result) for name in self.weights}
        found: dict[str, float | str] = {
            "score": math.fsum(weight * values[name] for name, weight in self.weights.items()),
            "acc": float(result.correct),
            "format": float(result.format),
            "pred": (result.extracted or "")[:MAX_PRED_CHARS],
            "status": result.status,
        }
        found.update({f"term_{curve_name(name)}": value for name, value in values.items()})
        found.update({f"failed_{curve_name(name)}": float(value.failed) for name, value in users.items() if self._may_fail(name)})
        found.update({f"status_{status}": float(result.status == status) for status in STATUSES})
        found["status_without_problem"] = float(problem_of(sample.extra_info) is None)
        return found

    def _may_fail(self, name: str) -> bool:
        return self.users[name].term.on_failure == "zero"


def graded(data_source: str, response: str, answer: str, extra_info: ExtraInfo | None = None) -> Sample:
    """A response with the grader's verdict; `data_source` is the benchmark's name where verl validates."""
    verdict = grade(response, answer, problem_of(extra_info), benchmark=data_source)
    return Sample(verdict, data_source, response, answer, extra_info)


def reward(
    data_source: str, response: str, answer: str, extra_info: ExtraInfo | None = None, terms: Terms = DEFAULT_TERMS
) -> dict[str, float | str]:
    """`Rewards.reward` of one response."""
    return Rewards(terms).reward(data_source, response, answer, extra_info)
