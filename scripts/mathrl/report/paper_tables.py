"""Tables of a study for a thesis or a paper: booktabs LaTeX and CSV from the same cells, each with a caption and its command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mathrl.core.spreadsheets import csv_text
from mathrl.evaluation.metrics import STATUS_LETTERS
from mathrl.evaluation.scores import p_text, sections, title
from mathrl.report.changes import KINDS, change_rows
from mathrl.report.costs import generated_tokens
from mathrl.report.records import Counted, Study
from mathrl.statistics.records import Cell as ScoreCell

COMMAND = "snakemake --cores all results/paper"


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, as shares of one; `signed` for differences."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    signed: bool = False

    @classmethod
    def of(cls, cell: ScoreCell | None, signed: bool = False) -> Estimate | None:
        """From a cell of the score table; None where there is nothing."""
        if not cell or cell["value"] is None:
            return None
        return cls(cell["value"], cell.get("low"), cell.get("high"), cell.get("n"), signed)

    def latex(self) -> str:
        """In percent or points, the interval small behind it."""
        sign = "+" if self.signed else ""
        value = f"${100 * self.value:{sign}.2f}$"
        if self.low is None or self.high is None:
            return value
        return value + rf" {{\scriptsize $[{100 * self.low:{sign}.1f}, {100 * self.high:{sign}.1f}]$}}"


Cell = Estimate | str | int | float | None


@dataclass(frozen=True)
class Table:
    """Rows under heads; the first column is text, the others stand right."""

    name: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "−": "$-$", "×": r"$\times$", "≤": r"$\le$", "→": r"$\to$",
    "▲": "", "▼": "", "…": r"\ldots{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "\u202f": r"\,",
}  # fmt: skip


def latex_text(text: str) -> str:
    """Text that LaTeX prints as it is; what an old engine cannot print is named by its code point."""
    signs = (
        _LATEX.get(sign) or (sign if sign.isprintable() and ord(sign) < 0x180 else f"[U+{ord(sign):04X}]")
        for sign in re.sub(r"\s+", " ", text)
        if sign not in "▲▼"
    )
    return "".join(signs)


def to_latex(table: Table) -> str:
    """A `table` environment for \\usepackage{booktabs}."""

    def shown(cell: Cell) -> str:
        if cell is None:
            return "--"
        return cell.latex() if isinstance(cell, Estimate) else latex_text(f"{cell:,}" if isinstance(cell, int) else str(cell))

    lines = [
        f"% {table.name}; made by: {COMMAND}",
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{latex_text(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.heads) - 1)}}}",
        r"\toprule",
        " & ".join(latex_text(head) for head in table.heads) + r" \\",
        r"\midrule",
        *(" & ".join(shown(cell) for cell in row) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_csv(table: Table) -> str:
    """The same with an estimate in four columns (value, low, high, n), in shares of one."""
    wide = [any(isinstance(row[at], Estimate) for row in table.rows) for at in range(len(table.heads))]
    heads: list[str] = []
    for head, is_wide in zip(table.heads, wide, strict=True):
        heads += [head, f"{head}_low", f"{head}_high", f"{head}_n"] if is_wide else [head]
    lines: list[list[Any]] = [heads]
    for row in table.rows:
        lines.append([])
        for cell, is_wide in zip(row, wide, strict=True):
            if is_wide:
                lines[-1] += [cell.value, cell.low, cell.high, cell.n] if isinstance(cell, Estimate) else [None] * 4
            else:
                lines[-1].append(cell)
    return csv_text(lines)


def tables(study: Study) -> list[Table]:
    """Every table of the study report that has rows; one function per table."""
    parts = (_scores, _comparisons, _changes, _contamination, _statuses, _stages)
    return [table for part in parts for table in part(study) if table.rows]


def _scores(study: Study) -> list[Table]:
    found = []
    for (protocol, metric), section in sections(study["rows"]).items():
        rows = [
            [row["model"], Estimate.of(row["mean"]), *(Estimate.of(row["cells"][name]) for name in study["benchmarks"])]
            for row in section
            if row["kind"] != "checkpoint"
        ]
        caption = f"{title(metric)}, protocol {protocol}: percent of problems with the 95 % interval over problems."
        younger = {", ".join(row["younger"]): row["model"] for row in section if row["younger"]}
        caption += "".join(f" Published after {model}: {names}." for names, model in younger.items())
        name = re.sub(r"[^a-z0-9]+", "-", f"scores-{protocol}-{metric}".lower()).strip("-")
        found.append(Table(name, caption, ["model", "mean", *study["benchmarks"]], rows))
    return found


def _comparisons(study: Study) -> list[Table]:
    rows, judged = [], study["endpoint"].benchmarks
    for row in study["comparisons"]:
        told = [row["level"], Estimate.of(row["mean"], signed=True), p_text(row["p"]), p_text(row["p_adjusted"])]
        rows.append([f"{row['model']} − {row['against']}", *told, *(Estimate.of(part, True) for part in row["benchmarks"].values())])
    caption = f"Differences in points under {study['primary']} with their 95 % intervals; p after Holm counts {len(rows)} comparisons."
    return [Table("comparisons", caption, ["comparison", "over", "mean", "p", "p (Holm)", *judged], rows)]


def _changes(study: Study) -> list[Table]:
    rows: list[list[Cell]] = [
        [row["model"], row["benchmark"], row["n"], *(row["counts"][kind] for kind in KINDS)] for row in change_rows(study)
    ]
    caption = (
        f"Problems that training fixed and broke, against base, under {study['primary']}; solved: at least half of the samples are right."
    )
    return [Table("changes", caption, ["model", "benchmark", "problems", *KINDS], rows)]


def _contamination(study: Study) -> list[Table]:
    keys: tuple[Counted, ...] = ("items", "items_found", "rows", "rows_removed", "items_left")
    contamination = study["data"]["contamination"]
    table = contamination.get("table", []) if contamination else []
    rows: list[list[Cell]] = [[row["benchmark"], row["method"], *(row[key] for key in keys)] for row in table]
    caption = "Benchmark items that have a match among the training rows, by method."
    return [Table("contamination", caption, ["benchmark", "method", *(key.replace("_", " ") for key in keys)], rows)]


def _statuses(study: Study) -> list[Table]:
    rows: list[list[Cell]] = [
        [r["model"], r["protocol"], r["counts"]["samples"], r["counts"]["truncated"], *(r["statuses"][name] for name in STATUS_LETTERS)]
        for r in study["counts"]
    ]
    heads = ["model", "protocol", "samples", "cut off", *(name.replace("_", " ") for name in STATUS_LETTERS)]
    return [Table("statuses", "What the grader said of all samples.", heads, rows)]


def _stages(study: Study) -> list[Table]:
    rows: list[list[Cell]] = [
        [f"{m['run']} / {m['stage']}", m["steps"], m["chosen_step"], generated_tokens(m), m["gpu_hours"]]
        for m in study["provenance"]["manifests"]
    ]
    return [Table("stages", "Trained stages.", ["run / stage", "steps", "exported step", "generated tokens", "GPU-hours"], rows)]
