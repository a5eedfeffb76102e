"""Dates of benchmarks and models: what is marked as younger is so for certain, and the score table, the page and LaTeX show it."""

import csv
import io

import pytest
from mathrl.config.experiment import Configuration
from mathrl.core.files import UserError
from mathrl.data.dates import Dates, checked, is_younger
from mathrl.evaluation.scores import score_table
from mathrl.report.page import scores_page

CASES = [
    ("2025-02-15", "2025-02-14", True, "a day later"),
    ("2025-02-14", "2025-02-14", False, "the same day"),
    ("2025-03", "2025-02-14", True, "a later month"),
    ("2025-02", "2025-02-14", False, "a day of that month may be before"),
    ("2025-02-15", "2025-02", False, "the model may be of the month's end"),
    ("2025-06", "2025", False, "the model may be of December"),
    ("2026", "2025", True, "another year"),
    ("2024-12-31", "2025", False, "older"),
    ("", "2025", False, "a benchmark without a date"),
    ("2026", "", False, "a model without a date"),
]


@pytest.mark.parametrize(("benchmark", "model", "younger", "reason"), CASES, ids=[reason for *_, reason in CASES])
def test_younger_for_certain(benchmark, model, younger, reason):
    assert is_younger(benchmark, model) == younger, reason


@pytest.mark.parametrize("text", ["25", "2025-2", "2025-02-30", "2025-13", "2025-02-03T00:00", "0000", "2025 "])
def test_what_is_no_date(text):
    with pytest.raises(UserError, match="is no date; write YYYY"):
        checked(text, "pins.tsv: line 2")


CONFIG = Configuration(
    benchmarks=["old", "new", "undated"], base_model="small", runs={"grpo": {}}, select=["grpo"], models={"later": "big", "mine": "/a/b"}
)
PUBLISHED = {"old": "2021", "new": "2026-02-14", "undated": "", "small": "2025", "big": "2026-03"}
PART = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 30}
EVAL = {
    "metrics": {"pass@1": PART}, "per_problem": {"id": ["a", "b"], "n": [4, 4], "correct": [2, 2], "greedy": [None, None]},
    "clean_subset": {"available": False},
}  # fmt: skip


def made(dates, models):
    evals = {(model, "p", name): EVAL for model in models for name in CONFIG.benchmarks}
    return score_table(evals, [], models, ["p"], list(CONFIG.benchmarks), "p", {}, dates=dates)


def test_a_run_is_as_old_as_its_base_model_and_a_further_model_as_itself():
    dates = Dates.of(CONFIG, PUBLISHED)
    assert dates == Dates.read(dates.written()) and dates.benchmarks == {"old": "2021", "new": "2026-02-14"}
    rows = ("base", "grpo", "grpo@step-20", "later", "mine")
    assert [dates.younger(row) for row in rows] == [["new"], ["new"], ["new"], [], []]


def test_table_and_page_mark_what_is_younger_with_a_legend():
    found = made(Dates.of(CONFIG, PUBLISHED), ["base", "later"])
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert [(row["model"], row["younger"]) for row in rows] == [("base", "new"), ("later", "")]
    told = found.markdown()
    assert "new (n = 30, 2026-02-14)" in told and "| 50.00 [40.0, 60.0] | 50.00 [40.0, 60.0] † |" in told and told.count("†") == 2
    legend = "† The benchmark was published after the model of its row (base 2025, later 2026-03), whose pretraining cannot hold it."
    page = scores_page(found)
    assert legend in told and legend in page
    assert page.count('<sup class="younger">†</sup>') == 1 and "<small>2026-02-14</small>" in page


def test_without_a_date_of_the_model_there_is_no_mark_and_one_sentence():
    found = made(Dates.of(CONFIG, PUBLISHED | {"small": "", "big": ""}), ["base", "later"])
    sentence = "No date is known of base, later: no benchmark is marked as younger there."
    assert [note for note in found.notes if "date" in note] == [sentence] and "†" not in found.markdown() + scores_page(found)
    assert {row["younger"] for row in csv.DictReader(io.StringIO(found.csv()))} == {""}


def test_a_study_without_dates_has_the_table_of_before():
    found = made(None, ["base"])
    assert "younger" not in found.csv().splitlines()[0] and found.notes == [] and "†" not in scores_page(found)


@pytest.mark.parametrize("text", ["{", "[]", '{"models": {"base": "soon"}}', '{"benchmarks": 1}'])
def test_bad_dates_get_one_line(text):
    with pytest.raises(UserError, match="--dates"):
        Dates.read(text)
