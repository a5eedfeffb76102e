"""The small published inputs beside this clone, each with its right value; tests of kinds are in the other files."""

import csv
import re

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


def _made(kind: str, name: str):
    """A value of the kind that the table of layouts names: `text`, `[text]`, `{a: int, b: [text]}`."""
    kind = kind.strip()
    if kind.startswith("["):
        return [_made(part, name) for part in _apart(kind[1:-1], ",")]
    if kind.startswith("{"):
        return {key.strip(): _made(value, key.strip()) for key, value in (part.split(":", 1) for part in _apart(kind[1:-1], ","))}
    word = kind.split()[0]
    if word != "text":
        return {"int": 7, "float": 7.0, "bool": True}.get(word)
    if name in ("role", "from"):
        return "user"
    solved = any(part in name for part in ("solution", "response", "output"))
    if name == "verification_info":
        return '{"ground_truth": "7"}'
    return "\\boxed{7} #### 7" if solved else "7" if re.search("answer|truth|gold|label|target|ans$", name, re.I) else "How many?"


def _apart(text: str, separator: str) -> list[str]:
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[{") - (char in "]}")
        if char == separator and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in parts if part.strip()]


def test_every_published_layout_is_recognised(case):
    """A made first row for each line of layouts.tsv; what is not known is refused with the remedy."""
    folder = case("001").parent
    with open(folder / "layouts.tsv", encoding="utf-8", newline="") as table:
        lines = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
    unknown = {}
    for line in lines:
        row = {name.strip(): _made(kind, name.strip()) for name, kind in (part.split(":", 1) for part in _apart(line["first row"], ";"))}
        try:
            published.Reader.of([row], {}, line["name"])
        except UserError as error:
            unknown[line["name"]] = str(error)
    print(f"{len(lines) - len(unknown)} of {len(lines)} layouts are recognised; not: {', '.join(unknown)}")
    assert not {line["name"] for line in lines if line["role"] == "training"} & set(unknown)
    assert len(unknown) <= 1 and all("no layout is known with these columns" in message for message in unknown.values())
