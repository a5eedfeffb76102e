"""The score table in a terminal."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathrl.core.files import UserError
from mathrl.evaluation.scores import title

if TYPE_CHECKING:
    from rich.table import Table

SHORT = ("pass@1", "greedy", "pass@1_lenient")  # sections that are shown unless all are asked for


def read_scores(path: str | Path) -> list[dict[str, str]]:
    """Rows of scores.csv.

    Raises:
        UserError: no such file, or it is no score table.
    """
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; make it with: snakemake --cores all results/scores.csv") from None
    if not rows or not {"protocol", "metric", "model", "mean"} <= set(rows[0]):
        raise UserError(f"{path}: is no score table; make it again with scripts/tabulate_scores.py")
    return rows


def tables(rows: Sequence[Mapping[str, str]], every: bool) -> Iterator[Any]:
    """What to print, section by section: a table, and a line of published means where there are any."""
    from rich.text import Text

    sections: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for row in rows:
        sections.setdefault((row["protocol"], row["metric"]), []).append(row)
    for (protocol, metric), section in sections.items():
        if not every and metric not in SHORT:
            continue
        yield _table(f"{protocol}: {title(metric)} · percent, 95 % interval", section)
        quoted = [f"{row['model']} {row['mean']}" for row in section if row["kind"] == "published"]
        if quoted:
            yield Text(f"mean as {', '.join(quoted)} (quoted, not measured here)", style="dim italic")


def _table(title: str, section: Sequence[Mapping[str, str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    heads = list(section[0])
    columns = heads[heads.index("kind") + 1 : heads.index("mean") + 1]
    grid = Table(title=title, title_justify="left")
    grid.add_column("model", overflow="fold")
    for name in columns:
        count = max((row[f"{name}_n"] for row in section), key=lambda n: int(n or 0))
        grid.add_column(Text(f"{name}\nn = {count}" if count else name), justify="right")
    for row in section:
        if row["kind"] != "published":
            style = "dim" if row["kind"] == "checkpoint" else ""
            grid.add_row(Text(row["model"]), *(Text(_cell(row, name)) for name in columns), style=style)
    return grid


def _cell(row: Mapping[str, str], name: str) -> str:
    if not row[name]:
        return "–"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]}\n{float(low):.1f}–{float(high):.1f}" if low else row[name]
