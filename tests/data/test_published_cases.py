"""The small published inputs beside this clone, each with its right value; tests of kinds are in the other files."""

import polars as pl
import pytest
from mathrl.core.files import UserError
from mathrl.data import published
from mathrl.data.benchmarks import read_benchmark_file

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


def test_pointer_is_named(case, tmp_path):
    with pytest.raises(UserError, match="git-LFS"):
        published.write_dataset([case("037")], {}, tmp_path / "o.parquet", "set")
