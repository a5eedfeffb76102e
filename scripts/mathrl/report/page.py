"""HTML pages from results: everything that comes from data is escaped, nothing is loaded from elsewhere, one script runs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mathrl.config.experiment import Configuration
from mathrl.core.files import sha256_json
from mathrl.evaluation.metrics import STATUS_LETTERS
from mathrl.evaluation.scores import METRICS, cell, mean_cell, percent, problem_count, sections
from mathrl.report import charts
from mathrl.report.content import SAMPLES_EACH, settings_changed
from mathrl.report.figures import CAPTIONS, figure_charts, funnel_chart, further_charts
from mathrl.report.score_charts import checkpoint_charts, length_charts, pass_charts, workflow_graph
from mathrl.statistics.comparisons import claim

TEMPLATES = Path(__file__).parent / "templates"
SECTIONS = ("scores", "contamination", "data", "training", "breakdowns", "responses", "grader", "samples", "provenance")


def environment() -> Any:
    """Jinja environment that escapes every value."""
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    made = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["percent"] = percent
    made.filters["percent_or_dash"] = lambda value: "–" if value is None else percent(value)
    made.filters["thousands"] = lambda value: "–" if value is None else f"{value:,}".replace(",", "\u202f")
    made.filters["p_value"] = lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}"
    return made


def safe(markup: str) -> Any:
    """Markup of ours (style, script, charts) that is not to be escaped again."""
    import markupsafe

    return markupsafe.Markup(markup)


def style() -> Any:
    """The pages' style sheet."""
    return safe((TEMPLATES / "style.css").read_text(encoding="utf-8"))


def _score_context(rows: Sequence[Mapping[str, Any]], benchmarks: Sequence[str]) -> dict[str, Any]:
    grouped = sections(rows)
    counts = {key: {name: problem_count(section, name) for name in benchmarks} for key, section in grouped.items()}
    return {"sections": grouped, "counts": counts, "metrics": METRICS, "benchmarks": benchmarks}


def scores_page(
    rows: Sequence[Mapping[str, Any]],
    benchmarks: Sequence[str],
    missing: Sequence[Mapping[str, str]],
    comparisons: Sequence[Mapping[str, Any]] = (),
    told: str = "",
) -> str:
    """scores.html: the score table and the comparisons alone."""
    context = {"missing": missing, "comparisons": comparisons, "marks": _marks(comparisons), "claim": told}
    return environment().get_template("scores.html").render(style=style(), **context, **_score_context(rows, benchmarks)) + "\n"


