"""The score table: a row a model, a column a benchmark, and their unweighted mean, each with interval and n."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal

from mathrl.config.endpoint import Endpoint
from mathrl.config.evaluation import Band
from mathrl.core.files import UserError, read_json
from mathrl.data.dates import MARK, Dates
from mathrl.evaluation.bands import beside, in_words
from mathrl.evaluation.means import BY, cell, clustered_error, mean_error, mean_over
from mathrl.evaluation.records import Evaluation, Published, ScoreRow
from mathrl.statistics.comparisons import about_controls, claim, compare_all, label, seed_interval
from mathrl.statistics.records import Cell, ComparisonRow, Mean, measured

Evals = dict[tuple[str, str, str], Evaluation]  # (model, protocol, benchmark) → eval JSON

# Column sections of the table: metric in the eval JSON → what it is called. `maj@` and `avg@` stand for whatever n was.
METRICS = {
    "pass@1": "sampled, mean over the samples (avg@n)",
    "greedy": "greedy, one response",
    "pass@1_strict": "sampled, answer in the box only",
    "pass@1_lenient": "sampled, last number where there is no box",
    "greedy_strict": "greedy, answer in the box only",
    "greedy_lenient": "greedy, last number where there is no box",
    "maj@n": "majority of the samples",
    "clean": "sampled, clean items only",
    "contaminated": "sampled, contaminated items only",
}

# The same of each verifier in use, as `{metric} by {verifier}`.
METRICS_BY = {
    "best_of_n": "best of the samples",
    "weighted_majority": "majority of the samples, weighted",
    "flawed_but_right": "right answers with a wrong step, of right answers",
    "steps_right": "right steps, of all steps",
}

# Published results of the same benchmarks: they are quoted, never measured here, and enter no test. Percent.
PUBLISHED: list[Published] = [
    {
        "model": "untrained OpenSeek-Small-v1-SFT",
        "benchmarks": {
            "gsm8k": 21.0,
            "math500": 13.3,
            "amc23": 4.84,
            "minerva_math": 3.40,
            "olympiadbench": 3.19,
            "aime24": 0.21,
        },
        "mean": 7.65,
        "source": "a finalist's own run of the organisers' script (FlagAI-Open/OpenSeek, pull request 170), no figure of the organisers",
    },
    {
        "model": "GRPO report",
        "benchmarks": {},
        "mean": 13.02,
        "source": "online score of the reproduced report under the contest's protocol (FlagAI-Open/OpenSeek, pull requests 165–171)",
    },
]
# Quoted beside them and in no table: another protocol is another measurement.
PUBLISHED_ELSEWHERE = (
    "12.85 (FlagAI-Open/OpenSeek, pull request 170: temperature 0.05–0.1, a prompt per benchmark that was chosen on the tests)",
    "about 13.9 (pull request 169: temperature 0, a chat template over the template; PPO with a process reward)",
)
PUBLISHED_PROTOCOL = "contest"
PUBLISHED_BENCHMARKS = {"aime24", "amc23", "gsm8k", "math500", "minerva_math", "olympiadbench"}


def published_notes(protocols: Sequence[str], benchmarks: Sequence[str]) -> list[str]:
    """What is said about published scores beside the table: which are of other protocols, or why none is shown."""
    if PUBLISHED_PROTOCOL not in protocols or not PUBLISHED_BENCHMARKS & set(benchmarks):
        return []
    notes = [f"Published under other protocols, not comparable with this table: {'; '.join(PUBLISHED_ELSEWHERE)}."]
    if set(benchmarks) != PUBLISHED_BENCHMARKS:
        means = ", ".join(f"{entry['model']} {entry['mean']:.2f}" for entry in PUBLISHED)
        notes.append(
            f"Published means are over {', '.join(sorted(PUBLISHED_BENCHMARKS))}, which are not this study's benchmarks; "
            f"they stand in no mean here: {means}."
        )
    return notes


def eval_path(results: str | os.PathLike, model: str, protocol: str, benchmark: str) -> Path:
    """Where the eval JSON of one model, protocol and benchmark lies."""
    return Path(results) / model / protocol / "eval" / f"{benchmark}.json"


def load_evals(
    results: str | os.PathLike, models: Sequence[str], protocols: Sequence[str], benchmarks: Sequence[str], partial: bool = False
) -> tuple[Evals, list[dict[str, str]]]:
    """The eval JSONs that exist, and a list of those that do not, each with the command that makes it.

    `partial`: of a study at work, where a damaged file is one that is being written, and so does not exist yet.
    """
    evals: Evals = {}
    missing = []
    for model in models:
        for protocol in protocols:
            for benchmark in benchmarks:
                path = eval_path(results, model, protocol, benchmark)
                if path.is_file() and (found := _read(path, partial)) is not None:
                    evals[model, protocol, benchmark] = found
                else:
                    what = f"{benchmark} of {model} under protocol {protocol}"
                    missing.append({"what": what, "path": str(path), "make": f"snakemake --cores all {path}"})
    return evals, missing


def _read(path: Path, partial: bool) -> Any:
    try:
        return read_json(path)
    except UserError:
        if not partial:
            raise
        return None


def metric_names(evals: Evals) -> list[str]:
    """The sections of the table: `METRICS`, and those of every verifier that an eval JSON has."""
    verifiers = dict.fromkeys(name for result in evals.values() for name in result.get("verifiers", {}))
    return [*METRICS, *(f"{metric}{BY}{verifier}" for verifier in verifiers for metric in METRICS_BY)]


def title(metric: str) -> str:
    """What a section is called."""
    name, by, verifier = metric.partition(BY)
    return f"{METRICS_BY.get(name, name)} (verifier {verifier})" if by else METRICS.get(metric, metric)


def table(
    evals: Evals,
    models: Sequence[str],
    protocols: Sequence[str],
    benchmarks: Sequence[str],
    primary: str,
    groups: Mapping[str, Sequence[str]] | None = None,
    dates: Dates | None = None,
    bands: Sequence[Band] = (),
) -> list[ScoreRow]:
    """Rows {protocol, metric, model, kind, cells: {benchmark: cell}, mean, source, younger, bands}, the primary protocol first.

    `kind` is `measured`, `checkpoint` (along a run's training), `seeds` (the mean over the replicates of a group of `groups`, with
    its interval over seeds) or `published`. A metric's section is left out where no model has it. Cells hold shares (0–1) with the usual
    clustered standard error `se` as a reference beside our limits;
    published rows hold them too, without interval and n. `younger` names the benchmarks that are younger than the row's model;
    `bands` says where a score lies beside those of the argument.
    """
    dates = dates or Dates()
    rows: list[ScoreRow] = []
    for protocol in sorted(protocols, key=lambda name: name != primary):
        for metric in metric_names(evals):
            section: list[ScoreRow] = []
            for model in models:
                results = {name: evals.get((model, protocol, name)) for name in benchmarks}
                cells = {name: _with_error(cell(result, metric), clustered_error(result, metric)) for name, result in results.items()}
                mean = _with_error(mean_over(list(results.values()), metric), mean_error(list(results.values()), metric))
                section.append(
                    {
                        "protocol": protocol,
                        "metric": metric,
                        "model": model,
                        "kind": kind_of(model),
                        "source": "",
                        "cells": cells,
                        "mean": mean,
                        "younger": dates.younger(model),
                        "bands": [],
                    }
                )
            section += [_over_seeds(section, group, runs) for group, runs in (groups or {}).items() if len(runs) > 1]
            for row in section:
                names = _names(row["model"], groups or {}) if row["kind"] != "checkpoint" else ()
                row["bands"] = beside(row, names, bands, primary)
            if any(part for row in section for part in row["cells"].values()):
                rows += section
            if metric == "pass@1" and protocol == PUBLISHED_PROTOCOL and set(benchmarks) >= PUBLISHED_BENCHMARKS:
                rows += [_published(entry, protocol, benchmarks) | {"number": i} for i, entry in enumerate(PUBLISHED, 1)]
    return rows


def _with_error(part: Cell | None, error: float | None) -> Cell | None:
    return part and part | {"se": error}


def _names(model: str, groups: Mapping[str, Sequence[str]]) -> set[str]:
    """What a row is called in the configuration: itself, and the group that it is a replicate of or the mean over."""
    return {model} | {group for group, runs in groups.items() if model in runs or model == label(group, runs)}


def kind_of(model: str) -> Literal["measured", "checkpoint"]:
    """`checkpoint` for one along a run's training (`run@…`), else `measured`."""
    return "checkpoint" if "@" in model else "measured"


