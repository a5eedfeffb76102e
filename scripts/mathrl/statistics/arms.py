"""What a study of many arms may claim, and whether what was expected before it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from mathrl.config.endpoint import Endpoint
from mathrl.config.evaluation import Expected
from mathrl.statistics.comparisons import COLUMNS, Results, compare
from mathrl.statistics.records import ArmClaim, Came, ComparisonRow, Mean, Scored

SHOWN = 0.05  # p value, after Holm's correction, below which an effect against the base model counts


def tables(evals: Mapping[tuple[str, str, str], Scored], runs: Sequence[str], protocol: str, benchmarks: Sequence[str]) -> list[Results]:
    """The eval JSONs of each of `runs` by benchmark; runs that lack one are left out."""
    found = [{b: evals[run, protocol, b] for b in benchmarks if (run, protocol, b) in evals} for run in runs]
    return [table for table in found if len(table) == len(benchmarks)]


def points(cell: Mean) -> str:
    """An effect in points with its interval."""
    return f"{100 * cell['value']:+.1f} points [{100 * cell['low']:+.1f}, {100 * cell['high']:+.1f}]"


def sign(cell: Mean) -> int:
    """1 or -1 where the interval excludes 0, else 0."""
    return (cell["low"] > 0) - (cell["high"] < 0)


def claim_of(row: ComparisonRow) -> ArmClaim:
    """What may be said of an arm from its comparison with the base model: {"claimed", "told"}.

    Nothing is claimed of one seed, without a control arm, where the interval net of the control holds 0, or where the effect against
    the base model does not pass Holm's correction.
    """
    name, net = row["model"], row["net"]
    if row["control"]:
        return {"claimed": False, "told": f"{name}: a control arm, of which nothing is claimed."}
    if net is None:
        return {"claimed": False, "told": f"{name}: no claim, because no control arm was run."}
    p = row["p_adjusted"]
    if p is None or net.get("level", "seeds") != "seeds":
        return {"claimed": False, "told": f"{name}: no claim, because arm or control has one seed and another may change the order."}
    if not sign(net):
        return {"claimed": False, "told": f"{name}: no claim. Net of {net['model']}, its interval holds 0: {points(net)}."}
    if p >= SHOWN:
        told = f"no claim. Against the base model p is {p:.2f} after Holm's correction, whatever it is net of control."
        return {"claimed": False, "told": f"{name}: {told}"}
    if sign(net) < 0:
        return {"claimed": True, "told": f"{name} is worse than {net['model']}, by {points(net)}."}
    return {"claimed": True, "told": f"{name} gains {points(net)} beyond {net['model']}, the control that gained most."}


def came(
    expected: Sequence[Expected],
    evals: Mapping[tuple[str, str, str], Scored],
    groups: Mapping[str, Sequence[str]],
    endpoint: Endpoint,
) -> list[Came]:
    """Each expectation with what came: {run, over, effect, metric, found, verdict}; `found` is a cell or None.

    The verdict is `as expected`, `contradicted` (the interval excludes what was expected), `not shown` (a gain or a loss whose interval
    holds 0) or `not measured`. That an effect is not shown is no proof that there is none: the cell has the smallest that was visible.
    """
    rows = []
    for one in expected:
        metric = one.metric or endpoint.metric
        ours, theirs = (
            tables(evals, ["base"] if name == "base" else groups.get(name, []), endpoint.protocol, endpoint.benchmarks)
            for name in (one.run, one.over)
        )
        seeds = len(ours) > 1 and (one.over == "base" or len(theirs) > 1)
        found = compare(ours, theirs, list(endpoint.benchmarks), COLUMNS[metric], seeds=seeds) if ours and theirs else None
        cell = found["mean"] if found else None
        came_of = {"metric": metric, "found": cell, "verdict": verdict(one.effect, cell)}
        rows.append(cast(Came, one.model_dump() | came_of))
    return rows


def verdict(effect: str, cell: Mean | None) -> str:
    """How an interval stands to `gain`, `none` or `loss`."""
    if cell is None:
        return "not measured"
    wanted, found = {"gain": 1, "none": 0, "loss": -1}[effect], sign(cell)
    if wanted == found:
        return "as expected"
    return "contradicted" if found else "not shown"
