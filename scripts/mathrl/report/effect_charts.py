"""Forest plot of a study's effects, and what they cost: the endpoint over the tokens and GPU-hours that training took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mathrl.evaluation.means import mean_over
from mathrl.report import charts


def forest_plot(study: Mapping[str, Any]) -> str:
    """Each comparison's mean, then its benchmarks, in points with 95 % intervals; empty text where nothing is compared."""
    rows = []
    for row in study["comparisons"]:
        parts = [("mean", row["mean"]), *row["benchmarks"].items()]
        for name, part in parts:
            if part and part.get("low") is not None:
                rows.append((f"{row['model']} − {row['against']}, {name}", *(100 * part[key] for key in ("value", "low", "high"))))
    told = f"Differences in points under {study['primary']} with 95 % intervals"
    return charts.forest_chart(rows, "Effects", told) if rows else ""


def _mean(study: Mapping[str, Any], model: str) -> dict[str, Any] | None:
    return mean_over([study["evals"].get((model, study["primary"], name)) for name in study["benchmarks"]], "pass@1")


def cost_charts(study: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, SVG, caption) of the endpoint over cost: base at no cost, evaluated checkpoints, each run at its end.

    A checkpoint's cost is the run's, shared evenly over its steps.
    """
    colour = charts.colours(study["models"])
    base, drawn = _mean(study, "base"), []
    for key, label in (("tokens", "tokens that training generated and read"), ("gpu_hours", "GPU-hours of training")):
        series = []
        for model in study["models"]:
            manifests = study["runs"].get(model, {}).get("manifests", [])
            whole, steps = sum(m.get(key) or 0 for m in manifests), sum(m.get("steps") or 0 for m in manifests)
            if not (whole and steps and base):
                continue
            last = sum(m.get("steps") or 0 for m in manifests[:-1]) + (manifests[-1].get("chosen_step") or 0)
            named = [(0, "base"), *((c["step"], c["model"]) for c in study["checkpoints"] if c["run"] == model), (last, model)]
            points = {step * whole / steps: found for step, name in sorted(named) if (found := _mean(study, name))}
            line = [(cost, found["value"]) for cost, found in points.items()]
            band = [(cost, found["low"], found["high"]) for cost, found in points.items()]
            series.append(charts.Series(model, line, band=band, colour=colour[model][0], dash=colour[model][1], dots=True))
        if series:
            title = f"Score over {'tokens' if key == 'tokens' else 'GPU-hours'}"
            caption = (
                f"Mean pass@1 under {study['primary']} with 95 % intervals over {label}; a checkpoint's share is taken as even over steps."
            )
            svg = charts.line_chart(series, title, caption, x_label=label, y_format=charts.percent, y_from=0)
            drawn.append((f"cost_{key}", svg, caption))
    return drawn
