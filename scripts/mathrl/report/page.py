"""HTML pages from results: everything that comes from data is escaped, nothing is loaded from elsewhere, one script runs."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathrl.config.augmentation import data_words
from mathrl.config.experiment import Configuration
from mathrl.config.reward_terms import weights
from mathrl.core.files import sha256_json
from mathrl.data.dates import Dates
from mathrl.decontamination.records import Contamination
from mathrl.evaluation.bands import in_words
from mathrl.evaluation.means import cell, mean_over
from mathrl.evaluation.metrics import STATUS_LETTERS
from mathrl.evaluation.records import Evaluation, ScoreRow
from mathrl.evaluation.scores import ScoreTable, headline, p_text, percent, problem_count, sections, title
from mathrl.report import augmentation, charts, evidence
from mathrl.report.changes import KINDS, change_rows
from mathrl.report.content import settings_changed
from mathrl.report.costs import cost_warnings, generated_tokens
from mathrl.report.effect_charts import cost_charts, forest_plot
from mathrl.report.figures import funnel_chart, further_charts
from mathrl.report.formulas import as_markup
from mathrl.report.progress import REFRESH, moment
from mathrl.report.records import (
    Audit,
    AuditRow,
    BehaviourRow,
    Blob,
    Heat,
    HeatCell,
    HeatRow,
    LeakRow,
    Leaks,
    MeanOfSome,
    PackedSamples,
    Pairs,
    ShownComparison,
    ShownFirstWrong,
    Study,
    StudyProvenance,
)
from mathrl.report.score_charts import checkpoint_charts, length_charts, pass_charts, workflow_graph
from mathrl.report.users_figures import training_figures
from mathrl.report.verifiers import verifier_rows
from mathrl.statistics.arms import SHOWN, claim_of
from mathrl.statistics.records import ComparisonRow

TEMPLATES = Path(__file__).parent / "templates"
SECTIONS = ("scores", "contamination", "data", "training", "breakdowns", "responses", "grader")


@dataclass(frozen=True)
class Part:
    """A section of the page that stands by itself: the word of its link, its heading, and its markup (nothing in it is escaped again)."""

    name: str
    title: str
    markup: Any


def augmentation_part(study: Study) -> Part | None:
    """What an external model proposed and what passed; nothing where no run uses it."""
    if not study["augmentation"]:
        return None
    return Part("augmentation", "Augmentation", safe(augmentation.section(study["augmentation"], environment())))


def samples_part(study: Study) -> Part:
    """What training changed, problem by problem, and kept rollouts."""
    context = {"primary": study["primary"], "changes": change_rows(study), "change_kinds": KINDS, "samples": study["samples"]}
    return Part("samples", "Samples", safe(environment().get_template("samples.html").render(**context)))


def verifiers_part(study: Study) -> Part | None:
    """What verifiers choose beside the majority, and the way to the page of steps; nothing where none is in use."""
    rows = verifier_rows(study)
    if not rows:
        return None
    context = {"primary": study["primary"], "rows": rows}
    return Part("verifiers", "Verifiers", safe(environment().get_template("verifiers.html").render(**context)))


PARTS: tuple[Callable[[Study], Part | None], ...] = (augmentation_part, verifiers_part, samples_part)
"""What stands between the grader and the provenance, in order: a part is added here; one with nothing to show returns None."""


def environment() -> Any:
    """Jinja environment that escapes every value."""
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    made = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["percent"] = percent
    made.filters["formulas"] = lambda text: safe(as_markup(text))
    made.filters["percent_or_dash"] = lambda value: "–" if value is None else percent(value)
    made.filters["thousands"] = charts.thousands
    made.filters["p_value"] = p_text
    made.filters["beside_its_band"] = in_words
    return made


def safe(markup: str) -> Any:
    """Markup of ours (style, script, charts) that is not to be escaped again."""
    import markupsafe

    return markupsafe.Markup(markup)


def style() -> Any:
    """The pages' style sheet."""
    return safe((TEMPLATES / "style.css").read_text(encoding="utf-8"))


def _score_context(rows: Sequence[ScoreRow], benchmarks: Sequence[str], dates: Dates) -> dict[str, object]:
    grouped = sections(rows)
    counts = {key: {name: problem_count(section, name) for name in benchmarks} for key, section in grouped.items()}
    metrics = {metric: title(metric) for _, metric in grouped}
    return {"sections": grouped, "counts": counts, "metrics": metrics, "benchmarks": benchmarks, "published": dates.benchmarks}


