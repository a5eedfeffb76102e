"""Own solve rates: a choice that order does not change, rates from grades, and what a stage selects by them."""

import json

import polars
import pytest
from mathrl.core.files import UserError, read_jsonl, write_jsonl
from mathrl.data import solve_rates

PROBLEMS = [
    {
        "id": f"p{i}", "problem": f"What is {i}+1?", "answer": str(i + 1), "source": "odd" if i % 2 else "even", "domain": ["Arithmetic"],
        "solve_rate": i / 19, "difficulty": 5 - i // 4, "duplicate_group": f"g{i}",
    }
    for i in range(20)
]  # fmt: skip


@pytest.fixture
def files(tmp_path):
    frame = polars.DataFrame(PROBLEMS, schema_overrides={"difficulty": polars.Int8})
    frame.write_parquet(tmp_path / "problems.parquet")
    matches = [{"problem_id": "p0", "method": "exact", "confirmed": True}, {"problem_id": "p1", "method": "fuzzy", "confirmed": True}]
    polars.DataFrame(matches).write_parquet(tmp_path / "matches.parquet")
    write_jsonl(tmp_path / "bench.jsonl", [{"id": "b0", "problem": "What is 50+50?", "answer": "100"}])
    return tmp_path


def test_the_chosen_problems_do_not_depend_on_the_order_and_a_larger_sample_contains_the_smaller(files):
    polars.DataFrame(PROBLEMS[::-1]).write_parquet(files / "reversed.parquet")
    chosen = {}
    for name, count in (("problems", 5), ("reversed", 5), ("problems", 12), ("problems", None)):
        solve_rates.choose_problems(files / f"{name}.parquet", count, files / "asked.jsonl")
        chosen[name, count] = [row["id"] for row in read_jsonl(files / "asked.jsonl")]
    assert chosen["problems", 5] == chosen["reversed", 5] == chosen["problems", 12][:5]
    assert len(chosen["problems", None]) == 20


def test_rates_are_the_share_of_right_responses(files):
    solve_rates.choose_problems(files / "problems.parquet", None, files / "asked.jsonl")
    responses = {"p3": ["\\boxed{4}", "\\boxed{5}", "4", "so \\boxed{4.0}"], "p4": ["no idea", "", "\\boxed{", "\\boxed{6}"]}
    rows = [{"id": name, "sample": i, "response": text} for name, texts in responses.items() for i, text in enumerate(texts)]
    found = solve_rates.measure(rows, files / "asked.jsonl", workers=1).to_dicts()
    assert found == [{"id": "p3", "solve_rate": 0.5, "n": 4}, {"id": "p4", "solve_rate": 0.0, "n": 4}]


def select(script, files, *arguments):
    done = script(
        "format_training_data.py",
        *("--problems", files / "problems.parquet", "--matches", files / "matches.parquet", "--dev-size", "2", "--instruction", "Solve."),
        *("--validation", f"b={files / 'bench.jsonl'}", "--train", files / "train.parquet", "--val", files / "val.parquet"),
        *("--summary", files / "data.json", *arguments),
    )
    assert done.returncode == 0, done.stderr
    infos = polars.read_parquet(files / "train.parquet")["extra_info"].to_list()
    return {info["id"] for info in infos}, json.loads((files / "data.json").read_text())["counts"]


def test_a_stage_selects_sources_and_solve_rates_and_counts_what_is_outside(script, files):
    everything, _ = select(script, files, "--data", "raw")
    ids, counts = select(script, files, "--data", "raw", "--sources", "odd", "--solve-rate", "0.2", "0.8")
    wanted = {row["id"] for row in PROBLEMS if row["source"] == "odd" and 0.2 <= row["solve_rate"] <= 0.8}
    assert ids == everything & wanted
    assert counts["outside_sources"] + counts["outside_solve_rate"] + counts["train"] == len(everything)


def test_which_methods_remove_is_a_setting_of_the_run(script, files):
    both, _ = select(script, files, "--remove", "exact,fuzzy")
    exact, _ = select(script, files, "--remove", "exact")
    none, _ = select(script, files, "--remove", "")
    assert not {"p0", "p1"} & both and none >= exact >= both