def _over_seeds(section: Sequence[ScoreRow], group: str, runs: Sequence[str]) -> ScoreRow:
    rows = [row for row in section if row["model"] in runs]

    def cell_over_seeds(parts: list[Cell | None]) -> Cell | None:
        known = [part for part in parts if measured(part)]
        found = seed_interval([part["value"] for part in known]) if len(known) == len(parts) else None
        if found is None:
            return None
        return {**found, "low": max(0.0, found["low"]), "high": min(1.0, found["high"]), "n": known[0]["n"]}

    cells = {name: cell_over_seeds([row["cells"][name] for row in rows]) for name in rows[0]["cells"]}
    mean = cell_over_seeds([row["mean"] for row in rows])
    return {**rows[0], "model": label(group, runs), "kind": "seeds", "cells": cells, "mean": mean}


def _published(entry: Published, protocol: str, benchmarks: Sequence[str]) -> ScoreRow:
    def share(value: float | None) -> Cell | None:
        return None if value is None else {"value": value / 100, "low": None, "high": None, "n": None}

    cells = {name: share(entry["benchmarks"].get(name)) for name in benchmarks}
    model = f"published: {entry['model']}"
    return {
        "protocol": protocol,
        "metric": "pass@1",
        "model": model,
        "kind": "published",
        "source": entry["source"],
        "cells": cells,
        "mean": share(entry["mean"]) if set(benchmarks) == PUBLISHED_BENCHMARKS else None,
        "younger": [],
        "bands": [],
    }


