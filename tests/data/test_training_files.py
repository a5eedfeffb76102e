# ruff: noqa: E501 - tables are read by lines
"""verl's files: the report's columns, and a dev split that near-duplicates never straddle."""

import argparse
import json
from functools import partial

import polars as pl
import pytest
from support.training_files import format_files


@pytest.fixture
def formatted(tmp_path, script):
    count = 600
    problems = pl.DataFrame({
        "id": [f"{i:016x}" for i in range(count)], "problem": [f"Problem {i}?" for i in range(count)], "answer": [str(i) for i in range(count)],
        "source": ["a" if i % 2 else "b" for i in range(count)], "domain": [["Algebra"]] * count, "solve_rate": [i / count for i in range(count)],
        "difficulty": pl.Series([1 + i % 5 for i in range(count)], dtype=pl.Int8), "duplicate_group": [f"{i // 3:016x}" for i in range(count)],
    })  # fmt: skip
    problems.write_parquet(tmp_path / "p.parquet")
    matches = pl.DataFrame({
        "problem_id": [f"{i:016x}" for i in range(40)], "method": (["exact", "semantic"] * 20), "confirmed": [True] * 30 + [False] * 10,
    })  # fmt: skip
    matches.write_parquet(tmp_path / "m.parquet")
    (tmp_path / "gsm8k.jsonl").write_text('{"id": "0", "problem": "How many?", "answer": "18"}\n')

    settings = ("--matches", "m.parquet", "--validation", "gsm8k=gsm8k.jsonl", "--dev-size", "60")
    return partial(
        format_files, script, tmp_path, *settings, "--instruction", r"Reason step by step,and use \boxed{}.Question:", "--separator= "
    )


def test_columns_are_the_reports(formatted):
    train, val, _ = formatted()
    first = train.row(0, named=True)
    number = first["extra_info"]["original_problem"]
    assert list(first) == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    assert first["prompt"] == [{"role": "user", "content": r"Reason step by step,and use \boxed{}.Question: " + number}]
    assert first["ability"] == "math" and first["reward_model"]["style"] == "rule"
    assert {"index", "original_problem", "domain", "llama8b_solve_rate"} <= set(first["extra_info"])
    assert train["extra_info"].struct.field("index").to_list() == list(range(len(train)))
    assert train.schema == val.schema
    assert set(val["data_source"]) == {"gsm8k", "dev"}


def test_a_source_that_no_problem_has_is_refused(formatted):
    done = formatted("--sources", "nowhere")
    assert done.returncode == 2 and "config: training.sources: no problem is of the source 'nowhere'" in done.stderr


def test_datasets_reads_it_as_verl_does(formatted, tmp_path):
    import datasets

    formatted()
    rows = datasets.Dataset.from_parquet(str(tmp_path / "t.parquet"), cache_dir=str(tmp_path / "cache"))
    assert rows[0]["prompt"][0]["role"] == "user"


def test_raw_and_clean_hold_out_the_same_groups(formatted):
    clean_train, clean_val, clean = formatted("--remove", "exact,semantic")
    raw_train, raw_val, raw = formatted("--data", "raw", "--remove", "exact,semantic")
    assert clean_val.equals(raw_val)
    ids = lambda frame: set(frame["extra_info"].struct.field("id"))  # noqa: E731
    dirty = {f"{i:016x}" for i in range(30)}  # exact, and semantic ones that are confirmed
    assert ids(raw_train) - ids(clean_train) == dirty & ids(raw_train)
    assert not dirty & (ids(clean_train) | ids(clean_val))
    assert clean["counts"]["removed"] == len(raw_train) - len(clean_train) and raw["counts"]["removed"] == 0


def test_similar_removes_unconfirmed_ones_only_if_asked(formatted):
    without, _, _ = formatted("--remove", "exact,semantic")
    with_similar, _, _ = formatted("--remove", "exact,semantic,similar")
    assert len(without) > len(with_similar)


