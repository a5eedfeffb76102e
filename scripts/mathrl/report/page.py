"""HTML pages from results: everything that comes from data is escaped, nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..scores import METRICS, percent, problem_count, sections
from . import charts

TEMPLATES = Path(__file__).parent / "templates"


def environment() -> Any:
    """Jinja environment that escapes every value."""
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    made = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    made.filters["percent"] = percent
    return made


def safe(markup: str) -> Any:
    """Markup of ours (style, charts) that is not to be escaped again."""
    import markupsafe

    return markupsafe.Markup(markup)


def style() -> Any:
    """The pages' style sheet."""
    return safe((TEMPLATES / "style.css").read_text())


def _score_context(rows: Sequence[Mapping[str, Any]], benchmarks: Sequence[str]) -> dict[str, Any]:
    grouped = sections(rows)
    counts = {key: {name: problem_count(section, name) for name in benchmarks} for key, section in grouped.items()}
    return {"sections": grouped, "counts": counts, "metrics": METRICS, "benchmarks": benchmarks}


def scores_page(
    rows: Sequence[Mapping[str, Any]], benchmarks: Sequence[str], missing: Sequence[Mapping[str, str]]
) -> str:
    """scores.html: the score table alone."""
    template = environment().get_template("scores.html.j2")
    return template.render(style=style(), missing=missing, **_score_context(rows, benchmarks)) + "\n"


def report_page(
    config: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    benchmarks: Sequence[str],
    figures: Mapping[str, str],
    missing: Sequence[Mapping[str, str]],
) -> str:
    """report.html."""
    template = environment().get_template("report.html.j2")
    return (
        template.render(
            title="Mathematical reasoning by reinforcement learning",
            style=style(),
            chart_style=safe(charts.STYLE),
            figures=[safe(svg) for svg in figures.values()],
            missing=missing,
            **_score_context(rows, benchmarks),
        )
        + "\n"
    )