@dataclass(frozen=True)
class ScoreTable:
    """The score table with its comparisons: what scores.csv, .md and .html say."""

    rows: list[ScoreRow]
    benchmarks: list[str]
    missing: Sequence[Mapping[str, str]]
    comparisons: list[ComparisonRow]
    claim: str
    notes: list[str]
    verifiers: list[str]  # lines of the table of verifiers
    dates: Dates

    def csv(self) -> str:
        """The content of scores.csv."""
        return to_csv(self.rows, self.benchmarks, dated=bool(self.dates.benchmarks))

    def markdown(self) -> str:
        """The content of scores.md."""
        return to_markdown(
            self.rows, self.benchmarks, self.missing, self.comparisons, self.claim, self.notes, self.verifiers, self.dates.benchmarks
        )


def score_table(
    evals: Evals,
    missing: Sequence[Mapping[str, str]],
    models: Sequence[str],
    protocols: Sequence[str],
    benchmarks: Sequence[str],
    primary: str,
    groups: Mapping[str, Sequence[str]],
    endpoint: Endpoint | None = None,
    controls: Mapping[str, str] | None = None,
    further: int = 0,
    dates: Dates | None = None,
    bands: Sequence[Band] = (),
) -> ScoreTable:
    """The table of these eval JSONs (`load_evals`).

    `endpoint` is pass@1 over all benchmarks under `primary` unless it is given; `controls` and `further` as in `compare_all`, `bands` as
    in `table`.
    """
    dates = dates or Dates()
    rows = table(evals, models, protocols, benchmarks, primary, groups, dates, bands)
    compared = compare_all(evals, groups, endpoint or Endpoint(primary, tuple(benchmarks)), controls, further)
    said = claim(groups) + (f" {about_controls(compared)}" if compared else "")
    notes = [*dates.notes(rows), *published_notes(protocols, benchmarks)]
    if further:
        more = "1 further model was" if further == 1 else f"{further} further models were"
        notes.append(f"{more} evaluated in this folder and left out here; Holm's correction counts them.")
    return ScoreTable(rows, list(benchmarks), list(missing), compared, said, notes, verifier_lines(evals), dates)