def test_duplicate_groups_are_on_one_side_and_order_has_no_say(formatted, tmp_path):
    train, val, _ = formatted("--data", "raw")
    group = lambda frame: {int(name, 16) // 3 for name in frame["extra_info"].struct.field("id")}  # noqa: E731
    dev = val.filter(data_source="dev")
    assert not group(train) & group(dev)
    pl.read_parquet(tmp_path / "p.parquet").sample(fraction=1, shuffle=True, seed=3).write_parquet(tmp_path / "p.parquet")
    _, val, _ = formatted("--data", "raw")
    assert group(val.filter(data_source="dev")) == group(dev)


def test_difficulty_bands_are_counted(formatted):
    train, _, summary = formatted("--data", "raw", "--difficulty", "1", "2")
    assert set(train["extra_info"].struct.field("difficulty")) == {1, 2}
    assert summary["counts"]["outside_difficulty"] + len(train) + 60 == 600


def test_augmented_rows_follow_their_sources_and_the_control_repeats_them(formatted, tmp_path):
    """A row whose source is held out, removed or not selected trains nothing; the control has a row for each that comes in."""
    plain, val, before = formatted()
    sources = [*plain["extra_info"].struct.field("id")[:5], *val["extra_info"].struct.field("id")[1:3], f"{2:016x}"]
    rows = pl.DataFrame({
        "id": [f"{i:016x}-a" for i in range(len(sources))], "problem": [f"Variant {i}?" for i in range(len(sources))],
        "answer": ["7"] * len(sources), "source": ["augmented/x"] * len(sources), "domain": [["Algebra"]] * len(sources),
        "solve_rate": [0.5] * len(sources), "difficulty": pl.Series([1] * len(sources), dtype=pl.Int8), "source_id": sources,
    })  # fmt: skip
    rows.write_parquet(tmp_path / "rows.parquet")
    train, also_val, summary = formatted("--augmented", "rows.parquet")
    assert summary["counts"] == before["counts"] | {"augmented": 5} and also_val.equals(val)
    assert train[: len(plain)].equals(plain) and train["data_source"][len(plain) :].to_list() == ["augmented/x"] * 5
    assert train["extra_info"].struct.field("index").to_list() == list(range(len(plain) + 5))
    control, _, summary = formatted("--repeated", "rows.parquet")
    assert summary["counts"] == before["counts"] | {"repeated": 5} and control[: len(plain)].equals(plain)
    assert control["prompt"][len(plain) :].to_list() == plain["prompt"][:5].to_list()
    rows.with_columns(id=pl.lit(sources[0])).write_parquet(tmp_path / "rows.parquet")
    done = formatted("--augmented", "rows.parquet")
    assert done.returncode == 2 and "is there twice" in done.stderr


def test_nothing_left_is_said(formatted):
    done = formatted("--dev-size", "9999")
    assert done.returncode == 2 and "no training row is left" in done.stderr


def test_dev_shares_no_match_with_train_by_the_products_own_search(formatted, tmp_path):
    """A row of another duplicate group that the search calls the same problem as a dev row is in neither part."""
    table = pl.read_parquet(tmp_path / "p.parquet")
    story = (
        "A farmer has {} cows, {} sheep and a dog, and he sells half of the cows at the market in the next town. How many animals are left?"
    )
    texts = [story.format(i, 2 * i + 1) for i in range(300)] + [f"Please answer: {story.format(i, 2 * i + 1)}" for i in range(300)]
    table = table.with_columns(problem=pl.Series(texts), duplicate_group=pl.Series([f"{i:016x}" for i in range(600)]))
    table.write_parquet(tmp_path / "p.parquet")
    train, val, summary = formatted("--data", "raw")
    number = lambda frame: set(frame["extra_info"].struct.field("original_problem").str.extract(r"has (\d+) cows"))  # noqa: E731
    dev = val.filter(data_source="dev")
    assert not number(train) & number(dev) and summary["counts"]["near_dev"] == 600 - len(train) - 60 > 0


def given(tmp_path, **options):
    from mathrl.data import given_rows
    from mathrl.decontamination import Settings, command

    benchmarks = options.pop("benchmarks", {})
    near = partial(command.same_problems, settings=Settings())
    leaked = partial(command.leaked, benchmarks=benchmarks, remove="exact,ngram", settings=Settings())
    values = {
        "data": "as_given", "remove": "exact", "difficulty": None, "sources": None, "solve_rate": None, "solve_rates": None, "dev_size": 20,
        "instruction": "Reason.", "separator": " ", "validation": f"gsm8k={tmp_path / 'gsm8k.jsonl'}", "matches": None,
    } | {name: tmp_path / f"{name}.parquet" for name in ("given", "problems", "train", "val")}  # fmt: skip
    dirty = options.pop("dirty", [])
    counts = given_rows.make(argparse.Namespace(**values | options), dirty, near, leaked)["counts"]
    return pl.read_parquet(tmp_path / "train.parquet"), pl.read_parquet(tmp_path / "val.parquet"), counts


def test_given_rows_that_are_a_dev_row_in_other_words_are_in_neither_part(tmp_path):
    """And a leak that a filter dropped before the search of all problems is found all the same: it is trained on."""
    story = "A farmer has {} cows, {} sheep and a dog, and he sells half of the cows at the market in the next town. How many are left?"
    texts = [story.format(i, 2 * i + 1) for i in range(60)] + [f"Please answer: {story.format(i, 2 * i + 1)}" for i in range(60)]
    rows = [{"data_source": "mine", "prompt": [{"role": "user", "content": text}], "reward_model": {"ground_truth": "1"}} for text in texts]
    pl.DataFrame(rows).write_parquet(tmp_path / "given.parquet")
    pl.DataFrame({"id": ["0"]}).write_parquet(tmp_path / "problems.parquet")
    (tmp_path / "gsm8k.jsonl").write_text(json.dumps({"id": "0", "problem": texts[3], "answer": "18"}) + "\n")
    train, val, counts = given(tmp_path, benchmarks={"gsm8k": tmp_path / "gsm8k.jsonl"})
    cows = lambda frame: set(frame["prompt"].list.last().struct.field("content").str.extract(r"has (\d+) cows"))  # noqa: E731
    dev = val.filter(data_source="dev")
    assert not cows(train) & cows(dev) and counts["near_dev"] == 120 - len(train) - len(dev) > 0
    assert counts["contaminated"] == 2 and counts["searched_here"] == 120 and "3" not in cows(dev)


TURNS = [{"role": "user", "content": "What?"}]
PROMPTS = [
    (["What?"] * 3, "'prompt' holds String"), ([["What?"]] * 3, r"'prompt' holds List\(String\)"), ([None] * 3, "'prompt' holds Null"),
    ([[{"content": "What?"}]] * 3, "'prompt' holds List"), ([[{"role": "user", "content": 5}]] * 3, "'prompt' holds List"),
    ([[{"role": "user", "content": [{"text": "x"}]}]] * 3, "'prompt' holds List"),
    ([TURNS, None, []], r"2 of 3 rows have no prompt .*\(the first is row 2\)"),
    ([TURNS, TURNS, [{"role": "user", "content": None}]], r"1 of 3 rows have no prompt .*\(the first is row 3\)"),
    ([], "holds no rows"),
]  # fmt: skip


@pytest.mark.parametrize(("prompts", "message"), PROMPTS, ids=[str(number) for number in range(len(PROMPTS))])
def test_given_file_that_asks_nothing_is_one_line(prompts, message, tmp_path):
    from mathrl.core.files import UserError

    rows = [{"data_source": "mine", "prompt": prompt, "reward_model": {"ground_truth": "1"}} for prompt in prompts or [TURNS]]
    pl.DataFrame(rows).head(len(prompts)).write_parquet(tmp_path / "given.parquet")
    pl.DataFrame({"id": ["0"]}).write_parquet(tmp_path / "problems.parquet")
    with pytest.raises(UserError, match=message):
        given(tmp_path)


def test_given_rows_without_a_gold_are_counted_aloud(tmp_path, capsys):
    golds = ["1", "", None, "3"]
    rows = [
        {"data_source": "mine", "prompt": [{"role": "user", "content": f"What is {n}?"}], "reward_model": {"ground_truth": gold}}
        for n, gold in enumerate(golds)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "given.parquet")
    pl.DataFrame({"id": ["0"]}).write_parquet(tmp_path / "problems.parquet")
    (tmp_path / "gsm8k.jsonl").write_text('{"id": "0", "problem": "How many?", "answer": "18"}\n')
    given(tmp_path, dev_size=1)
    assert "2 of 4 rows, which are trained on, have no gold that can be read: no answer (2: row 2, 3)" in capsys.readouterr().err


def test_data_as_given_is_trained_on_as_it_is_and_its_contamination_counted(tmp_path):
    """Two files in verl's columns, with an instruction and a column of its own: byte for byte without a dev split."""
    from mathrl.core.files import UserError
    from mathrl.data import given_rows, published
    from support.cleaning import add_ids

    rows = [
        {"data_source": "mine", "prompt": [{"content": f"Solve. What is {i} plus {i}?", "role": "user"}], "reward_model": {"ground_truth": str(2 * i)},
         "extra_info": {"split": "train", "level": i % 3}, "my_column": i} for i in range(300)
    ]  # fmt: skip
    parts = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for number, part in enumerate(parts):
        pl.DataFrame(rows[150 * number : 150 * (number + 1)]).write_parquet(part)
    (tmp_path / "gsm8k.jsonl").write_text('{"id": "0", "problem": "How many?", "answer": "18"}\n')
    given_rows.keep(parts, tmp_path / "given.parquet")
    assert pl.read_parquet(tmp_path / "given.parquet").to_dicts() == rows
    published.write_dataset(parts, {}, tmp_path / "read.parquet", "mine")
    problems = add_ids(pl.read_parquet(tmp_path / "read.parquet"))
    problems.write_parquet(tmp_path / "problems.parquet")
    given(tmp_path, dev_size=0)
    assert (tmp_path / "train.parquet").read_bytes() == (tmp_path / "given.parquet").read_bytes()
    train, val, counts = given(tmp_path, dirty=problems["id"][:7].to_list())
    assert counts == {
        "problems": 300, "removed": 0, "contaminated": 7, "searched_here": 0, "near_dev": 0, "train": 280, "dev": 20, "validation": 1,
    }  # fmt: skip
    assert [row for row in rows if row in train.to_dicts()] == train.to_dicts(), "all other rows are unchanged"
    dev = val.filter(data_source="dev")
    asked = [{row["prompt"][0]["content"] for row in table} for table in (rows, train.to_dicts(), dev.to_dicts())]
    assert asked[2] == asked[0] - asked[1] and dev["reward_model"][0]["ground_truth"].isdigit()
    with pytest.raises(UserError, match="all rows are trained on"):
        given(tmp_path, difficulty=[1])
    pl.DataFrame({"problem": ["x"]}).write_parquet(parts[0])
    with pytest.raises(UserError, match="lacks the column 'data_source'"):
        given_rows.keep(parts[:1], tmp_path / "other.parquet")
