"""What can be known of the reward's terms without importing anybody's module."""

from __future__ import annotations

import math
from collections.abc import Mapping

OWN_TERMS = ("correct", "format", "answer_format")


def check_names(terms: Mapping[str, float]) -> None:
    """What can be known of the terms without importing anybody's module; ValueError for a weight that is no finite number, a name
    that cannot be one, or two terms of one curve."""
    if not isinstance(terms, Mapping):
        raise ValueError("the reward's terms are no mapping of names to weights")
    if not terms:
        raise ValueError("the reward has no terms")
    for name, weight in terms.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise ValueError(f"the weight of reward term '{name}' is {weight!r}, not a finite number")
        module, _, function = str(name).partition(":")
        if name not in OWN_TERMS and not (module and function):
            raise ValueError(f"reward term '{name}' is neither {', '.join(OWN_TERMS)} nor 'module:function'")
    curves = [curve_name(str(name)) for name in terms]
    for name in curves:
        if curves.count(name) > 1:
            raise ValueError(f"two reward terms would share one curve, 'term_{name}'; rename a function")


def curve_name(term: str) -> str:
    """The key under which a term's value is reported: its own name, or the function's for `module:function`."""
    return term.rpartition(":")[2]
