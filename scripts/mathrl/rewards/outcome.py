"""The reward of a response: a weighted sum of named terms.

The config names the terms and their weights, `{"format": 0.1, "correct": 0.9}` by default. `correct`, `format` (a box is there: the
finalist's rule) and `answer_format` (a box whose content can be read as an answer) are ours. Any other name is `module:function`, a
function `(grade, data_source, response, answer, extra_info) -> float` that is imported by name. So a user adds a term, or a reward
model behind one, without touching this module; each term has its own curve.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from functools import lru_cache

from mathrl.config.reward_terms import check_names, curve_name
from mathrl.data.records import ExtraInfo
from mathrl.grading import STATUSES, Grade, can_be_read, grade

DEFAULT_TERMS = {"format": 0.1, "correct": 0.9}
MAX_PRED_CHARS = 500
"""`pred` is for reading; a megabyte of it would travel through every log."""

Term = Callable[[Grade, str, str, str, ExtraInfo | None], float]

_OWN: dict[str, Term] = {
    "correct": lambda result, *_: float(result.correct),
    "format": lambda result, *_: float(result.format),
    "answer_format": lambda result, *_: float(result.format and can_be_read(result.extracted or "")),
}


@lru_cache(maxsize=64)
def load_term(name: str) -> Term:
    """The function behind a term's name; ValueError where there is none."""
    if name in _OWN:
        return _OWN[name]
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"reward term '{name}' cannot be loaded: {error}") from None
    if not callable(found):
        raise ValueError(f"reward term '{name}' is no function")
    return found


def check_terms(terms: Mapping[str, float]) -> dict[str, float]:
    """The terms as a plain dict; ValueError where `check_names` finds one or a function cannot be loaded."""
    check_names(terms)
    for name in terms:
        load_term(str(name))
    return {str(name): float(weight) for name, weight in terms.items()}


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


def reward(
    data_source: str,
    response: str,
    answer: str,
    extra_info: ExtraInfo | None = None,
    terms: Mapping[str, float] = DEFAULT_TERMS,
) -> dict[str, float | str]:
    """Reward and its parts, as verl wants them.

    `score` is Σ weight × term; `acc` and `format` are 0.0 or 1.0; `pred` and `status` are text (verl drops text from its
    metrics); `term_<name>` is each term before weighing and `status_<status>` is 1.0 for the verdict's status, numeric so
    that verl carries them to TensorBoard. `status_without_problem` is 1.0 where the problem is not known, so that a formula
    copied from it cannot be told.
    """
    problem = problem_of(extra_info)
    result = grade(response, answer, problem, benchmark=data_source)  # the benchmark's name where verl validates
    values = {name: float(load_term(name)(result, data_source, response, answer, extra_info)) for name in terms}
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"reward term '{name}' is {value} for a response; a term must be finite")
    found: dict[str, float | str] = {
        "score": math.fsum(weight * values[name] for name, weight in terms.items()),
        "acc": float(result.correct),
        "format": float(result.format),
        "pred": (result.extracted or "")[:MAX_PRED_CHARS],
        "status": result.status,
    }
    found.update({f"term_{curve_name(name)}": value for name, value in values.items()})
    found.update({f"status_{status}": float(result.status == status) for status in STATUSES})
    found["status_without_problem"] = float(problem is None)
    return found
