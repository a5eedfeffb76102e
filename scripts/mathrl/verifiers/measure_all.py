"""All verifiers and ensembles on all step sets, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mathrl.config.verifiers import Settings
from mathrl.core.files import UserError
from mathrl.verifiers import ensemble
from mathrl.verifiers.equalities import check_steps
from mathrl.verifiers.measures import PUBLISHED, measure
from mathrl.verifiers.records import MeasuredSet, MeasuredVerifier, StepSetRow

Rows = Sequence[StepSetRow]
Scores = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]


def measure_all(settings: Mapping[str, Settings], sets: Mapping[str, Rows], scores: Scores) -> dict[str, MeasuredSet]:
    """{step set: {n, n_wrong, checkable, verifiers: {name: figures of `measures.measure`}}}.

    `checkable` is the share of wrong steps that write an equality between numbers: more than that the verifier `arithmetic` cannot
    see there.

    Raises:
        UserError: a verifier lacks scores of a step set, or has another number of them.
    """
    found: dict[str, MeasuredSet] = {}
    for set_name, rows in sets.items():
        measured: dict[str, MeasuredVerifier] = {}
        for name, one in settings.items():
            members = one.of or [name]
            tables = [_of(scores, member, set_name, len(rows)) for member in members]
            own = tables[0]
            if one.of:
                limits = [settings[member].threshold for member in members]
                how = one.own.get("combine", "mean")
                own = [ensemble.combine(parts, how, limits) for parts in zip(*tables, strict=True)]
            measured[name] = {**measure(rows, own, one.threshold), "kind": one.kind}
        wrong = [(row["steps"], row["first_error"]) for row in rows if row["first_error"] is not None]
        seen = [check_steps(steps).steps[first].checked > 0 for steps, first in wrong]
        checkable = sum(seen) / len(seen) if seen else None
        found[set_name] = {"n": len(rows), "n_wrong": len(wrong), "checkable": checkable, "verifiers": measured}
    return found


def _of(scores: Scores, name: str, step_set: str, wanted: int) -> Sequence[Sequence[float]]:
    own = scores.get(name, {}).get(step_set, ())
    if len(own) != wanted:
        raise UserError(f"verifier {name}: has scores of {len(own)} of the {wanted} solutions of {step_set}; score again")
    return own


def _share(value: float | None, n: int | None, low: float | None = None, high: float | None = None) -> str:
    if value is None:
        return "–"
    limits = f" [{100 * low:.1f}, {100 * high:.1f}]" if low is not None and high is not None else ""
    return f"{100 * value:.1f}{limits} (n = {n})"


def markdown(found: Mapping[str, MeasuredSet]) -> str:
    """The table for people, in percent with 95 % intervals."""
    lines = ["# Verifiers, measured on solutions whose first wrong step is known", ""]
    lines += ["Percent, with the 95 % interval in brackets. F1 is the harmonic mean of the two accuracies after it.", ""]
    for name, part in found.items():
        lines += [f"## {name}: {part['n']} solutions, {part['n_wrong']} with an error", ""]
        heads = ["verifier", "kind", "first-error F1", "first wrong step named", "right solution not flagged", "right steps flagged"]
        heads += ["calibration error", "Brier score"]
        lines += ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        for verifier, own in part["verifiers"].items():
            cells = [own["f1"], own["named"], own["clean"]]
            shares = [_share(cell["value"], cell["n"], cell["low"], cell["high"]) for cell in cells]
            shares.append(_share(own["false_flags"]["value"], own["false_flags"]["n"]))
            numbers = [f"{own['calibration'][key]:.3f}" for key in ("error", "brier")]
            lines.append("| " + " | ".join([verifier, own["kind"], *shares, *numbers]) + " |")
        lines.append("")
        if part["checkable"] is not None:
            lines += [
                f"{100 * part['checkable']:.1f} % of the wrong steps here write an equality between numbers; a verifier of kind "
                "arithmetic cannot see the others, nor a true equality in a wrong argument.",
                "",
            ]
    quoted = ", ".join(f"{model} {100 * value:.1f}" for model, value in PUBLISHED)
    lines += [f"Published first-error F1 on ProcessBench, other solutions, quoted from memory and not measured here: {quoted}.", ""]
    return "\n".join(lines)