def scores_page(found: ScoreTable) -> str:
    """scores.html: the score table and the comparisons alone."""
    context: dict[str, object] = {
        "missing": found.missing,
        "comparisons": found.comparisons,
        "marks": _marks(found.comparisons),
        "claims": _claims(found.comparisons),
        "claim": found.claim,
        "notes": found.notes,
        "headline": headline(found.comparisons),
    }
    context |= _score_context(found.rows, found.benchmarks, found.dates)
    return environment().get_template("scores.html").render(style=style(), **context) + "\n"


def report_page(study: Study, live: bool = False) -> str:
    """report.html from the content that `content.gather` collected; `live`: of a study at work, it loads itself again."""
    script = (TEMPLATES / "browser.js").read_text(encoding="utf-8")
    config, runs, models = study["config"], study["runs"], study["models"]
    comparisons = _comparison_rows(study)
    parts = [part for make in PARTS if (part := make(study))]
    context = {
        "title": "Mathematical reasoning by reinforcement learning",
        "question": question(config, models),
        "protocol_text": protocol_text(config, study["primary"]),
        "script": safe(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": style(),
        "chart_style": safe(charts.STYLE),
        "nav": [(name, name.capitalize()) for name in (*SECTIONS, *(part.name for part in parts), "provenance")],
        "parts": parts,
        "primary": study["primary"],
        "tiles": _tiles(study),
        "missing": study["missing"],
        "marks": _marks(study["comparisons"]),
        "any_mark": bool(_marks(study["comparisons"])),
        "claims": _claims(study["comparisons"]),
        "comparisons": comparisons,
        "references": " and ".join(dict.fromkeys(row["against"] for row in comparisons)),
        "claim": study["claim"],
        "headline": headline(study["comparisons"]),
        "notes": study["notes"],
        "progress": study["progress"],
        "refresh": REFRESH if live else 0,
        "made": moment(time.time()) if live else "",
        "story": study["story"],
        "evaluated": study["evaluated"],
        "sweeps": evidence.sweep_rows(study),
        "costs": study["costs"],
        "cost_warnings": cost_warnings(study["comparisons"], study["costs"]),
        "references_usual": evidence.reference_rows(study),
        "calibration": study["calibration"],
        "contamination": study["data"]["contamination"],
        "leaks": _leaks(study["data"]["contamination"]),
        "clean": study["clean"],
        "pairs": _previews(study["pairs"]),
        "splits": evidence.split_rows(study["data"]["splits"]),
        "figures_drawn": any(run["curves"] for run in runs.values()),
        "flags": [{"run": name, **flag} for name, run in runs.items() for flag in run["flags"]],
        "monitored": any(run["monitored"] for run in runs.values()),
        "staged": any(len(run["stages"]) > 1 for run in runs.values()),
        "heat": _heat(study),
        "behaviour": _behaviour(study),
        "first_wrong": _first_wrong(study),
        "status_rows": study["counts"],
        "statuses": list(STATUS_LETTERS),
        "audit": _audit_rows(study["audit"]),
        "provenance": _with_hours(study["provenance"]),
        "config_hash": sha256_json(config.plain()),
        "config_text": json.dumps(config.plain(), indent=2, sort_keys=True, ensure_ascii=False),
        "blobs": _blobs(study["samples"]),
    }
    context |= _figures(study) | _score_context(study["rows"], study["benchmarks"], study["dates"])
    return environment().get_template("report.html").render(**context) + "\n"


def _figures(study: Study) -> dict[str, object]:
    """Every chart of the page by its name in the template."""
    runs, models = study["runs"], study["models"]
    benchmark = study["config"].training.validation_benchmark
    figures = training_figures(runs, benchmark, study["config"].report.figures, models)
    return {
        "forest": safe(forest_plot(study)),
        "cost_charts": [(safe(svg), caption) for _, svg, caption in cost_charts(study)],
        "pass_chart": [safe(svg) for svg in pass_charts(study)],
        "checkpoint_charts": [safe(svg) for svg in checkpoint_charts(study)],
        "funnel_chart": safe(funnel_chart(study["data"]["funnel"])) if study["data"]["funnel"] else "",
        "dag": safe(workflow_graph(study)),
        "length_charts": [(told, safe(svg)) for told, svg in length_charts(study)],
        "figures": [(safe(svg), caption) for _, svg, caption in figures]
        + [(safe(svg), text) for svg, text in further_charts(runs, benchmark, models)],
    }


def question(config: Configuration, models: Sequence[str]) -> str:
    """What the study asks, from its configuration."""
    training = config.training
    runs = [name for name in config.select if name in models]
    terms = " + ".join(f"{weight:g} × {name}" for name, weight in weights(config.reward.terms).items())
    names = ", ".join(f"{name} ({'; '.join(settings_changed(config, name)) or 'the defaults'})" for name in runs) or "none yet"
    benchmarks = config.benchmarks
    return (
        f"Does reinforcement learning with a rule-based reward ({terms}) on {config.dataset} teach "
        f"{config.base_model} to solve more problems of {len(benchmarks)} benchmarks "
        f"({', '.join(benchmarks)}), beyond writing its answers in a box? Runs: {names}. "
        f"Defaults: {training.algorithm.upper()}, "
        f"{training.train_batch_size} prompts × {training.rollout_n} responses per step, at most "
        f"{training.max_response_length} tokens, learning rate {training.learning_rate}, {data_words(training)}."
    )


def protocol_text(config: Configuration, primary: str) -> str:
    """How it is measured, from the configuration."""
    evaluation = config.evaluation
    parts = []
    for name in evaluation.select:
        p = evaluation.protocols[name]
        greedy = " and one greedy response" if p.greedy else ""
        parts.append(
            f"{name}: {p.n} samples per problem at temperature {p.temperature}, top-p {p.top_p}{greedy}, at most "
            f"{p.max_tokens} tokens, the {p.prompt} prompt, judge {p.grader}, {p.extraction} extraction"
        )
    return f"Measured under {'; '.join(parts)}. The endpoint is the unweighted mean over the benchmarks under {primary}."


def _marks(comparisons: Sequence[ComparisonRow]) -> dict[str, str]:
    """Runs over whose seeds an effect on the endpoint is claimed: net of control where a control arm ran. One seed claims nothing."""
    marks = {}
    arms = any(row["control"] for row in comparisons)
    for row in comparisons:
        if row["against"] != "base" or row["control"]:
            continue
        claimed = claim_of(row)["claimed"] if arms else row["p_adjusted"] is not None and row["p_adjusted"] < SHOWN
        counted = row["net"] if arms else row["mean"]
        if claimed and counted and (counted["value"] > 0) == (row["mean"]["value"] > 0):
            marks[row["model"]] = "▲" if counted["value"] > 0 else "▼"
    return marks


def _claims(comparisons: Sequence[ComparisonRow]) -> list[str]:
    """What may be said of each arm, where a control arm ran."""
    against_base = [row for row in comparisons if row["against"] == "base"]
    return [claim_of(row)["told"] for row in against_base if not row["control"]] if any(row["control"] for row in against_base) else []


def _comparison_rows(study: Study) -> list[ShownComparison]:
    rows: list[ShownComparison] = []
    costs = {row["model"]: row["training"] for row in study["costs"] if row["training"]}
    for row in study["comparisons"]:
        trained = [costs[run] for run in row["runs"] if run in costs]
        tokens, hours = (sum(amounts) / len(row["runs"]) for amounts in ([c["tokens"] for c in trained], [c["gpu_hours"] for c in trained]))
        told = (charts.thousands(round(tokens)) if tokens else "–", f"{hours:.2f}" if hours else "–")
        rows.append({**row, "tokens": told[0], "gpu_hours": told[1]})
    return rows


def _tiles(study: Study) -> list[dict[str, str]]:
    tiles = []
    for model in study["models"][:4]:
        found = evidence.endpoint_mean(study, model)
        if found:
            note = f"{100 * found['low']:.1f} – {100 * found['high']:.1f}, mean of {len(study['endpoint'].benchmarks)}"
            tiles.append({"label": model, "value": f"{percent(found['value'])} %", "note": note})
    for row in [row for row in study["comparisons"] if row["against"] == "base"][:2]:
        low, high = 100 * row["mean"]["low"], 100 * row["mean"]["high"]
        value = f"{100 * row['mean']['value']:+.2f}"
        tiles.append({"label": f"{row['model']} − base", "value": value, "note": f"points, {low:+.1f} to {high:+.1f}"})
        parts = row.get("parts")
        if parts:
            answers, box = (f"{100 * part['value']:+.1f}" for part in (parts["answers"], parts["format"]))
            tiles.append(
                {"label": f"{row['model']} − base, apart", "value": f"{answers} and {box}", "note": "answers, and format (the box)"}
            )
    contamination = study["data"]["contamination"]
    if contamination:
        note = f"of {charts.thousands(contamination['rows'])} training rows removed as leaks"
        tiles.append({"label": "contamination", "value": charts.thousands(contamination["rows_removed"]), "note": note})
    return tiles


def _previews(pairs: Pairs | None) -> Pairs | None:
    if pairs is None:
        return None
    shown = [pair | {"preview": "".join(text for text, _ in pair["right"]).strip()[:110]} for pair in pairs["shown"]]
    return {"total": pairs["total"], "shown": shown}


def _leaks(contamination: Contamination | None) -> Leaks:
    """The contamination table with a row a benchmark: {"methods": […], "rows": [{benchmark, items, found: {method: row}}]}."""
    rows: dict[str, LeakRow] = {}
    methods: list[str] = []
    for row in contamination.get("table", []) if contamination else []:
        if row["method"] not in methods:
            methods.append(row["method"])
        entry = rows.setdefault(row["benchmark"], {"benchmark": row["benchmark"], "total": row["items"], "found": {}})
        entry["found"][row["method"]] = row
    return {"methods": methods, "rows": list(rows.values())}


def _heat(study: Study) -> list[Heat]:
    labels = {"domain": "domain", "difficulty": "difficulty", "answer_type": "kind of answer", "problem_length": "length of the problem"}
    blocks: list[Heat] = []
    for benchmark in study["benchmarks"]:
        found = {
            m: study["evals"][m, study["primary"], benchmark] for m in study["models"] if (m, study["primary"], benchmark) in study["evals"]
        }
        for kind, label in labels.items():
            names = list(dict.fromkeys(c["cell"] for e in found.values() for c in e["breakdowns"].get(kind, [])))
            if len(names) < 2:
                continue
            rows: list[HeatRow] = []
            for name in names:
                values: list[HeatCell | None] = []
                for result in found.values():
                    part = next((c for c in result["breakdowns"].get(kind, []) if c["cell"] == name), None)
                    values.append({**part, "shade": min(9, int(10 * (part["value"] or 0)))} if part else None)
                rows.append({"cell": name, "n": max(v["n"] or 0 for v in values if v), "values": values})
            blocks.append({"benchmark": benchmark, "label": label, "models": list(found), "rows": rows})
    return blocks


SHARES = ("boxed_rate", "truncated_rate", "accuracy_if_boxed", "maj@n")
EQUALITIES = ("equality_coverage", "equality_accuracy", "step_equality_accuracy", "right_with_false_equality")


def _behaviour(study: Study) -> list[BehaviourRow]:
    """One row per model and protocol; each mean names the benchmarks that have no value of it."""
    rows: list[BehaviourRow] = []
    for protocol in study["protocols"]:
        for model in study["models"]:
            found = {b: e for b in study["benchmarks"] if (e := study["evals"].get((model, protocol, b)))}
            if not found:
                continue
            tokens = [e["metrics"]["mean_tokens"]["value"] or 0.0 for e in found.values() if "mean_tokens" in e["metrics"]]
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


def mean_of_those_with(evals: Mapping[str, Evaluation], metric: str) -> MeanOfSome:
    """Mean of a metric over the benchmarks that have a value of it, and `without`: those that have none."""
    cells = {benchmark: cell(result, metric) for benchmark, result in evals.items()}
    valued = {benchmark: part for benchmark, part in cells.items() if part and part["value"] is not None}
    return {
        "mean": mean_over([evals[benchmark] for benchmark in valued], metric),
        "without": [benchmark for benchmark in cells if benchmark not in valued],
    }


def _first_wrong(study: Study) -> ShownFirstWrong | None:
    for model in reversed(study["models"]):
        for benchmark in study["benchmarks"]:
            result = study["evals"].get((model, study["primary"], benchmark))
            found = result.get("first_wrong_equality") if result else None
            if found:
                return {**found, "model": model, "benchmark": benchmark}
    return None


def _audit_rows(audit: Audit | None) -> list[AuditRow]:
    rows: list[AuditRow] = []
    for benchmark, part in audit.get("benchmarks", {}).items() if audit else ():
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


def _with_hours(provenance: StudyProvenance) -> dict[str, object]:
    manifests = []
    for m in provenance["manifests"]:
        seconds = m.get("seconds")
        hours = f"{seconds / 3600:.2f}" if seconds else "–"
        manifests.append(
            m | {"tokens": generated_tokens(m), "hours": hours, "gpu_hours": f"{m['gpu_hours']:.2f}" if m.get("gpu_hours") else "–"}
        )
    return dict(provenance) | {"manifests": manifests}


def _blobs(samples: PackedSamples) -> list[Blob]:
    """The page's data: packed texts with the tags by which its script finds them."""
    blobs: list[Blob]
    blobs = [{"kind": "problem-set", "tags": {"benchmark": name}, "data": data} for name, data in samples["problems"].items()]
    for entry in samples["sets"]:
        tags = {"model": entry["model"], "protocol": entry["protocol"], "benchmark": entry["benchmark"], "path": entry["path"]}
        blobs += [
            {"kind": "sample-index", "tags": tags, "data": entry["index"]},
            {"kind": "sample-set", "tags": tags, "data": entry["data"]},
        ]
    blobs += [{"kind": "rollout-set", "tags": {"run": entry["run"]}, "data": entry["data"]} for entry in samples["rollouts"]]
    return [*blobs, {"kind": "formula-set", "tags": {"pattern": samples["pattern"]}, "data": samples["formulas"]}]
