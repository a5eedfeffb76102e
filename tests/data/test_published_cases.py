"""The small published inputs beside this clone, each with its right value; tests of kinds are in the other files."""

import polars as pl
import pytest
from mathrl.core.files import UserError
from mathrl.data import cleaning, published
from mathrl.data.benchmarks import read_benchmark_file
from mathrl.decontamination import command
from mathrl.decontamination.compare import surely_same
from support.cleaning import SETTINGS

READ = {
    "001": ["72", "10", "5"],
    "003": ["6", "7", "8"],
    "007": ["\\left( 3, \\frac{\\pi}{2} \\right)", "p - q"],
    "009": ["60", "15"],
    "013": ["7", "9"],
    "015": ["7"],
}
BENCHMARKS = {"025": ["C"], "027": ["2, -2"], "033": ["4"], "035": ["4", "4"]}


@pytest.fixture
def case(shared):
    folder = shared.parent / "cases" / "data"
    if not folder.is_dir():
        pytest.skip("no published inputs beside this clone")
    return lambda number: next(folder.glob(f"{number}-*"))


@pytest.mark.parametrize("number", READ)
def test_training_set_is_read(number, case, tmp_path):
    path = case(number)
    published.write_dataset(sorted(path.iterdir()) if path.is_dir() else [path], {}, tmp_path / "o.parquet", "set")
    assert pl.read_parquet(tmp_path / "o.parquet")["answer"].to_list()[: len(READ[number])] == READ[number]


def test_wrapper_is_taken_off(case, tmp_path):
    published.write_dataset([case("005")], {}, tmp_path / "o.parquet", "set")
    table = pl.read_parquet(tmp_path / "o.parquet")
    assert not table["problem"].str.contains("Solve the following|Remember to put").any() and table["answer"].null_count() == 0


@pytest.mark.parametrize("number", BENCHMARKS)
def test_benchmark_is_read(number, case):
    assert [row["answer"] for row in read_benchmark_file(case(number))] == BENCHMARKS[number]


@pytest.mark.parametrize("number", ["029", "031"])
def test_benchmark_without_answers_is_refused(number, case):
    with pytest.raises(UserError, match="cannot be used"):
        read_benchmark_file(case(number))


@pytest.fixture
def cleaned(case, tmp_path):
    """Answers that are kept of one published input, and the summary with its counts."""

    def call(number):
        out = tmp_path / "problems.parquet"
        made = cleaning.clean(case(number), out, tmp_path / "quarantine.parquet", SETTINGS, None, 1, surely_same)
        return pl.read_parquet(out)["answer"].to_list(), made.summary(case(number))

    return call


def test_gold_that_is_no_number_goes_to_quarantine(cleaned):
    answers, summary = cleaned("011")
    assert summary["quarantine"] == {"empty answer": 1} and answers == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("number", ["017", "019", "021"])
def test_different_problems_are_both_kept(number, cleaned):
    assert len(cleaned(number)[0]) == 2


def test_bands_of_few_solve_rates_hold_all_rows(cleaned, capsys):
    found = cleaned("023")[1]["difficulty"]
    assert found["outside"] == 0 and len(found["rows"]) == 5 and sum(found["rows"].values()) == 100
    assert "coincide" in capsys.readouterr().err


def test_ids_that_are_missing_are_refused(case):
    with pytest.raises(UserError, match="have no id"):
        command._check_ids(case("109"))


def test_pointer_is_named(case, tmp_path):
    with pytest.raises(UserError, match="git-LFS"):
        published.write_dataset([case("037")], {}, tmp_path / "o.parquet", "set")
