"""What a thesis or a paper takes from a study: every figure as SVG and PDF, every table as LaTeX and CSV, with captions."""

from __future__ import annotations

import html
import re

from mathrl.report import charts
from mathrl.report.effect_charts import cost_charts, forest_plot
from mathrl.report.figures import funnel_chart, further_charts
from mathrl.report.paper_tables import COMMAND, tables, to_csv, to_latex
from mathrl.report.records import Study
from mathrl.report.score_charts import checkpoint_charts, length_charts, pass_charts
from mathrl.report.users_figures import training_figures
from mathrl.report.vector_pdf import to_pdf


def figures(study: Study) -> list[tuple[str, str, str]]:
    """(name, SVG, caption) of every figure of the study report."""
    benchmark = study["config"].training.validation_benchmark
    runs, models = study["runs"], study["models"]
    found = [("effects", forest_plot(study), f"Differences in points under {study['primary']} with 95 % intervals.")]
    found += [("pass_at_k", svg, "Unbiased pass@k, mean over the benchmarks, with 95 % intervals.") for svg in pass_charts(study)]
    found += cost_charts(study)
    found += [(_slug(svg), svg, f"pass@1 of checkpoints under {study['primary']}.") for svg in checkpoint_charts(study)]
    if any(run["curves"] for run in runs.values()):
        found += training_figures(runs, benchmark, study["config"].report.figures, models)
        found += [(_slug(svg), svg, text or f"{_title(svg)}.") for svg, text in further_charts(runs, benchmark, models)]
    found += [(_slug(svg), svg, f"Response length, share of responses. {told}.") for told, svg in length_charts(study)]
    if study["data"]["funnel"]:
        found.append(("funnel", funnel_chart(study["data"]["funnel"]), "Rows left after each cleaning step."))
    return _named([entry for entry in found if entry[1]])


def _title(svg: str) -> str:
    return html.unescape(svg.partition("<title>")[2].partition("</title>")[0])


def _slug(svg: str) -> str:
    """A file's name from a chart's title."""
    return re.sub(r"[^a-z0-9]+", "_", _title(svg).lower()).strip("_")[:60] or "figure"


def _named(found: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Names made unique: a second `length` becomes `length_2`."""
    seen: dict[str, int] = {}
    named = []
    for name, svg, caption in found:
        seen[name] = seen.get(name, 0) + 1
        named.append((name if seen[name] == 1 else f"{name}_{seen[name]}", svg, caption))
    return named


def paper_files(study: Study) -> dict[str, bytes]:
    """Files by their path in the folder: figures/*.svg and *.pdf, tables/*.tex and *.csv, and README.md with the captions."""
    files: dict[str, bytes] = {}
    lines = ["# Figures and tables of this study", "", f"Made by `{COMMAND}`. LaTeX needs the packages booktabs and graphicx.", ""]
    for name, svg, caption in figures(study):
        files[f"figures/{name}.svg"] = charts.standalone(svg).encode()
        try:
            files[f"figures/{name}.pdf"] = to_pdf(svg)
        except ValueError:
            if name not in study["config"].report.figures:  # one of the user's may draw more than our charts do
                raise
        kinds = f"`figures/{name}.pdf`, `.svg`" if f"figures/{name}.pdf" in files else f"`figures/{name}.svg`"
        lines.append(f"- {kinds}: {caption}")
    lines.append("")
    for table in tables(study):
        files[f"tables/{table.name}.tex"] = to_latex(table).encode()
        files[f"tables/{table.name}.csv"] = to_csv(table).encode()
        lines.append(f"- `tables/{table.name}.tex`, `.csv`: {table.caption}")
    files["README.md"] = ("\n".join(lines) + "\n").encode()
    return files
