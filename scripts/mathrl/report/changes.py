"""What training changed: per problem, whether two models solve it, and the counts of fixed, broken, both right and both wrong."""

from __future__ import annotations

from collections.abc import Sequence

from mathrl.evaluation.records import Evaluation
from mathrl.report.records import ChangeRow, Study

KINDS = ("fixed", "broken", "both right", "both wrong")


def shares(result: Evaluation) -> dict[str, float]:
    """Share of right samples by problem; the greedy verdict (0 or 1) where nothing was sampled."""
    columns = result["per_problem"]
    rows = zip(columns["id"], columns["n"], columns["correct"], columns["greedy"], strict=True)
    return {key: right / n if n else float(greedy or 0) for key, n, right, greedy in rows}


def kind(before: float, after: float) -> str:
    """One of KINDS. A problem counts as solved where at least half of the samples are right."""
    return {(False, True): "fixed", (True, False): "broken", (True, True): "both right", (False, False): "both wrong"}[
        before >= 0.5, after >= 0.5
    ]


def kinds(before: Evaluation, after: Evaluation) -> dict[str, str]:
    """The kind of each problem that both eval JSONs hold."""
    first, second = shares(before), shares(after)
    return {key: kind(first[key], second[key]) for key in first if key in second}


def changed_problems(study: Study, protocol: str, benchmark: str) -> set[str]:
    """Problems that any evaluated model fixed or broke, against base."""
    base = study["evals"].get(("base", protocol, benchmark))
    found: set[str] = set()
    for (model, its, name), result in study["evals"].items():
        if base and (its, name) == (protocol, benchmark) and model != "base":
            found |= {key for key, what in kinds(base, result).items() if what in ("fixed", "broken")}
    return found


def change_rows(study: Study) -> list[ChangeRow]:
    """Per model other than base and benchmark, under the primary protocol: {model, benchmark, n, counts: {kind: problems}}."""
    rows: list[ChangeRow] = []
    for model in study["models"]:
        for benchmark in study["benchmarks"] if model != "base" else ():
            before, after = (study["evals"].get((name, study["primary"], benchmark)) for name in ("base", model))
            if before and after:
                found = list(kinds(before, after).values())
                rows.append({"model": model, "benchmark": benchmark, "n": len(found), "counts": _count(found)})
    return rows


def _count(found: Sequence[str]) -> dict[str, int]:
    return {name: found.count(name) for name in KINDS}
