"""The report's figures 1–4 for all runs together: validation, mean reward, entropy, response length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..curves import collapse_flags, join, read_run, shift, smooth, thin
from ..io import UserError, read_json
from . import charts

FIGURES = ("validation", "reward", "entropy", "response_length")


def run_curves(results: str | Path, run: str, stages: Sequence[str]) -> dict[str, Any]:
    """Curves of a run's finished stages, joined: {"curves", "stages": [{stage, from, to, chosen}], "missing", "manifests"}."""
    parts, marks, missing, manifests = [], [], [], []
    done = 0
    for stage in stages:
        path = Path(results) / run / stage / "manifest.json"
        make = f"snakemake --cores all {path}"
        if not path.is_file():
            missing.append({"what": f"stage {stage} of run {run} is not trained", "path": str(path), "make": make})
            continue
        manifest = read_json(path)
        manifests.append(manifest)
        logs = manifest.get("tensorboard")
        try:
            parts.append(shift(read_run(logs or ""), done))
        except UserError:
            what = f"training curves of {run}, stage {stage}: its TensorBoard logs are gone"
            missing.append({"what": what, "path": str(logs), "make": f"snakemake --cores all --forcerun train {path}"})
        steps = int(manifest.get("steps") or 0)
        marks.append({"stage": stage, "from": done, "to": done + steps, "chosen": manifest.get("chosen_step")})
        done += steps
    curves = join(parts)
    return {
        "curves": curves,
        "stages": marks,
        "missing": missing,
        "manifests": manifests,
        "flags": collapse_flags(curves.get("train", {})) if curves else [],
    }


def smoothed_series(name: str, curve: Sequence, colour: tuple[str, str]) -> charts.Series:
    """A smoothed line with its raw curve behind it."""
    if not curve:
        return charts.Series(name, ())
    span = max(1.0, (curve[-1][0] - curve[0][0]) / 50)
    return charts.Series(name, thin(smooth(curve, span)), raw=thin(curve), colour=colour[0], dash=colour[1])


def figure_charts(runs: Mapping[str, Mapping[str, Any]], benchmark: str | None) -> dict[str, str]:
    """SVG by figure name; `benchmark` is the validation set whose curve is the report's."""
    colour = charts.colours(list(runs))
    names = ", ".join(runs) or "no run"
    drawn = {}
    validation = []
    for name, run in runs.items():
        sources = run["curves"].get("validation", {})
        chosen = next((source for source in sources if benchmark and benchmark in source), next(iter(sources), None))
        curve = sources.get(chosen, {}).get("acc") or sources.get(chosen, {}).get("reward") or [] if chosen else []
        validation.append(charts.Series(name, curve, colour=colour[name][0], dash=colour[name][1], dots=len(curve) < 60))
    drawn["validation"] = charts.line_chart(
        validation,
        f"Validation accuracy{f' on {benchmark}' if benchmark else ''}",
        f"Share of right validation answers over training steps; runs: {names}.",
        y_format=charts.percent,
        y_from=0,
    )
    labels = {
        "reward": ("Mean training reward", "Mean reward of a step's responses"),
        "entropy": ("Policy entropy", "Mean entropy of the policy's next-token distribution"),
        "response_length": ("Response length (tokens)", "Mean length of a step's responses in tokens"),
    }
    for figure, (title, description) in labels.items():
        series = [smoothed_series(name, run["curves"].get("train", {}).get(figure, []), colour[name]) for name, run in runs.items()]
        drawn[figure] = charts.line_chart(series, title, f"{description} over training steps, smoothed and raw; runs: {names}.")
    return drawn
