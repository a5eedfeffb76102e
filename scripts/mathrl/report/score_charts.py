"""Charts of a study's evaluation: scores along training, pass@k, response lengths, and the graph of its steps."""

from __future__ import annotations

from typing import Literal

from mathrl.config.experiment import Configuration
from mathrl.evaluation.means import cell, mean_over
from mathrl.report import charts
from mathrl.report.records import StageMark, Study
from mathrl.statistics.records import Mean, measured

SIDES: tuple[Literal["right", "wrong"], ...] = ("right", "wrong")


def _marks(study: Study, run: str) -> list[StageMark]:
    """Stages of a run; none where its curves are missing."""
    return study["runs"][run].get("stages", []) if run in study["runs"] else []


def workflow_graph(study: Study) -> str:
    """The study's own steps: its runs side by side, stages in order. (Rules and files are in Snakemake's graph, docs/images/dag.svg.)"""
    config: Configuration = study["config"]
    runs = list(config.select)
    stages = {run: [s["stage"] for s in _marks(study, run)] or ["main"] for run in runs}
    evaluated = [m for m in study["models"] if m not in runs]
    columns = [
        [
            ("data", "fetch dataset", config.dataset),
            ("bench", "fetch benchmarks", f"{len(study['benchmarks'])} test sets"),
            ("model", "fetch model", config.base_model),
        ],
        [("clean", "clean problems", "contract, duplicates")],
        [("decon", "decontaminate", ", ".join(config.decontamination.methods))],
        [(f"train-{r}", f"train {r}", " → ".join(stages[r])) for r in runs] or [("train-none", "train", "no run selected")],
        [(f"gen-{m}", f"generate {m}", f"{len(study['protocols'])} protocol(s)") for m in [*evaluated, *runs]],
        [("grade", "grade samples", "one judge for all")],
        [("report", "scores and report", "this page")],
    ]
    edges = [("data", "clean"), ("clean", "decon"), ("bench", "decon")]
    edges += [("decon", key) for key, _, _ in columns[3]] + [(f"train-{r}", f"gen-{r}") for r in runs]
    edges += [("model", key) for key, _, _ in columns[3]] + [("model", f"gen-{m}") for m in evaluated]
    edges += [(key, "grade") for key, _, _ in columns[4]] + [("grade", "report")]
    description = "Steps of the workflow from download to report; runs train side by side and every model is sampled once."
    return charts.graph(columns, edges, "The workflow", description)


def length_charts(study: Study) -> list[tuple[str, str]]:
    """(caption, SVG) a model."""
    drawn = []
    for model in study["models"]:
        found = [study["evals"].get((model, study["primary"], b)) for b in study["benchmarks"]]
        split = [e["length"] for e in found if e]
        if not split:
            continue
        widest = max(s["edges"][-1] for s in split)
        bins = 24
        width = max(1, -(-widest // bins))
        merged = {name: [0] * bins for name in SIDES}
        for s in split:
            for name, counts in merged.items():
                for place, count in enumerate(s[name]["histogram"]):
                    counts[min(bins - 1, int((s["edges"][place] + s["edges"][place + 1]) / 2 // width))] += count
        edges = [width * place for place in range(bins + 1)]
        sizes = {name: sum(s[name]["n"] for s in split) for name in merged}
        means = {n: sum((s[n]["mean"] or 0) * s[n]["n"] for s in split) / sizes[n] if sizes[n] else None for n in merged}
        bars = [("right", merged["right"], charts.PALETTE[2], ""), ("wrong", merged["wrong"], charts.PALETTE[1], "6 3")]
        told = "; ".join(f"{n}: mean {means[n]:.0f} tokens of {sizes[n]}" for n in merged if means[n] is not None)
        drawn.append(
            (told, charts.histogram_chart(edges, bars, f"{model}: response length", f"Share of responses by length. {told}.", "tokens"))
        )
    return drawn


def checkpoint_charts(study: Study) -> list[str]:
    """A curve a benchmark, and their mean, over the evaluated checkpoints of each run, with intervals; step 0 is the base model."""
    by_run: dict[str, list[tuple[int, str]]] = {}
    for entry in study["checkpoints"]:
        by_run.setdefault(entry["run"], [(0, "base")]).append((entry["step"], entry["model"]))
    if not by_run:
        return []
    colour = charts.colours(study["models"])
    marks = [
        charts.Mark(stage["from"], colour[run][0], f"{run}: stage {stage['stage']} begins", "stage")
        for run in by_run
        for stage in _marks(study, run)[1:]
    ]
    drawn = []
    for name in [*study["benchmarks"], "mean"]:
        series = []
        for run, evaluated in by_run.items():
            cells: dict[int, Mean] = {}
            for step, model in evaluated:
                every = {b: study["evals"].get((model, study["primary"], b)) for b in study["benchmarks"]}
                found = mean_over(list(every.values()), "pass@1") if name == "mean" else cell(every[name], "pass@1")
                if measured(found):
                    cells[step] = found
            line = [(step, found["value"]) for step, found in sorted(cells.items())]
            band = [(step, found["low"], found["high"]) for step, found in sorted(cells.items())]
            series.append(charts.Series(run, line, band=band, colour=colour[run][0], dash=colour[run][1], dots=True))
        title = "mean over the benchmarks" if name == "mean" else name
        told = f"pass@1 under {study['primary']}, {title}, at checkpoints along training, with 95 % intervals; step 0 is the base model"
        drawn.append(charts.line_chart(series, title, told, y_format=charts.percent, y_from=0, marks=marks))
    return drawn


def pass_charts(study: Study) -> list[str]:
    colour = charts.colours(study["models"])
    drawn = []
    for protocol in study["protocols"]:
        series = []
        for model in study["models"]:
            points, band = [], []
            for place, k in enumerate((1, 2, 4, 8, 16)):
                mean = mean_over([study["evals"].get((model, protocol, b)) for b in study["benchmarks"]], f"pass@{k}")
                if mean:
                    points.append((place, mean["value"]))
                    band.append((place, mean["low"], mean["high"]))
            if len(points) > 1:
                series.append(charts.Series(model, points, band=band, colour=colour[model][0], dash=colour[model][1], dots=True))
        if series:
            drawn.append(
                charts.line_chart(
                    series,
                    f"pass@k, {protocol}",
                    "Chance that one of k samples is right, mean over the benchmarks, with 95 % intervals",
                    x_label="k",
                    x_names=dict(enumerate(("1", "2", "4", "8", "16"))),
                    y_format=charts.percent,
                    y_from=0,
                )
            )
    return drawn
