"""Figures and tables for a thesis: LaTeX and CSV say what the page says, PDFs are PDFs, and hostile names stay names."""

import csv
import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from mathrl.report import charts, vector_pdf
from mathrl.report.paper_tables import Estimate, Table, latex_text, to_csv, to_latex
from mathrl.report.vector_pdf import to_pdf
from support.report_world import MODELS, call

HOSTILE = '=HYPERLINK("x") \\input{/etc/passwd} 50% & a_b^c {$} #1 ~ \x1b[31m \u202e <b> \U0001f600'


@pytest.fixture(scope="module")
def paper(world):
    flags = ["--results", world / "results", "--benchmark-dir", world / "benchmarks", "--config", world / "config.json"]
    call("write_paper.py", *flags, "--models", *MODELS, "--out", world / "paper")
    return world / "paper"


def test_every_figure_and_table_is_there_twice_with_its_caption(paper):
    for folder, kinds in (("figures", {".svg", ".pdf"}), ("tables", {".tex", ".csv"})):
        names = {path.stem for path in (paper / folder).iterdir()}
        assert {path.name for path in (paper / folder).iterdir()} == {name + kind for name in names for kind in kinds}
        told = (paper / "README.md").read_text()
        assert all(re.search(rf"`{folder}/{re.escape(name)}\.\w+`, `\.\w+`: \S", told) for name in names)
    for name in ("figures/effects", "figures/pass_at_k", "figures/cost_tokens", "figures/cost_gpu_hours", "figures/validation"):
        assert (paper / f"{name}.pdf").read_bytes().startswith(b"%PDF"), name
    for name in ("comparisons", "changes", "contamination", "statuses", "stages", "scores-finalist-pass-1"):
        assert "snakemake --cores all results/paper" in (paper / f"tables/{name}.tex").read_text()


def test_latex_and_csv_say_the_same(paper):
    rows = list(csv.DictReader(io.StringIO((paper / "tables/scores-finalist-pass-1.csv").read_text())))
    tex = (paper / "tables/scores-finalist-pass-1.tex").read_text()
    for row in rows:
        value, low = 100 * float(row["mean"]), 100 * float(row["mean_low"])
        assert re.search(rf"^{re.escape(row['model'])} & \${value:.2f}\$ {{\\scriptsize \$\[{low:.1f},", tex, re.M), row
    assert {row["model"] for row in rows} == {"base", "grpo", "dapo"} and all(int(row["toy_n"]) == 20 for row in rows)


def test_the_same_study_gives_the_same_bytes(paper, world):
    before = {path.relative_to(paper): path.read_bytes() for path in paper.rglob("*") if path.is_file()}
    flags = ["--results", world / "results", "--benchmark-dir", world / "benchmarks", "--config", world / "config.json"]
    call("write_paper.py", *flags, "--models", *MODELS, "--out", world / "paper-again")
    again = world / "paper-again"
    assert {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()} == before


def test_hostile_text_is_text():
    table = Table("t", HOSTILE, ["model", HOSTILE], [[HOSTILE, Estimate(0.5)], ["+1", None]])
    tex = to_latex(table)
    assert "\\input{" not in tex and "\\textbackslash{}input" in tex and "[U+001B]" in tex and "[U+202E]" in tex and "[U+1F600]" in tex
    rows = list(csv.reader(io.StringIO(to_csv(table))))
    assert rows[1][0] == "'" + HOSTILE and rows[2][0] == "'+1", "no spreadsheet takes it for a formula"
    assert all(row[0][:1] not in "=+-@" for row in rows)


def test_an_estimate_in_latex():
    assert Estimate(0.5, 0.4, 0.6).latex() == r"$50.00$ {\scriptsize $[40.0, 60.0]$}"
    assert Estimate(-0.05, -0.1, 0.0, signed=True).latex() == r"$-5.00$ {\scriptsize $[-10.0, +0.0]$}"
    assert latex_text("a_b") == r"a\_b"


def test_hostile_text_in_a_figure_is_text():
    svg = charts.bar_chart([(HOSTILE, 1.0, "$x$ \x00\ufffe")], HOSTILE, HOSTILE)
    assert [e.text for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")][-1] == "$x$ \ufffd\ufffd"
    assert to_pdf(svg).startswith(b"%PDF")


def test_the_pdf_has_the_looks_of_the_style_sheet():
    assert vector_pdf._CLASSES["title"] == {"font-size": "13px", "font-weight": "600", "fill": "#1c2230"}
    assert set(vector_pdf._CLASSES) >= {"grid", "axis", "line", "raw", "band", "chosen", "stage", "flag", "strong", "inverse"}


def test_a_shape_that_the_pdf_does_not_know_is_an_error():
    with pytest.raises(ValueError, match="<ellipse>"):
        to_pdf(charts.frame("t", "d", 100, 50, '<ellipse cx="1" cy="1"/>'))


@pytest.mark.full
def test_latex_compiles(paper, tmp_path):
    """Debian's texlive: every table and every figure in one document, without an error."""
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("no pdflatex: apt-get install texlive-latex-base")
    hostile = tmp_path / "hostile.tex"
    hostile.write_text(to_latex(Table("hostile", HOSTILE, ["model", HOSTILE], [[HOSTILE, Estimate(0.5)]])))
    parts = [f"\\input{{{path}}}\\clearpage" for path in [*sorted((paper / "tables").glob("*.tex")), hostile]]
    parts += [f"\\includegraphics[width=.9\\textwidth]{{{path}}}\\clearpage" for path in sorted((paper / "figures").glob("*.pdf"))]
    body = "\n".join(parts)
    packages = "\\usepackage[utf8]{inputenc}\\usepackage[T1]{fontenc}\\usepackage{booktabs}\\usepackage{graphicx}"
    (tmp_path / "all.tex").write_text(f"\\documentclass{{article}}{packages}\\begin{{document}}\n{body}\n\\end{{document}}\n")
    done = subprocess.run([engine, "-interaction=nonstopmode", "-halt-on-error", "all.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
