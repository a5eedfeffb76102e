"""What verifiers choose beside the majority, for the study report: a row per model and verifier, means over benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

from mathrl.evaluation.means import BY, cell, mean_over
from mathrl.evaluation.records import Evaluation
from mathrl.report.records import MeanOfSome, Study, VerifierRow
from mathrl.statistics.intervals import combine
from mathrl.statistics.records import Mean, measured


def verifier_rows(study: Study) -> list[VerifierRow]:
    """A row per evaluated model and verifier under the primary protocol; none where some benchmark has no scores of it."""
    rows: list[VerifierRow] = []
    for model in study["models"]:
        found = [result for b in study["benchmarks"] if (result := study["evals"].get((model, study["primary"], b)))]
        for name in dict.fromkeys(name for result in found for name in result.get("verifiers", {})):
            if len(found) == len(study["benchmarks"]) and all(name in result.get("verifiers", {}) for result in found):
                rows.append(_row(model, name, found, study["benchmarks"]))
    return rows


def _row(model: str, name: str, found: Sequence[Evaluation], benchmarks: Sequence[str]) -> VerifierRow:
    def mean(metric: str) -> MeanOfSome:
        cells = dict(zip(benchmarks, (cell(result, f"{metric}{BY}{name}") for result in found), strict=True))
        shown = [part for part in cells.values() if measured(part)]
        return {"mean": _combined(shown), "without": [benchmark for benchmark, part in cells.items() if not measured(part)]}

    return {
        "model": model,
        "verifier": name,
        "best_of_n": {"mean": mean_over(found, f"best_of_n{BY}{name}"), "without": []},
        "weighted_majority": {"mean": mean_over(found, f"weighted_majority{BY}{name}"), "without": []},
        "best_of_n_minus_majority": mean("best_of_n_minus_majority")["mean"],
        "weighted_majority_minus_majority": mean("weighted_majority_minus_majority")["mean"],
        "flawed_but_right": mean("flawed_but_right"),
        "correlations": [result["verifiers"][name]["correlation"]["value"] for result in found],
    }


def _combined(shown: Sequence[Mean]) -> Mean | None:
    """The unweighted mean of cells whose limits alone are known."""
    if not shown:
        return None
    value, low, high = combine([(part["value"], part["low"], part["high"]) for part in shown], [1 / len(shown)] * len(shown))
    return {"value": value, "low": low, "high": high, "n": sum(part["n"] for part in shown)}
