"""The data funnel, and the finalist's figures 1–4 for all runs together: validation, mean reward, entropy, response length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mathrl.config.stage import Stage
from mathrl.core.files import UserError, read_json
from mathrl.data.records import CleaningSummary
from mathrl.report import charts
from mathrl.report.curves import join, read_run, shift, smooth, thin
from mathrl.report.records import Curve, FlagText, RunCurves, StageMark
from mathrl.training import collapse
from mathrl.training.records import Flag

CAPTIONS = {
    "validation": "Figure 1. Validation accuracy: right answers alone, without the format part of the reward.",
    "reward": "Figure 2. Mean reward of the training responses.",
    "entropy": "Figure 3. Entropy of the policy.",
    "response_length": "Figure 4. Response length.",
}


def run_curves(results: str | Path, run: str, stages: Sequence[str], settings: Mapping[str, Stage] | None = None) -> RunCurves:
    """Curves of a run's stages, joined, steps added up; of stages behind one that is not finished nothing is shown.

    {"curves", "stages": [{stage, from, to, chosen}], "missing", "manifests", "flags": [{step, text}], "monitored"}; the flags are
    those of the training monitor, for a stage still at work taken under `settings`, its configuration by stage.
    """
    parts, missing, manifests, flags = [], [], [], []
    marks: list[StageMark] = []
    monitored, done = False, 0
    for stage in stages:
        path = Path(results) / run / stage / "manifest.json"
        if not path.is_file():
            going = sorted((Path(results).parent / "checkpoints" / run / stage).glob("*/tensorboard"), key=lambda p: p.stat().st_mtime)
            what = f"stage {stage} of run {run} is not finished" + (", its curves so far are shown" if going else "")
            missing.append({"what": what, "path": str(path), "make": f"snakemake --cores all {path}"})
            if going and not missing[:-1]:
                parts.append(shift(read_run(going[-1]), done))
                if settings:
                    monitored = True
                    flags += _flags(collapse.replay(settings[stage], going[-1]), done)
            continue
        manifest = read_json(path)
        manifests.append(manifest)
        steps = int(manifest.get("steps") or 0)
        try:
            if steps:  # none where earlier stages left nothing of the run's budget
                parts.append(shift(read_run(manifest.get("tensorboard") or ""), done))
        except UserError:
            what = f"training curves of {run}, stage {stage}: its TensorBoard logs are gone"
            make = f"snakemake --cores all --force {path}"
            missing.append({"what": what, "path": str(manifest.get("tensorboard")), "make": make})
        marks.append({"stage": stage, "from": done, "to": done + steps, "chosen": manifest.get("chosen_step")})
        monitored |= "collapse" in manifest
        flags += _flags(manifest.get("collapse") or [], done)
        done += steps
    return {"curves": join(parts), "stages": marks, "missing": missing, "manifests": manifests, "flags": flags, "monitored": monitored}


def _flags(flags: Sequence[Flag], before: int) -> list[FlagText]:
    """Flags of a stage with their text, counted in steps of the run; `before`: steps of earlier stages."""
    return [{"step": before + flag["step"], "text": flag_text(flag)} for flag in flags]


def funnel_chart(funnel: CleaningSummary) -> str:
    """SVG of the rows left after each step from the dataset to the problems; `funnel` is what clean_problems.py counted."""
    steps = funnel.get("steps", [])
    bars = [("rows fetched", steps[0]["rows_in"], charts.thousands(steps[0]["rows_in"]))] if steps else []
    for step in steps:
        lost = step["rows_in"] - step["rows_out"]
        left = charts.thousands(step["rows_out"]) + (f"  (−{charts.thousands(lost)})" if lost else "")
        bars.append((step["step"].replace("_", " "), step["rows_out"], left))
    return charts.bar_chart(bars, "Data funnel", "Rows left after each cleaning step: " + "; ".join(f"{b[0]} {b[2]}" for b in bars))


def flag_text(flag: Flag) -> str:
    """A flag of the monitor in words: metric, value, and the limit that it passed, which a number that is none has not."""
    if flag.get("limit") == "not_finite":
        return f"{str(flag.get('metric')).replace('_', ' ')} is {flag.get('value')}"
    shown = [charts.number(v) if isinstance(v, int | float) else str(v) for v in (flag.get("value"), flag.get("bound", flag.get("limit")))]
    named = f" (monitor.{flag['limit']})" if isinstance(flag.get("limit"), str) else ""
    return f"{str(flag.get('metric')).replace('_', ' ')} {shown[0]}, limit {shown[1]}{named}"


def smoothed_series(name: str, curve: Curve, colour: tuple[str, str]) -> charts.Series:
    """A smoothed line with its raw curve behind it."""
    if not curve:
        return charts.Series(name, ())
    span = max(1.0, (curve[-1][0] - curve[0][0]) / 50)
    return charts.Series(name, thin(smooth(curve, span)), raw=thin(curve), colour=colour[0], dash=colour[1])


def figure_charts(runs: Mapping[str, RunCurves], benchmark: str | None, order: Sequence[str] = ()) -> dict[str, str]:
    """SVG by figure name; `benchmark` is the validation set whose curve is the report's, `order` fixes the colours."""
    colour = charts.colours([*order, *runs])
    names = ", ".join(runs) or "no run"
    marks = all_marks(runs, colour)
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
        marks=marks,
    )
    labels = {
        "reward": ("Mean training reward", "Mean reward of a step's responses"),
        "entropy": ("Policy entropy", "Mean entropy of the policy's next-token distribution"),
        "response_length": ("Response length (tokens)", "Mean length of a step's responses in tokens"),
    }
    for figure, (title, description) in labels.items():
        series = [smoothed_series(name, run["curves"].get("train", {}).get(figure, []), colour[name]) for name, run in runs.items()]
        drawn[figure] = charts.line_chart(
            series, title, f"{description} over training steps, smoothed and raw; runs: {names}.", marks=marks
        )
    return drawn


