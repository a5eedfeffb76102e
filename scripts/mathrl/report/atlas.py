"""The page of a study of many arms: every effect against base, against a reference run and net of control, at what cost.

It reads what the study report gathers. Its data, `atlas.json`, hold each training by itself, so that others can count again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from mathrl.core.files import UserError, write_text
from mathrl.report import charts
from mathrl.report.atlas_records import Atlas, AtlasArm, AtlasRun, Spending
from mathrl.report.evidence import endpoint_mean
from mathrl.report.page import environment, safe, style
from mathrl.report.records import Study
from mathrl.statistics.arms import came, claim_of, sign
from mathrl.statistics.comparisons import label, seed_interval
from mathrl.statistics.records import Cell
from mathrl.training.collapse import describe

END = 5  # last steps whose mean is a quantity "at the end"
LARGEST = 1_000_000  # bytes of page and data together: they are committed
Kind = Literal["base", "reference", "net"]
KINDS: dict[Kind, str] = {
    "base": "against the base model",
    "reference": "against {reference}",
    "net": "net of the control that gained most",
}


def collect(study: Study) -> Atlas:
    """All that the page says, as plain values."""
    endpoint, config = study["endpoint"], study["config"]
    reference = next((name for name in endpoint.against if name != "base"), None)
    arms = [_arm(study, group, runs) for group, runs in study["groups"].items()]
    compared = [arm for arm in arms if arm["effects"]["base"]]
    return {
        "schema_version": 1,
        "endpoint": endpoint.plain(),
        "endpoint_told": endpoint.told(),
        "sha256": endpoint.sha256,
        "registered": study["story"]["lines"],
        "late": study["story"]["late"],
        "reference": reference,
        "base": endpoint_mean(study, "base"),
        "arms": arms,
        "unfinished": [arm["model"] for arm in arms if arm not in compared],
        "expected": came(config.evaluation.endpoint.expected, study["evals"], study["groups"], endpoint),
        "spending": spending([run for arm in arms for run in arm["runs"]]),
        "visible": visible(compared),
        "claims": [arm["claim"] for arm in compared if arm["claim"]["claimed"]],
        "no_claims": [arm["claim"] for arm in compared if not arm["claim"]["claimed"]],
    }


def _arm(study: Study, group: str, runs: Sequence[str]) -> AtlasArm:
    own = [row for row in study["comparisons"] if row["runs"] == list(runs)]
    base = next((row for row in own if row["against"] == "base"), None)
    other = next((row for row in own if row["against"] != "base"), None)
    singles = [_training(study, run) for run in runs]
    return {
        "model": label(group, runs),
        "group": group,
        "control": base["control"] if base else None,
        "level": base["level"] if base else None,
        "p_adjusted": base["p_adjusted"] if base else None,
        "effects": {"base": base and base["mean"], "reference": other and other["mean"], "net": base and base["net"]},
        "claim": claim_of(base) if base else {"claimed": False, "told": f"{group}: not evaluated."},
        "runs": singles,
        "steps": over_seeds([single["steps"] for single in singles]),
        "tokens": over_seeds([single["tokens"] for single in singles]),
        "seconds": over_seeds([single["seconds"] for single in singles]),
        "entropy": over_seeds([single["entropy"] for single in singles]),
        "length": over_seeds([single["length"] for single in singles]),
    }


def _training(study: Study, run: str) -> AtlasRun:
    """One training: its score, what it generated and took, and where entropy and length ended."""
    found = study["runs"].get(run)
    manifests = found["manifests"] if found else []
    train = found["curves"].get("train", {}) if found else {}
    config = study["config"]
    mean = endpoint_mean(study, run)
    return {
        "run": run,
        "score": mean and mean["value"],
        "steps": sum(m.get("steps") or 0 for m in manifests) or None,
        "tokens": sum(m.get("generated_tokens") or 0 for m in manifests) or None,
        "seconds": sum(m.get("seconds") or 0 for m in manifests) or None,
        "budget": config.stage(run, "").budget.tokens if run in config.runs else None,
        "entropy": at_the_end(train.get("entropy", [])),
        "length": at_the_end(train.get("response_length", [])),
        "flags": [describe(flag) for m in manifests for flag in m.get("collapse") or []],
    }


def at_the_end(curve: Sequence[Sequence[float]]) -> float | None:
    """Mean of a curve over its last steps."""
    last = [value for _, value in curve[-END:]]
    return sum(last) / len(last) if last else None


def over_seeds(values: Sequence[float | None]) -> Cell | None:
    """Mean over trainings with its interval, without one for a single training; None where one of them has no value."""
    if not values or any(value is None for value in values):
        return None
    numbers = [float(value) for value in values if value is not None]
    return seed_interval(numbers) or {"value": numbers[0], "low": None, "high": None, "n": 1}


class Spent(NamedTuple):
    """What a training took; budget: in tokens."""

    run: str
    tokens: int
    steps: int
    budget: int | None


def spending(runs: Sequence[AtlasRun]) -> Spending:
    """Whether the trainings generated equally many tokens, within what one step generates, and by how much they overshot their budget."""
    found = [Spent(run["run"], run["tokens"], run["steps"], run["budget"]) for run in runs if run["tokens"] and run["steps"]]
    if not found:
        return {"equal": None, "told": ["No training has generated tokens yet."]}
    worth = max(run.tokens / run.steps for run in found)
    least, most = (pick(found, key=lambda run: run.tokens) for pick in (min, max))
    apart = most.tokens - least.tokens
    equal = apart <= worth
    numbers = [charts.thousands(round(number)) for number in (least.tokens, most.tokens, apart, worth)]
    told = [
        f"The {len(found)} trainings generated {numbers[0]} ({least.run}) to {numbers[1]} ({most.run}) tokens. "
        f"They differ by at most {numbers[2]}, which is {apart / worth:.2f} of one step's worth ({numbers[3]}): "
        + ("equal within one step's worth." if equal else "not equal within one step's worth.")
    ]
    budgeted = [(run, run.tokens - run.budget) for run in found if run.budget]
    beside = [more for _, more in budgeted if more > -worth]
    short = [f"{run.run} ({charts.thousands(run.tokens)})" for run, more in budgeted if more <= -worth]
    if beside:
        low, high = (f"{charts.thousands(abs(more))} tokens {'below' if more < 0 else 'above'}" for more in (min(beside), max(beside)))
        told.append(f"A training ends with the step that is expected to use up its budget: they end {low} to {high} it.")
    if short:
        told.append(f"Their steps ended these before the budget did: {', '.join(short)}.")
    unknown = len(runs) - len(found)
    if unknown:
        told.append(f"Of {unknown} trainings no generated tokens are known; they are in no comparison of cost.")
    return {"equal": equal, "worth": worth, "apart": apart, "told": told}


def visible(arms: Sequence[AtlasArm]) -> str:
    """The smallest effect that the design could have seen, in words."""
    parts = []
    kinds: tuple[tuple[Kind, str], ...] = (("base", "against the base model"), ("net", "net of the control"))
    for key, words in kinds:
        sizes = sorted(100 * cell["smallest"] for arm in arms if (cell := arm["effects"][key]) and not arm["control"])
        if sizes:
            parts.append(f"{sizes[0]:.1f} to {sizes[-1]:.1f} points {words}")
    return f"With 80 % power this design sees effects of {' and of '.join(parts)}, by arm." if parts else "Nothing is compared yet."


def forests(atlas: Atlas) -> dict[str, str]:
    """A forest plot for each kind of effect: SVG by kind."""
    drawn: dict[str, str] = {}
    for kind, words in KINDS.items():
        told = f"Effects {words.format(reference=atlas['reference'])}"
        cells = [(arm["model"], cell) for arm in atlas["arms"] if (cell := arm["effects"][kind])]
        rows = [(name, 100 * cell["value"], 100 * cell["low"], 100 * cell["high"]) for name, cell in cells]
        if rows:
            drawn[kind] = charts.forest_chart(rows, told, f"{told}, in points with 95 % intervals, on {atlas['endpoint_told']}")
    return drawn


def atlas_page(atlas: Atlas) -> str:
    """The page, self-contained and without a script."""
    context = {"atlas": atlas, "forests": [safe(svg) for svg in forests(atlas).values()], "sign": sign, "end": END}
    return environment().get_template("atlas.html").render(style=style(), chart_style=safe(charts.STYLE), **context) + "\n"


def write_atlas(folder: Path, atlas: Atlas) -> None:
    """Write `index.html` and `atlas.json` into `folder`.

    Raises:
        UserError: together they are too large to be committed.
    """
    files = {
        "index.html": atlas_page(atlas),
        "atlas.json": json.dumps(atlas, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }
    size = sum(len(text.encode()) for text in files.values())
    if size > LARGEST:
        raise UserError(f"{folder}: page and data have {size:,} bytes, more than {LARGEST:,}; compare fewer arms or seeds")
    for name, text in files.items():
        write_text(folder / name, text)
