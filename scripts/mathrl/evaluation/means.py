"""Per-problem values behind a metric of an eval JSON, their mean over benchmarks, and the usual clustered error beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import cast

import numpy as np

from mathrl.evaluation.metrics import pass_at_k
from mathrl.evaluation.records import Evaluation
from mathrl.statistics.intervals import combine, mean_estimate, mean_interval
from mathrl.statistics.records import Cell, Column, Mean, measured

_COUNTED: dict[str, Column] = {"pass@1": "correct", "pass@1_strict": "strict", "pass@1_lenient": "lenient", "boxed_rate": "boxed"}
_SUBSETS = ("clean", "contaminated")
BY = " by "  # a metric by a verifier lies below `verifiers` in the eval JSON


def cell(result: Evaluation | None, metric: str) -> Cell | None:
    """{value, low, high, n} of one metric of an eval JSON; None where it is not there."""
    if result is None:
        return None
    if BY in metric:
        name, _, verifier = metric.partition(BY)
        found = result.get("verifiers", {}).get(verifier)
        return cast(Cell | None, found and found.get(name))
    if metric in _SUBSETS:
        subset = result.get("clean_subset", {})
        part = cast(Cell | None, subset.get(metric) if subset.get("available") else None)
        return part if part and part["n"] else None
    if metric in ("maj@n", "avg@n"):
        names = [name for name in result["metrics"] if name.startswith(metric[:4])]
        return result["metrics"][names[0]] if names else None
    return result["metrics"].get(metric)


def problem_values(result: Evaluation, metric: str) -> tuple[np.ndarray, float] | None:
    """One value in [0, 1] per problem, whose mean is the metric, and the samples behind each; None for metrics that are no such mean."""
    columns = result["per_problem"]
    if metric.startswith("greedy"):
        part = cell(result, metric)
        if not measured(part):
            return None
        right = round(part["value"] * part["n"])  # greedy_strict and greedy_lenient have no column, and their order does not matter
        return np.repeat([1.0, 0.0], [right, part["n"] - right]), 1.0
    if metric == "maj@n":
        values = [value for value in columns.get("majority", []) if value is not None]
        return (np.array(values, dtype=float), 1.0) if values else None
    if metric in _SUBSETS and "contaminated" in columns:
        removing = set(result["clean_subset"].get("removing", ()))
        kinds = [set(methods.split()) for methods in columns["contaminated"]]
        places = [i for i, found in enumerate(kinds) if (removing & found if metric == "contaminated" else not found)]
        rows = [(columns["correct"][i], columns["n"][i], columns["greedy"][i]) for i in places]
        values = [count / n if n else float(greedy or 0) for count, n, greedy in rows]
        return (np.array(values), float(np.mean([max(n, 1) for _, n, _ in rows]))) if rows else None
    sizes = [(place, n) for place, n in enumerate(columns["n"]) if n]
    if not sizes:
        return None
    size = float(np.mean([n for _, n in sizes]))
    at = re.fullmatch(r"pass@(\d+)", metric)
    if metric in _COUNTED:
        counts = columns.get(_COUNTED[metric])
        return (np.array([(counts[place] or 0) / n for place, n in sizes]), size) if counts else None
    if at and int(at[1]) <= min(n for _, n in sizes):
        k = int(at[1])
        return np.array([pass_at_k(columns["correct"][place], n, k) for place, n in sizes]), max(size / k, 1.0)
    return None


def clustered_error(result: Evaluation | None, metric: str) -> float | None:
    """The usual clustered standard error of a metric (Miller 2024, arXiv 2411.00640): samples of one problem are one cluster."""
    found = problem_values(result, metric) if result else None
    if found is None or not len(found[0]):
        return None
    values = found[0]
    return math.sqrt(float(((values - values.mean()) ** 2).sum())) / len(values)


def mean_over(results: Sequence[Evaluation | None], metric: str) -> Mean | None:
    """Unweighted mean over benchmarks with its interval, of their eval JSONs; None unless every benchmark has a value.

    Student's interval over problems (`mean_estimate`); of metrics that are no mean over problems the limits are combined.
    """
    cells = [cell(result, metric) for result in results]
    shown = [part for part in cells if measured(part)]
    if not cells or len(shown) < len(cells):
        return None
    found = [problem_values(result, metric) for result in results if result]
    count = sum(part["n"] for part in shown)
    if all(part is not None and part[0].size == own["n"] for part, own in zip(found, shown, strict=True)):
        values = [part for part in found if part]
        low, high = mean_estimate([v for v, _ in values], [size for _, size in values]).interval(0.0, 1.0)
        value = float(np.mean([part["value"] for part in shown]))
        if value in (0.0, 1.0):  # nothing, or everything, is right: no problem says how far from certain that is
            together = mean_interval(np.concatenate([v for v, _ in values]), min(size for _, size in values))
            low, high = min(low, together[0]), max(high, together[1])
        return {"value": value, "low": min(low, value), "high": max(high, value), "n": count}
    value, low, high = combine([(c["value"], c["low"], c["high"]) for c in shown], [1 / len(cells)] * len(cells))
    return {"value": value, "low": max(0.0, low), "high": min(1.0, high), "n": count}


def mean_error(results: Sequence[Evaluation | None], metric: str) -> float | None:
    """Clustered standard error of that mean."""
    errors = [clustered_error(result, metric) for result in results]
    found = [error for error in errors if error is not None]
    return math.sqrt(sum(error**2 for error in found)) / len(found) if found and len(found) == len(errors) else None