def further_charts(runs: Mapping[str, RunCurves], benchmark: str | None, order: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(SVG, caption) of what else was logged: accuracy, format and reward apart, reward terms, grader verdicts, other data sources."""
    drawn = []
    colour = charts.colours([*order, *runs])
    for name, run in runs.items():
        sources = run["curves"].get("validation", {})
        chosen = next((source for source in sources if benchmark and benchmark in source), next(iter(sources), None))
        parts = {key: curve for key, curve in sources.get(chosen, {}).items() if key in _PARTS} if chosen else {}
        if len(parts) > 1:
            series = [
                charts.Series(_PARTS[key], parts[key], colour=charts.PALETTE[i], dash=charts.DASHES[i])
                for i, key in enumerate(_PARTS)
                if key in parts
            ]
            title = f"{name}: parts of the validation reward"
            caption = "Right answers, boxed answers and the weighted reward apart: the reward holds the format part, accuracy does not."
            drawn.append((charts.line_chart(series, title, f"{caption} Data source {chosen}.", y_from=0), caption))
        for title, curves in (("reward terms in training", run["curves"].get("parts")), ("grader verdicts", run["curves"].get("statuses"))):
            some = [(tag, curve) for tag, curve in (curves or {}).items() if any(value for _, value in curve)][:8]  # no line along zero
            if some:
                series = [smoothed_series(_short(tag), curve, (charts.PALETTE[i], charts.DASHES[i])) for i, (tag, curve) in enumerate(some)]
                drawn.append((charts.line_chart(series, f"{name}: {title}", f"{title} of run {name} over training steps"), ""))
    others = sorted({source for run in runs.values() for source in run["curves"].get("validation", {})})
    for source in others:
        if (benchmark and benchmark in source) or len(others) < 2:
            continue
        series = []
        for name, run in runs.items():
            curve = run["curves"].get("validation", {}).get(source, {}).get("acc", [])
            series.append(charts.Series(name, curve, colour=colour[name][0], dash=colour[name][1], dots=len(curve) < 60))
        title = f"Validation accuracy on {source}"
        drawn.append((charts.line_chart(series, title, f"{title} over training steps", y_format=charts.percent, y_from=0), ""))
    for key, title in (("truncated", "Responses cut off at the limit"), ("grad_norm", "Gradient norm")):
        series = [smoothed_series(name, run["curves"].get("train", {}).get(key, []), colour[name]) for name, run in runs.items()]
        if any(len(one.points) for one in series):
            drawn.append((charts.line_chart(series, title, f"{title} over training steps", y_from=0), ""))
    return drawn


_PARTS = {"acc": "right", "format": "boxed", "reward": "reward", "score": "reward"}


def _short(tag: str) -> str:
    return tag.split("/")[-2] if tag.endswith("/mean") else tag.split("/")[-1]


def all_marks(runs: Mapping[str, RunCurves], colour: Mapping[str, tuple[str, str]]) -> list[charts.Mark]:
    """Where each run's stages begin, where its exported checkpoint lies, and where collapse was flagged."""
    marks = []
    for name, run in runs.items():
        shade = colour[name][0]
        marks += [charts.Mark(s["from"], shade, f"{name}: stage {s['stage']} begins", "stage") for s in run["stages"][1:]]
        last = run["stages"][-1] if run["stages"] else None
        if last and last["chosen"] is not None:
            step = last["from"] + last["chosen"]
            marks.append(charts.Mark(step, shade, f"{name}: exported checkpoint of step {step}"))
        marks += [charts.Mark(flag["step"], shade, f"{name}, step {flag['step']}: {flag['text']}", "flag") for flag in run["flags"]]
    return marks
