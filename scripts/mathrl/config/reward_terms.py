"""The terms of a reward: their settings, and what can be known of them without importing anybody's module."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from mathrl.config.section import Count, Number, Section, key, required
from mathrl.core import users_code

OWN_TERMS = ("correct", "format", "answer_format")
UNDECIDING = ("batch", "parallel")
"""Settings of a term that its values do not depend on."""


class Term(Section):
    """A reward term of the user's that is told more than the response; a plain number is its weight."""

    weight: Number = required("of the term in the reward")
    arguments: dict[str, JsonValue] = key({}, "keyword arguments of the function")
    timeout: Annotated[Number, Field(gt=0, le=1800)] = key(60.0, "how long a call may take; after it, it has failed", "seconds")
    batch: Count | None = key(None, "a call has lists of up to so many responses; null: one response, without lists", "responses")
    parallel: Count = key(32, "calls at once in each reward worker")
    on_failure: Literal["stop", "zero"] = key(
        "stop",
        "where a call fails: stop: training saves and ends with one line; zero: the term is 0, and the failures are counted",
    )


Terms = dict[str, Number | Term]


def settings(value: float | Term) -> Term:
    """The settings of a term that may be its weight alone."""
    return value if isinstance(value, Term) else Term(weight=value)


def weights(terms: Mapping[str, float | Term | Mapping[str, float]]) -> dict[str, float]:
    """The weight of each term, from models or from JSON."""
    found = {}
    for name, value in terms.items():
        found[name] = value.weight if isinstance(value, Term) else value["weight"] if isinstance(value, Mapping) else value
    return found


def plain(terms: Mapping[str, float | Term]) -> dict[str, JsonValue]:
    """The terms for a process that works elsewhere, as JSON writes them."""
    return {users_code.absolute(name): value.plain() if isinstance(value, Term) else value for name, value in terms.items()}


def deciding(value: float | Term) -> JsonValue:
    """What of a term's settings decides its values. A timeout after which training ends changes none."""
    if not isinstance(value, Term):
        return value
    unread = {*UNDECIDING, *(["timeout"] if value.on_failure == "stop" else [])}
    found = {name: setting for name, setting in value.model_dump().items() if name not in unread}
    return found["weight"] if found == {"weight": value.weight, "arguments": {}, "on_failure": "stop"} else found


def check_names(terms: Mapping[str, float | Term]) -> None:
    """What can be known of the terms without importing anybody's module; ValueError for a weight that is no finite number, a name
    that cannot be one, settings of a term of ours, a file that is missing or lacks the function, or two terms of one curve."""
    if not isinstance(terms, Mapping):
        raise ValueError("the reward's terms are no mapping of names to weights")
    if not terms:
        raise ValueError("the reward has no terms")
    for name, weight in weights(terms).items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise ValueError(f"the weight of reward term '{name}' is {weight!r}, not a finite number")
        module, _, function = str(name).rpartition(":")
        if name not in OWN_TERMS and not (module and function):
            raise ValueError(f"reward term '{name}' is neither {', '.join(OWN_TERMS)} nor 'module:function' nor 'FILE.py:function'")
        if name in OWN_TERMS and not isinstance(terms[name], int | float):
            raise ValueError(f"reward term '{name}' is one of ours, which has a weight alone: write {name}: {weight}")
        users_code.check(str(name), f"reward term '{name}'")
    curves = [curve_name(str(name)) for name in terms]
    for name in curves:
        if curves.count(name) > 1:
            raise ValueError(f"two reward terms would share one curve, 'term_{name}'; rename a function")


def curve_name(term: str) -> str:
    """The key under which a term's value is reported: its own name, or the function's of one of the user's."""
    return term.rpartition(":")[2]
