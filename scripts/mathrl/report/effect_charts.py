"""Forest plot of a study's effects, and what they cost: the endpoint over the tokens and GPU-hours that training took."""

from __future__ import annotations

from mathrl.report import charts
from mathrl.report.costs import cost_at, training_cost
from mathrl.report.evidence import endpoint_mean
from mathrl.report.records import StageMark, Study, Unit
from mathrl.training.records import Manifest


def forest_plot(study: Study) -> str:
    """Each comparison's mean, then its benchmarks, in points with 95 % intervals; empty text where nothing is compared."""
    rows = []
    for row in study["comparisons"]:
        parts = [("mean", row["mean"]), *row["benchmarks"].items()]
        for name, part in parts:
            if part and part.get("low") is not None:
                told = f"{row['model']} − {row['against']}, {name}"
                rows.append((told, 100 * part["value"], 100 * part["low"], 100 * part["high"]))
    told = f"Differences in points under {study['primary']} with 95 % intervals"
    return charts.forest_chart(rows, "Effects", told) if rows else ""


def cost_charts(study: Study) -> list[tuple[str, str, str]]:
    """(name, SVG, caption) of the endpoint over cost: base at no cost, evaluated checkpoints, each run at its exported checkpoint."""
    colour, endpoint = charts.colours(study["models"]), study["endpoint"]
    base, drawn = endpoint_mean(study, "base"), []
    units: tuple[tuple[Unit, str, str], ...]
    units = (("tokens", "tokens", "tokens that training generated"), ("gpu_hours", "GPU-hours", "GPU-hours of training"))
    for key, unit, label in units:
        series = []
        for model, manifests in study["training"].items():
            if not (base and training_cost(manifests)[key]):
                continue
            stages = (study["runs"][model]["stages"] if model in study["runs"] else []) or [_whole(manifests[-1])]
            last = stages[-1]["from"] + (manifests[-1].get("chosen_step") or 0)
            named = [*((c["step"], c["model"]) for c in study["checkpoints"] if c["run"] == model), (last, model)]
            means = {step: found for step, name in sorted(named) if (found := endpoint_mean(study, name))}
            points = [(0.0, base), *((cost_at(manifests, model, stages[-1]["to"], step)[key], found) for step, found in means.items())]
            line = [(cost, found["value"]) for cost, found in points]
            band = [(cost, found["low"], found["high"]) for cost, found in points]
            series.append(charts.Series(model, line, band=band, colour=colour[model][0], dash=colour[model][1], dots=True))
        if series:
            caption = (
                f"{endpoint.metric} under {endpoint.protocol}, mean over {', '.join(endpoint.benchmarks)}, with 95 % intervals, over "
                f"{label} in all stages that the weights went through; a checkpoint's share is taken as even over a stage's steps."
            )
            svg = charts.line_chart(series, f"Score over {unit}", caption, x_label=label, y_format=charts.percent, y_from=0)
            drawn.append((f"cost_{key}", svg, caption))
    return drawn


def _whole(manifest: Manifest) -> StageMark:
    """A stage as the whole of its run."""
    return {"stage": manifest.get("stage", ""), "from": 0, "to": manifest.get("steps") or 0, "chosen": None}