def report_page(study: Mapping[str, Any]) -> str:
    """report.html from the content that `content.gather` collected."""
    script = (TEMPLATES / "browser.js").read_text(encoding="utf-8")
    config, runs, models = study["config"], study["runs"], study["models"]
    benchmark = config.training.validation_benchmark
    figures = figure_charts(runs, benchmark, models)
    comparisons = _comparison_rows(study)
    heat = _heat(study)
    context = {
        "title": "Mathematical reasoning by reinforcement learning",
        "question": question(config, models),
        "protocol_text": protocol_text(config, study["primary"]),
        "script": safe(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": style(),
        "chart_style": safe(charts.STYLE),
        "nav": [(name, name.capitalize()) for name in SECTIONS],
        "primary": study["primary"],
        "tiles": _tiles(study),
        "missing": study["missing"],
        "marks": _marks(study["comparisons"]),
        "any_mark": bool(_marks(study["comparisons"])),
        "comparisons": comparisons,
        "references": " and ".join(dict.fromkeys(row["against"] for row in comparisons)),
        "claim": claim(study["groups"]),
        "checkpoint_charts": [safe(svg) for svg in checkpoint_charts(study)],
        "pass_chart": [safe(svg) for svg in pass_charts(study)],
        "contamination": study["data"]["contamination"],
        "leaks": _leaks(study["data"]["contamination"]),
        "clean": study["clean"],
        "pairs": _previews(study["pairs"]),
        "funnel_chart": safe(funnel_chart(study["data"]["funnel"])) if study["data"]["funnel"] else "",
        "splits": study["data"]["splits"],
        "dag": safe(workflow_graph(study)),
        "figures": [(safe(svg), CAPTIONS[name]) for name, svg in figures.items()]
        + [(safe(svg), text) for svg, text in further_charts(runs, benchmark, models)],
        "figures_drawn": any(run["curves"] for run in runs.values()),
        "flags": [{"run": name, **flag} for name, run in runs.items() for flag in run["flags"]],
        "monitored": any(run["monitored"] for run in runs.values()),
        "staged": any(len(run["stages"]) > 1 for run in runs.values()),
        "heat": heat,
        "behaviour": _behaviour(study),
        "first_wrong": _first_wrong(study),
        "length_charts": [(told, safe(svg)) for told, svg in length_charts(study)],
        "status_rows": study["counts"],
        "statuses": list(STATUS_LETTERS),
        "audit": _audit_rows(study["audit"]),
        "samples": study["samples"],
        "samples_each": SAMPLES_EACH,
        "provenance": _with_hours(study["provenance"]),
        "config_hash": sha256_json(config.plain()),
        "config_text": json.dumps(config.plain(), indent=2, sort_keys=True, ensure_ascii=False),
        "blobs": _blobs(study["samples"]),
    }
    return environment().get_template("report.html").render(**context, **_score_context(study["rows"], study["benchmarks"])) + "\n"


def question(config: Configuration, models: Sequence[str]) -> str:
    """What the study asks, from its configuration."""
    training = config.training
    runs = [name for name in config.select if name in models]
    terms = " + ".join(f"{weight:g} × {name}" for name, weight in config.reward.terms.items())
    names = ", ".join(f"{name} ({'; '.join(settings_changed(config, name)) or 'the defaults'})" for name in runs) or "none yet"
    benchmarks = config.benchmarks
    return (
        f"Does reinforcement learning with a rule-based reward ({terms}) on {config.dataset} teach "
        f"{config.base_model} to solve problems of {len(benchmarks)} benchmarks "
        f"({', '.join(benchmarks)}) that it could not solve before? Runs: {names}. Defaults: {training.algorithm.upper()}, "
        f"{training.train_batch_size} prompts × {training.rollout_n} responses a step, at most "
        f"{training.max_response_length} tokens, learning rate {training.learning_rate}, {training.data} data."
    )


def protocol_text(config: Configuration, primary: str) -> str:
    """How it is measured, from the configuration."""
    evaluation = config.evaluation
    parts = []
    for name in evaluation.select:
        p = evaluation.protocols[name]
        greedy = " and one greedy response" if p.greedy else ""
        parts.append(
            f"{name}: {p.n} samples a problem at temperature {p.temperature}, top-p {p.top_p}{greedy}, at most "
            f"{p.max_tokens} tokens, the {p.prompt} prompt, "
            f"judge {p.grader}, {p.extraction} extraction"
        )
    return f"Measured under {'; '.join(parts)}. The endpoint is the unweighted mean over the benchmarks under {primary}."


def _marks(comparisons: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found = [row for row in comparisons if row["against"] == "base" and row["p_adjusted"] < 0.05]
    return {row["model"]: "▲" if row["mean"]["value"] > 0 else "▼" for row in found}


def _comparison_rows(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for row in study["comparisons"]:
        manifests = [m for run in row["runs"] for m in study["runs"].get(run, {}).get("manifests", [])]
        tokens, hours = (sum(m.get(key) or 0 for m in manifests) / len(row["runs"]) for key in ("tokens", "gpu_hours"))
        shown = charts.number(float(f"{tokens:.3g}")) if tokens else "–"
        rows.append(row | {"tokens": shown, "gpu_hours": f"{hours:.2f}" if hours else "–"})
    return rows


def _tiles(study: Mapping[str, Any]) -> list[dict[str, str]]:
    def mean(model: str) -> dict[str, Any] | None:
        return mean_cell([cell(study["evals"].get((model, study["primary"], b)), "pass@1") for b in study["benchmarks"]])

    tiles = []
    for model in study["models"][:4]:
        found = mean(model)
        if found:
            note = f"{100 * found['low']:.1f} – {100 * found['high']:.1f}, mean of {len(study['benchmarks'])}"
            tiles.append({"label": model, "value": f"{percent(found['value'])} %", "note": note})
    for row in [row for row in study["comparisons"] if row["against"] == "base"][:2]:
        low, high = 100 * row["mean"]["low"], 100 * row["mean"]["high"]
        value = f"{100 * row['mean']['value']:+.2f}"
        tiles.append({"label": f"{row['model']} − base", "value": value, "note": f"points, {low:+.1f} to {high:+.1f}, paired"})
    contamination = study["data"]["contamination"]
    if contamination:
        note = f"of {contamination['rows']:,} training rows removed as leaks"
        tiles.append({"label": "contamination", "value": f"{contamination['rows_removed']:,}", "note": note})
    return tiles


def _previews(pairs: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if pairs is None:
        return None
    shown = [pair | {"preview": "".join(text for text, _ in pair["right"]).strip()[:110]} for pair in pairs["shown"]]
    return {"total": pairs["total"], "shown": shown}


def _leaks(contamination: Mapping[str, Any] | None) -> dict[str, Any]:
    """The contamination table with a row a benchmark: {"methods": […], "rows": [{benchmark, items, found: {method: row}}]}."""
    rows: dict[str, dict[str, Any]] = {}
    methods: list[str] = []
    for row in (contamination or {}).get("table", []):
        if row["method"] not in methods:
            methods.append(row["method"])
        entry = rows.setdefault(row["benchmark"], {"benchmark": row["benchmark"], "total": row["items"], "found": {}})
        entry["found"][row["method"]] = row
    return {"methods": methods, "rows": list(rows.values())}


def _heat(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    labels = {"domain": "domain", "difficulty": "difficulty", "answer_type": "kind of answer", "problem_length": "length of the problem"}
    blocks = []
    for benchmark in study["benchmarks"]:
        found = {
            m: study["evals"][m, study["primary"], benchmark] for m in study["models"] if (m, study["primary"], benchmark) in study["evals"]
        }
        for kind, label in labels.items():
            names = list(dict.fromkeys(c["cell"] for e in found.values() for c in e["breakdowns"].get(kind, [])))
            if len(names) < 2:
                continue
            rows = []
            for name in names:
                values = []
                for result in found.values():
                    part = next((c for c in result["breakdowns"].get(kind, []) if c["cell"] == name), None)
                    values.append(part | {"shade": min(9, int(10 * part["value"]))} if part else None)
                rows.append({"cell": name, "n": max(v["n"] for v in values if v), "values": values})
            blocks.append({"benchmark": benchmark, "label": label, "models": list(found), "rows": rows})
    return blocks


SHARES = ("boxed_rate", "truncated_rate", "accuracy_if_boxed", "maj@n")
EQUALITIES = ("equality_coverage", "equality_accuracy", "step_equality_accuracy", "right_with_false_equality")


def _behaviour(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per model and protocol; each mean names the benchmarks that have no value of it."""
    rows = []
    for protocol in study["protocols"]:
        for model in study["models"]:
            found = {b: e for b in study["benchmarks"] if (e := study["evals"].get((model, protocol, b)))}
            if not found:
                continue
            tokens = [e["metrics"]["mean_tokens"]["value"] for e in found.values() if "mean_tokens" in e["metrics"]]
            rows.append(
                {
                    "model": model,
                    "protocol": protocol,
                    "shares": [mean_of_those_with(found, name) for name in SHARES],
                    "equalities": [mean_of_those_with(found, name) for name in EQUALITIES],
                    "tokens": f"{sum(tokens) / len(tokens):.0f}" if tokens else "–",
                }
            )
    return rows


def mean_of_those_with(evals: Mapping[str, Mapping[str, Any]], metric: str) -> dict[str, Any]:
    """Mean of a metric over the benchmarks that have a value of it, and `without`: those that have none."""
    cells = {benchmark: cell(result, metric) for benchmark, result in evals.items()}
    valued = {benchmark: part for benchmark, part in cells.items() if part and part["value"] is not None}
    return {"mean": mean_cell(list(valued.values())), "without": [benchmark for benchmark in cells if benchmark not in valued]}


def _first_wrong(study: Mapping[str, Any]) -> dict[str, Any] | None:
    for model in reversed(study["models"]):
        for benchmark in study["benchmarks"]:
            found = (study["evals"].get((model, study["primary"], benchmark)) or {}).get("first_wrong_equality")
            if found:
                return found | {"model": model, "benchmark": benchmark}
    return None


def _audit_rows(audit: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    rows = []
    for benchmark, part in (audit or {}).get("benchmarks", {}).items():
        listed = [{k: str(v)[:160] for k, v in item.items()} for item in part.get("disagreements", [])[:60]]
        patterns = part.get("patterns", {})
        told = "; ".join(f"{count} × ({pattern})" for pattern, count in patterns.items() if "=0" in pattern and "=1" in pattern)
        rows.append(
            {
                "benchmark": benchmark,
                "samples": part["samples"],
                "accepted": part["accepted"],
                "patterns": told or "none",
                "listed": listed,
                "columns": list(listed[0]) if listed else [],
            }
        )
    return rows


def _with_hours(provenance: Mapping[str, Any]) -> dict[str, Any]:
    manifests = []
    for m in provenance["manifests"]:
        hours = f"{m['seconds'] / 3600:.2f}" if m.get("seconds") else "–"
        manifests.append(m | {"hours": hours, "gpu_hours": f"{m['gpu_hours']:.2f}" if m.get("gpu_hours") else "–"})
    return dict(provenance) | {"manifests": manifests}


def _blobs(samples: Mapping[str, Any]) -> list[dict[str, Any]]:
    blobs = [{"kind": "problem-set", "tags": {"benchmark": name}, "data": data} for name, data in samples["problems"].items()]
    for entry in samples["sets"]:
        tags = {key: entry[key] for key in ("model", "protocol", "benchmark")}
        blobs.append({"kind": "sample-set", "tags": tags, "data": entry["data"]})
    return blobs + [{"kind": "rollout-set", "tags": {"run": entry["run"]}, "data": entry["data"]} for entry in samples["rollouts"]]
