"""The tables of the study report made again from raw samples, golds, problems and matches by code that shares nothing with it.

Not made again: what only a run's own notes say (seconds, GPU-hours, hashes, dates), curves of training and of score over cost, the audit
of three judges with its disagreements, intervals of ratios, problems by anything but domain, and the contrast at equal solve rates.
"""

import csv
import html
import itertools
import re
from collections import Counter

import numpy as np
import pytest
from support import recomputed as again

from .test_recomputed import BENCHMARKS, raw, values

__all__ = ["raw"]
pytestmark = pytest.mark.workflow
MODELS = ("base", "grpo")
ALL = 1 / len(BENCHMARKS)
EQUALITY = re.compile(r"(?<![\d.])(\d+) ([-+*]) (\d+) = +(-?\d+)(?![\d.]*\d)")


@pytest.fixture(scope="module")
def table(finished):
    """Rows of the page's table of this name, each a list of cells without markup, without its heading."""
    page = (finished.directory / "results/report.html").read_text()

    def of(label):
        text = page.split(f'aria-label="{label}"')[1].split("</table>")[0]
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr.*?</tr>", text, re.DOTALL)]
        return [[html.unescape(re.sub(r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", cell))).strip() for cell in row] for row in rows][1:]

    return of


@pytest.fixture(scope="module")
def responses(finished):
    """Sampled rows by model and benchmark."""
    import zstandard

    found = {}
    for model in MODELS:
        for name in BENCHMARKS:
            with zstandard.open(finished.directory / f"results/{model}/finalist/samples/{name}.jsonl.zst", "rt") as lines:
                found[model, name] = [row for row in again.read_lines(lines.read()) if row["sample"] >= 0]
    return found


@pytest.fixture(scope="module")
def items(finished):
    return {
        name: {row["id"]: row for row in again.read_lines((finished.directory / f"resources/benchmarks/{name}.jsonl").read_text())}
        for name in BENCHMARKS
    }


def numbers(cell):
    """The numbers of a cell, thousands apart by a narrow space or not, the sign of minus as it is typeset."""
    return [float(x) for x in re.findall(r"[-+]?\d+(?:\.\d+)?", cell.replace("\u202f", "").replace(" – ", " ").replace("\u2212", "-"))]


def close(cell, wanted, decimals=2):
    """A cell shows these shares as percent: the first with `decimals`, limits with one."""
    shown, wanted = numbers(cell), [100 * x for x in wanted]
    assert len(shown) == len(wanted), cell
    half = [0.51 * 10**-decimals, *[0.051] * (len(wanted) - 1)]
    assert all(abs(a - b) <= off for a, b, off in zip(shown, wanted, half, strict=True)), (cell, wanted)


def test_score_tables_show_what_scores_csv_says(finished, table):
    with open(finished.directory / "results/scores.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for metric in dict.fromkeys(row["metric"] for row in rows):
        wanted = {row["model"]: row for row in rows if row["metric"] == metric}
        shown = table(f"scores, finalist, {metric}")
        assert [row[0] for row in shown] == list(wanted)
        for model, *cells in shown:
            for name, cell in zip(("mean", *BENCHMARKS), cells, strict=True):
                told = [float(wanted[model][key]) / 100 for key in (name, f"{name}_low", f"{name}_high")]
                close(cell, told)


def test_clustered_errors_are_the_usual_ones(raw, table):
    for model, *cells in table("clustered errors"):
        parts = [np.array(values(raw, "pass@1", model, name)[0]) for name in BENCHMARKS]
        errors = [part.std() / len(part) ** 0.5 for part in parts]
        middles = [part.mean() for part in parts]
        errors.append(np.sqrt(np.sum(np.square(errors))) / len(errors))
        middles.append(np.mean(middles))
        for cell, middle, error in zip(cells, middles, errors, strict=True):
            close(cell.split("usual:")[1], [middle - 1.96 * error, middle + 1.96 * error], decimals=1)


def test_costs_are_those_of_the_responses(raw, table, responses):
    for model, accuracy, tokens, *_ in table("cost"):
        parts = [np.array(values(raw, "pass@1", model, name)[0]) for name in BENCHMARKS]
        close(accuracy, again.mean(parts, 4))
        assert abs(float(tokens) - np.mean([[row["tokens"] for row in responses[model, name]] for name in BENCHMARKS])) <= 0.51


def test_more_samples_are_the_share_of_all_subsets_that_hold_a_right_one(finished, raw):
    page = (finished.directory / "results/report.html").read_text()
    for model in MODELS:
        points = re.findall(rf"<title>{model}: (\S+) % at (\d+)</title>", page.split("pass@k, finalist", 1)[1].split("</svg>")[0])
        shown = {int(k): float(value) for value, k in points}
        for k in (1, 2, 4):
            solved = [
                [np.mean([any(some) for some in itertools.combinations([one[0] for one in row["sampled"]], k)]) for row in part.values()]
                for part in (raw[0][model, name] for name in BENCHMARKS)
            ]
            assert shown[k] == pytest.approx(100 * np.mean([np.mean(part) for part in solved]), abs=0.051), (model, k)


def test_contamination_by_benchmark_and_method_counts_the_matches(finished, table, items):
    import polars

    matches = polars.read_parquet(finished.directory / "results/data/matches.parquet").to_dicts()
    texts = Counter(polars.read_parquet(finished.directory / "resources/datasets/demo.parquet")["prompt"].to_list())
    methods = ("exact", "ngram", "fuzzy")
    for name, total, plain, *cells, share, weight, rows, removed, left in table("contamination by benchmark and method"):
        own = [match for match in matches if match["benchmark"] == name]
        found = {method: {match["item_id"] for match in own if match["method"] == method} for method in methods}
        whole = set().union(*found.values())
        assert int(total) == len(items[name])
        assert int(plain) == sum(row["problem"] in texts for row in items[name].values())
        assert [int(cell) for cell in cells] == [*(len(found[method]) for method in methods), len(whole)]
        close(share, [len(whole) / len(items[name])])
        close(weight, [len(whole) / len(items[name]) * ALL])
        gone = {match["problem_id"] for match in own if match["removed"]}
        assert (int(rows), int(removed)) == (len({match["problem_id"] for match in own}), len(gone))
        assert int(left) == len(whole - {match["item_id"] for match in own if match["removed"]})


def test_contaminated_and_clean_items_and_their_contrast(raw, table):
    part = {
        (model, metric, name): np.array(values(raw, metric, model, name)[0])
        for model in MODELS
        for metric in ("contaminated", "clean")
        for name in BENCHMARKS
    }
    for model, *cells in table("contaminated and clean items"):
        for name, cell in zip(BENCHMARKS, cells, strict=True):
            dirty, clean = part[model, "contaminated", name], part[model, "clean", name]
            assert numbers(cell) == pytest.approx([100 * dirty.mean(), 100 * clean.mean(), len(dirty), len(clean)], abs=0.0051)
    gains = {
        metric: [part["grpo", metric, name] - part["base", metric, name] for name in BENCHMARKS] for metric in ("contaminated", "clean")
    }
    sizes = np.array([[len(one) for one in gains[metric]] for metric in gains])
    weights = sizes.prod(0) / sizes.sum(0)
    weights = weights / weights.sum()
    (row,) = table("contamination contrast")
    for cell, metric, n in zip(row[1:3], gains, sizes.sum(1), strict=True):
        told, _, count = cell.rpartition(" n = ")
        close(told, again.student(gains[metric], weights, 4, shared=False)[:3])
        assert int(count) == n
    both = again.student([*gains["contaminated"], *gains["clean"]], [*weights, *-weights], 4, shared=False)
    close(row[3], both[:3])
    if row[4] == "–" and both[1] <= 0 <= both[2]:
        assert f"a difference of {100 * both[3]:.0f} to be seen" in row[5]


def test_anatomy_and_the_parts_of_the_headline(finished, raw, table):
    page = (finished.directory / "results/report.html").read_text()
    gain = {
        metric: [np.subtract(values(raw, metric, "grpo", name)[0], values(raw, metric, "base", name)[0]) for name in BENCHMARKS]
        for metric in ("pass@1", "pass@1_lenient")
    }
    carried = again.variances(gain["pass@1"], [ALL] * len(BENCHMARKS), 4)
    (row,) = table("power and anatomy")
    assert [float(cell.rstrip("\xa0%")) for cell in row[3:]] == pytest.approx(100 * carried / carried.sum(), abs=0.51)
    format_gain = [one - other for one, other in zip(gain["pass@1"], gain["pass@1_lenient"], strict=True)]
    told = re.search(r"of which (\S+ \[.*?\]) in answers .*? and (\S+ \[.*?\]) in format", page)
    for said, parts in zip(told.groups(), (gain["pass@1_lenient"], format_gain), strict=True):
        close(said, again.student(parts, [ALL] * len(BENCHMARKS), 4)[:3])


def test_behaviour_of_the_responses(raw, table, responses):
    for model, _, boxed, cut, tokens, among, majority in table("behaviour"):
        found = [raw[0][model, name].values() for name in BENCHMARKS]
        close(boxed, again.mean([[np.mean([one[2] for one in row["sampled"]]) for row in part] for part in found], 4))
        ends = [[row["finish_reason"] == "length" for row in responses[model, name]] for name in BENCHMARKS]
        assert numbers(cut)[0] == pytest.approx(100 * np.mean(ends), abs=0.0051)
        assert int(tokens) == round(np.mean([[row["tokens"] for row in responses[model, name]] for name in BENCHMARKS]))
        shares = [[(one[0], one[2]) for row in part for one in row["sampled"]] for part in found]
        right = [sum(strict for strict, _ in part) / sum(box for _, box in part) for part in shares]
        assert numbers(among)[0] == pytest.approx(100 * np.mean(right), abs=0.0051)
        close(majority, again.mean([[again.majority(row["sampled"]) for row in part] for part in found], 1))


def test_counts_of_the_grader(raw, table, responses):
    for model, _, samples, cut, *statuses in table("grader statuses"):
        rows = [one for name in BENCHMARKS for row in raw[0][model, name].values() for one in row["sampled"]]
        ends = [row["finish_reason"] == "length" for name in BENCHMARKS for row in responses[model, name]]
        counts = [int(numbers(cell)[0]) for cell in statuses]
        assert numbers(samples) == [len(rows)] and numbers(cut) == [sum(ends)] and sum(counts) == len(rows)
        assert counts[0] == sum(one[0] for one in rows)  # equal
        assert counts[3] == sum(not one[2] for one in rows)  # no_box


def test_problems_by_domain(raw, table, items):
    for name in BENCHMARKS:
        for domain, n, *cells in table(f"{name} by domain"):
            own = [key for key, row in items[name].items() if row["domain"] == domain]
            assert int(n) == len(own)
            for model, cell in zip(MODELS, cells, strict=True):
                close(cell, [np.mean([np.mean([one[0] for one in raw[0][model, name][key]["sampled"]]) for key in own])])


def test_what_changed(raw, table):
    for _, name, n, *cells in table("what changed"):
        solved = [np.array(values(raw, "pass@1", model, name)[0]) >= 0.5 for model in MODELS]
        before, after = solved
        wanted = [(~before & after).sum(), (before & ~after).sum(), (before & after).sum(), (~before & ~after).sum()]
        assert [int(n), *map(int, cells)] == [len(before), *wanted]


def test_equalities_that_responses_write(raw, table, responses):
    def holds(found):
        left, sign, right, said = found
        return {"+": int(left) + int(right), "-": int(left) - int(right), "*": int(left) * int(right)}[sign] == int(said)

    for model, _, coverage, accuracy, _, flawed in table("equalities"):
        shares, hit, false_of_right = [], [], []
        for name in BENCHMARKS:
            written = [list(dict.fromkeys(EQUALITY.findall(row["response"]))) for row in responses[model, name]]
            right = [one[0] for row in raw[0][model, name].values() for one in row["sampled"]]
            shares.append(np.mean([bool(found) for found in written]))
            hit.append(np.mean([holds(one) for found in written for one in found]))
            false_of_right.append(np.mean([not all(map(holds, f)) for f, ok in zip(written, right, strict=True) if ok]))
        # Degenerate responses write equalities that a pattern of one line misses: a point of the coverage, two of the rest.
        assert numbers(coverage)[0] == pytest.approx(100 * np.mean(shares), abs=1)
        assert numbers(accuracy)[0] == pytest.approx(100 * np.mean(hit), abs=2)
        assert numbers(flawed)[0] == pytest.approx(100 * np.mean(false_of_right), abs=2)