def test_own_rates_take_the_place_of_the_datasets(script, files):
    own = polars.DataFrame({"id": [f"p{i}" for i in range(10)], "solve_rate": [i / 9 for i in range(10)], "n": [8] * 10})
    own.write_parquet(files / "own.parquet")
    ids, counts = select(script, files, "--data", "raw", "--solve-rates", files / "own.parquet", "--solve-rate", "0.01", "0.99")
    assert ids <= {f"p{i}" for i in range(1, 9)} and counts["not_measured"] + counts["outside_solve_rate"] + counts["train"] == 20 - 2
    hard, _ = select(script, files, "--data", "raw", "--solve-rates", files / "own.parquet", "--difficulty", "5")
    dev = {f"p{i}" for i in range(10)} - select(script, files, "--data", "raw", "--solve-rates", files / "own.parquet")[0]
    assert hard == {"p0", "p1", "p2"} - dev  # never solved, and the lowest fifth of the rates between 0 and 1


@pytest.fixture
def weak(files):
    """A weak model's rates over 1,000 problems: 86 % never solved; of the others three fifths once in eight, few often, two always."""
    eighths = [0] * 860 + [1] * 60 + [2] * 30 + [3] * 20 + [4] * 12 + [5] * 8 + [6] * 5 + [7] * 3 + [8] * 2
    rows = [{**PROBLEMS[0], "id": f"w{i}", "problem": f"Problem {i}?", "duplicate_group": f"w{i}"} for i in range(len(eighths))]
    polars.DataFrame(rows, schema_overrides={"difficulty": polars.Int8}).write_parquet(files / "problems.parquet")
    own = polars.DataFrame({"id": [row["id"] for row in rows], "solve_rate": [k / 8 for k in eighths], "n": [8] * len(rows)})
    own.write_parquet(files / "own.parquet")
    return files


def test_bands_of_a_weak_models_own_rates(script, weak):
    """A curriculum easy to hard: all problems that are solved more than once in eight, then the others; none of its stages is empty."""
    own = ("--data", "raw", "--solve-rates", weak / "own.parquet")
    rates = dict(polars.read_parquet(weak / "own.parquet").select("id", "solve_rate").iter_rows())
    easy, _ = select(script, weak, *own, "--difficulty", "1", "2", "3")
    hard, _ = select(script, weak, *own, "--difficulty", "4", "5")
    teaching, _ = select(script, weak, *own, "--difficulty", "4", "5", "--solve-rate", "0.01", "0.99")
    summary = json.loads((weak / "data.json").read_text())["own_bands"]
    assert min(rates[name] for name in easy) == 0.25 and len(easy) >= 78 and max(rates[name] for name in easy) == 1
    assert {rates[name] for name in hard} == {0, 0.125} and {rates[name] for name in teaching} == {0.125}
    assert sum(summary["problems"].values()) == 1000 and summary["cutoffs"][-1] == 0.125


def test_configured_cutoffs_hold_for_own_rates(script, weak):
    ids, _ = select(
        script, weak, "--data", "raw", "--solve-rates", weak / "own.parquet", "--difficulty", "2", "--difficulty-bands", "0.6", "0.3", "0.1"
    )
    rates = dict(polars.read_parquet(weak / "own.parquet").select("id", "solve_rate").iter_rows())
    assert {rates[name] for name in ids} == {0.375, 0.5}


def test_bands_that_hold_nothing_to_learn_from_are_refused_with_the_keys(script, weak):
    """All rates between 0 and 1 are the same one: bands 1 to 4 hold but what is always solved."""
    rates = polars.read_parquet(weak / "own.parquet")
    rates.with_columns(
        solve_rate=polars.when(polars.col("solve_rate").is_between(0.1, 0.9)).then(0.125).otherwise("solve_rate")
    ).write_parquet(weak / "own.parquet")
    done = script(
        "format_training_data.py",
        *("--problems", weak / "problems.parquet", "--data", "raw", "--dev-size", "2", "--instruction", "Solve."),
        *("--validation", f"b={weak / 'bench.jsonl'}", "--train", weak / "train.parquet", "--val", weak / "val.parquet"),
        *("--summary", weak / "data.json", "--solve-rates", weak / "own.parquet", "--difficulty", "2", "3"),
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "data.own_solve_rates.n" in done.stderr and "data.difficulty_bands" in done.stderr and "band 5: 998" in done.stderr
    assert not (weak / "train.parquet").exists()


def test_rates_without_the_columns_are_refused(files):
    polars.DataFrame({"id": ["p1"], "rate": [0.5]}).write_parquet(files / "own.parquet")
    with pytest.raises(UserError, match="solve_rate"):
        solve_rates.read(files / "own.parquet")
