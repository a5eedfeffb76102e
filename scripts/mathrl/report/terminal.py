"""The score table in a terminal."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathrl.core.files import UserError, printable
from mathrl.data.dates import MARK
from mathrl.evaluation.scores import title

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

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
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({error}); make it again with scripts/tabulate_scores.py") from None
    if not rows or not all(map(_is_row, rows)):
        raise UserError(f"{path}: is no score table; make it again with scripts/tabulate_scores.py")
    return rows


def _columns(row: Mapping[str, str]) -> list[str]:
    """The benchmarks and their mean, in the table's order."""
    heads = list(row)
    return heads[heads.index("kind") + 1 : heads.index("mean") + 1]


def _is_row(row: Mapping[str, str]) -> bool:
    if not {"protocol", "metric", "model", "kind", "mean"} <= set(row) or None in row or None in row.values():
        return False
    numbers = [row.get(f"{name}_n") for name in _columns(row)]
    return all(number is not None and (not number or number.isdecimal()) for number in numbers) and all(
        f"{name}_{end}" in row for name in _columns(row) for end in ("low", "high")
    )


def tables(rows: Sequence[Mapping[str, str]], every: bool) -> Iterator[Any]:
    """What to print, section by section: a table, and a line of published means where there are any."""
    sections: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for row in rows:
        sections.setdefault((row["protocol"], row["metric"]), []).append(row)
    for (protocol, metric), section in sections.items():
        beside = [f"{row['model']}: {row['bands']}" for row in section if row.get("bands")]
        if not every and metric not in SHORT and not beside:
            continue
        yield _table(f"{protocol}: {title(metric)} · percent, 95 % interval", section)
        for line in beside:
            yield _text(line, "bold")
        quoted = [f"{row['model']} {row['mean']}" for row in section if row["kind"] == "published"]
        if quoted:
            yield _text(f"mean as {', '.join(quoted)} (quoted, not measured here)", "dim italic")
    if any(row.get("younger") for row in rows):
        yield _text(f"{MARK} the benchmark was published after the model of its row", "dim italic")


def _table(title: str, section: Sequence[Mapping[str, str]]) -> Table:
    from rich.table import Table

    columns = _columns(section[0])
    grid = Table(title=_text(title), title_justify="left")
    grid.add_column("model", overflow="fold")
    for name in columns:
        count = max((row[f"{name}_n"] for row in section), key=lambda n: int(n or 0))
        grid.add_column(_text(name, "", f"n = {count}" if count else ""), justify="right")
    for row in section:
        if row["kind"] != "published":
            style = "dim" if row["kind"] == "checkpoint" else ""
            grid.add_row(_text(row["model"]), *(_cell(row, name) for name in columns), style=style)
    return grid


def _cell(row: Mapping[str, str], name: str) -> Text:
    """A value over its interval, both as scores.csv has them: rounded once, to two decimals."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    mark = f" {MARK}" if row[name] and name in row.get("younger", "").split() else ""
    return _text((row[name] or "–") + mark, "", f"{low}–{high}" if row[name] and low else "")


def _text(text: str, style: str = "", below: str = "") -> Text:
    """Text of a table that may be a stranger's: no markup, and nothing that commands a terminal."""
    from rich.text import Text

    return Text("\n".join(printable(line) for line in (text, below) if line), style=style)