def p_text(p: float | None) -> str:
    """A p value in words of a table; a dash where there is none (one seed)."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def percent(value: float | None) -> str:
    """A share as percent with two decimals; empty for None."""
    return "" if value is None else f"{100 * value:.2f}"


def to_csv(rows: Sequence[ScoreRow], benchmarks: Sequence[str], dated: bool = False) -> str:
    """The table as CSV, in percent; interval limits, n (problems) and the usual clustered standard error
    stand in columns of their own at the end; where benchmarks are `dated`, those that are younger than the row's model; where
    there are bands, where a score lies beside them."""
    columns = [*benchmarks, "mean"]
    details = [f"{name}_{part}" for name in columns for part in ("low", "high", "n", "se")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    banded = any(row["bands"] for row in rows)
    more = [*(["younger"] if dated else []), *(["bands"] if banded else [])]
    writer.writerow(["protocol", "metric", "model", "kind", *columns, *details, "source", *more])
    for row in rows:
        cells = [*(row["cells"][name] for name in benchmarks), row["mean"]]
        values = [percent(c["value"]) if c else "" for c in cells]
        parts = [(percent(c["low"]), percent(c["high"]), c["n"] or "", percent(c.get("se"))) if c else ("",) * 4 for c in cells]
        flat = [part for group in parts for part in group]
        last = [row["source"], *([" ".join(row["younger"])] if dated else [])]
        last += ["; ".join(map(in_words, row["bands"]))] if banded else []
        writer.writerow([row["protocol"], row["metric"], row["model"], row["kind"], *values, *flat, *last])
    return out.getvalue()


def cell_text(part: Cell | None) -> str:
    """`12.34 [10.1, 14.8]` in percent, `–` where there is nothing."""
    if part is None or part["value"] is None:
        return "–"
    if part["low"] is None or part["high"] is None:
        return percent(part["value"])
    return f"{percent(part['value'])} [{100 * part['low']:.1f}, {100 * part['high']:.1f}]"


def effect_text(part: Mean) -> str:
    """`+1.23 [-0.1, +2.6]` in points."""
    return f"{100 * part['value']:+.2f} [{100 * part['low']:+.1f}, {100 * part['high']:+.1f}]"


def headline(comparisons: Sequence[ComparisonRow]) -> list[str]:
    """A sentence per run against the base model: its effect, and how much of it is format."""
    told = []
    for row in comparisons:
        parts = row.get("parts")
        if not parts:
            continue
        unsolved = (
            f"; {100 * parts['unsolved_before']:.1f} of its {100 * parts['score']:.1f} points lie on problems that the base model never "
            f"solved in {parts['k']} samples, with or without a box"
            if parts["k"]
            else ""
        )
        told.append(
            f"{row['model']} − base: {effect_text(row['mean'])} points, of which {effect_text(parts['answers'])} in answers (a last number "
            f"without a box counts too) and {effect_text(parts['format'])} in format (the box){unsolved}."
        )
    return told


def to_markdown(
    rows: Sequence[ScoreRow],
    benchmarks: Sequence[str],
    missing: Sequence[Mapping[str, str]],
    comparisons: Sequence[ComparisonRow] = (),
    claim: str = "",
    notes: Sequence[str] = (),
    verifiers: Sequence[str] = (),
    published: Mapping[str, str] | None = None,
) -> str:
    """The table as Markdown: a section a protocol and metric, values in percent with their 95 % interval.

    `published`: dates of the benchmarks, for the head.
    """
    dates = {name: f", {date}" for name, date in (published or {}).items()}
    lines = ["# Scores", "", "Percent of problems, with the 95 % interval in brackets; n problems in the head.", ""]
    for (protocol, metric), section in sections(rows).items():
        counts = {name: problem_count(section, name) for name in benchmarks}
        lines += [f"## {protocol}: {title(metric)}", ""]
        heads = [f"{name} (n = {counts[name]}{dates.get(name, '')})" for name in benchmarks]
        lines += ["| model | " + " | ".join(heads) + " | mean |", "|---" * (len(benchmarks) + 2) + "|"]
        for row in section:
            name = f"*{row['model']}*¹" if row["kind"] == "published" else row["model"].replace("|", "\\|")
            name = f"{name} (checkpoint)" if row["kind"] == "checkpoint" else name
            values = [cell_text(part) + (f" {MARK}" if part and b in row["younger"] else "") for b, part in row["cells"].items()]
            lines.append(f"| {name} | " + " | ".join(values) + f" | **{cell_text(row['mean'])}** |")
        banded = [(row["model"], entry) for row in section for entry in row["bands"]]
        compared = [f"- {model}: {in_words(entry)}. {escape(' '.join(entry['source'].split()), quote=False)}." for model, entry in banded]
        lines += ["", *compared] if compared else []
        quoted = [f"{row['model']}: {row['source']}" for row in section if row["kind"] == "published"]
        lines += [""] + ([f"¹ quoted, not measured here, in no test. {'; '.join(quoted)}.", ""] if quoted else [])
    if comparisons:
        told = (
            "Difference in points with its 95 % interval: over problems, paired, for checkpoints of one seed, which have no p; over "
            "problems and seeds, crossed, for replicates. Seen with 80 %: the smallest true difference that such an experiment shows."
        )
        shown = list(comparisons[0]["benchmarks"])
        heads = ["run", "against", "over", "mean", "seen with 80 %", "p", "p (Holm)", "net of control", *shown]
        lines += ["## Comparisons", "", told, "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        for line in comparisons:
            parts = [effect_text(line["benchmarks"][name]) for name in shown]
            model = line["model"] + (f" (control: {line['control']} reward)" if line["control"] else "")
            head = [model, line["against"], line["level"], f"**{effect_text(line['mean'])}**", f"{100 * line['mean']['smallest']:.1f}"]
            head += [p_text(line["p"]), p_text(line["p_adjusted"]), effect_text(line["net"]) if line["net"] else "–"]
            lines.append("| " + " | ".join([*head, *parts]) + " |")
        lines.append("")
    lines += [part for text in filter(None, [*headline(comparisons), claim, *notes]) for part in (text, "")]
    lines += verifiers
    if missing:
        lines += ["## Missing", ""]
        lines += [f"- {entry['what']}: `{entry['make']}`" for entry in missing] + [""]
    return "\n".join(lines)


def verifier_lines(evals: Evals) -> list[str]:
    """What verifiers choose beside what most samples say, as Markdown: a row per model, protocol, benchmark and verifier."""
    lines = []
    for (model, protocol, benchmark), result in evals.items():
        for name, found in result.get("verifiers", {}).items():
            ways = (found["best_of_n_minus_majority"], found["weighted_majority_minus_majority"])
            differences = [effect_text(way) for way in ways]
            shown = (found["best_of_n"], found["weighted_majority"], found["flawed_but_right"], found["steps_right"])
            cells = [cell_text(part) for part in shown]
            related = found["correlation"]["value"]
            told = "–" if related is None else f"{related:.2f} (n = {found['correlation']['n']})"
            row = [model, protocol, benchmark, name, cell_text(cell(result, "maj@n"))]
            lines.append("| " + " | ".join([*row, cells[0], differences[0], cells[1], differences[1], *cells[2:], told]) + " |")
    if not lines:
        return []
    heads = ["model", "protocol", "benchmark", "verifier", "maj@n", "best-of-n", "− maj@n", "weighted majority", "− maj@n"]
    heads += ["flawed but right", "right steps", "correlation with the answer"]
    note = "Best-of-n and weighted majority by each verifier, and their difference to maj@n in points, paired; 95 % intervals."
    return ["## Verifiers", "", note, "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", *lines, ""]


def problem_count(section: Sequence[ScoreRow], benchmark: str) -> int:
    """Most problems that any row of a section has on a benchmark."""
    return max((part["n"] or 0 for row in section if (part := row["cells"][benchmark])), default=0)


def sections(rows: Sequence[ScoreRow]) -> dict[tuple[str, str], list[ScoreRow]]:
    """Rows by (protocol, metric), in order."""
    grouped: dict[tuple[str, str], list[ScoreRow]] = {}
    for row in rows:
        grouped.setdefault((row["protocol"], row["metric"]), []).append(row)
    return grouped
