"""Every number of scores.csv and of the page's comparisons, made again from raw samples and golds by code that shares nothing."""

import csv
import json
import re

import numpy as np
import pytest
from support import recomputed as again

BENCHMARKS = ("demo_symbols", "demo_words", "demo_mixed")
pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def raw(finished):
    """Verdicts by model and benchmark, and the items that a removing method matched."""
    import polars
    import zstandard

    found = {}
    for model in ("base", "grpo"):
        for name in BENCHMARKS:
            items = again.read_lines((finished.directory / f"resources/benchmarks/{name}.jsonl").read_text())
            with zstandard.open(finished.directory / f"results/{model}/finalist/samples/{name}.jsonl.zst", "rt") as lines:
                found[model, name] = again.verdicts(again.read_lines(lines.read()), {row["id"]: row["answer"] for row in items})
    matches = polars.read_parquet(finished.directory / "results/data/matches.parquet")
    removing = set(matches.filter(polars.col("removed"))["method"])
    dirty = {(b, i) for b, i, m in matches.select("benchmark", "item_id", "method").iter_rows() if m in removing}
    return found, dirty


def values(raw, metric, model, name):
    """One value per problem, and its samples."""
    found, dirty = raw
    table = found[model, name]
    if metric in ("clean", "contaminated"):
        table = {i: row for i, row in table.items() if ((name, i) in dirty) == (metric == "contaminated")}
    if metric.startswith("greedy"):
        return [float(row["greedy"][metric.endswith("lenient")]) for row in table.values()], 1
    if metric == "maj@n":
        return [again.majority(row["sampled"]) for row in table.values()], 1
    place = 1 if metric.endswith("lenient") else 0
    return [np.mean([sample[place] for sample in row["sampled"]]) for row in table.values()], 4


def test_every_cell_of_scores_csv(finished, raw):
    with open(finished.directory / "results/scores.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["metric"] for row in rows} >= {"pass@1", "greedy", "maj@n", "clean", "contaminated"} and len(rows) >= 18
    numbers = 0
    for row in rows:
        parts = {name: values(raw, row["metric"], row["model"], name) for name in BENCHMARKS}
        samples = parts[BENCHMARKS[0]][1]
        cells = {name: (*again.share(*part), len(part[0]), np.std(part[0]) / len(part[0]) ** 0.5) for name, part in parts.items()}
        errors = [cell[4] for cell in cells.values()]
        whole = again.mean([part for part, _ in parts.values()], samples)
        cells["mean"] = (*whole, sum(cell[3] for cell in cells.values()), np.sqrt(np.sum(np.square(errors))) / len(errors))
        for name, (value, low, high, n, error) in cells.items():
            told = [row[name], *(row[f"{name}_{part}"] for part in ("low", "high", "se"))]
            assert [float(x) for x in told] == pytest.approx([100 * x for x in (value, low, high, error)], abs=0.0051), (
                row["metric"],
                name,
            )
            assert int(row[f"{name}_n"]) == n
            numbers += 5
    assert numbers >= 360


def test_the_comparison_and_its_parts_on_the_page(finished, raw):
    page = (finished.directory / "results/report.html").read_text()
    tables = [page.split(f'aria-label="{label}"')[1].split("</table>")[0] for label in ("comparisons", "comparisons by benchmark")]
    table = re.sub(r"<[^>]+>", " ", " ".join(tables))
    shown = [float(number) for number in re.findall(r"[+-]\d+\.\d+", table)]
    gains = [np.subtract(values(raw, "pass@1", "grpo", name)[0], values(raw, "pass@1", "base", name)[0]) for name in BENCHMARKS]
    lenient = [np.subtract(values(raw, "pass@1_lenient", "grpo", n)[0], values(raw, "pass@1_lenient", "base", n)[0]) for n in BENCHMARKS]
    thirds, samples = [1 / 3] * 3, values(raw, "pass@1", "grpo", BENCHMARKS[0])[1]
    wanted = list(again.student(gains, thirds, samples)[:3])
    for gain in gains:
        wanted += again.student([gain], [1.0], samples)[:3]
    assert shown == pytest.approx([100 * x for x in wanted], abs=0.051)
    power = page.split('aria-label="power and anatomy"')[1].split("</table>")[0]
    assert f"<td>{100 * again.student(gains, thirds, samples)[3]:.1f}</td>" in power
    sentence = re.search(r"of which ([^ ]+) \[.*?\] in answers .*? and ([^ ]+) \[.*?\] in format", page)
    answers = np.mean([part.mean() for part in lenient])
    assert float(sentence[1]) == pytest.approx(100 * answers, abs=0.0051)
    assert float(sentence[2]) == pytest.approx(100 * (wanted[0] - answers), abs=0.0051)
    new = np.mean(
        [
            np.mean(np.multiply(values(raw, "pass@1", "grpo", n)[0], np.equal(values(raw, "pass@1_lenient", "base", n)[0], 0)))
            for n in BENCHMARKS
        ]
    )
    assert f"{100 * new:.1f} of its" in page


def test_counts_of_the_page_add_up(finished):
    page = (finished.directory / "results/report.html").read_text()
    counts = json.loads((finished.directory / "results/grpo/main/data.json").read_text())["counts"]
    matched = json.loads((finished.directory / "results/data/contamination.json").read_text())["rows_removed"]
    row = re.sub(r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", page.split('aria-label="training files"')[1].split("</table>")[0]))
    cells = [int(x.replace("\u202f", "")) for x in re.findall(r"\d[\d\u202f]*", row.split("clean")[1])]
    problems, removed, of_dev, left_out, dev, train = cells
    assert (problems, removed, removed - of_dev, train) == (counts["problems"], matched, counts["removed"], counts["train"])
    assert problems - removed - left_out - dev == train


def test_tokens_are_those_of_the_budget(finished):
    page = (finished.directory / "results/report.html").read_text()
    manifest = json.loads((finished.directory / "results/grpo/main/manifest.json").read_text())
    shown = f"{manifest['generated_tokens']:,}".replace(",", "\u202f")
    assert shown in page.split('aria-label="cost"')[1].split("</table>")[0]
    assert shown in page.split('aria-label="trained stages"')[1].split("</table>")[0]
