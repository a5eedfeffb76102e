"""Own solve rates: a choice that order does not change, rates from grades, and what a stage selects by them."""

import json

import polars
import pytest
from mathrl import solve_rates
from mathrl.io import UserError, read_jsonl, write_jsonl

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


def test_probes_do_not_depend_on_the_order_and_a_larger_sample_contains_the_smaller(files):
    polars.DataFrame(PROBLEMS[::-1]).write_parquet(files / "reversed.parquet")
    chosen = {}
    for name, count in (("problems", 5), ("reversed", 5), ("problems", 12), ("problems", None)):
        solve_rates.choose_probes(files / f"{name}.parquet", count, files / "probes.jsonl")
        chosen[name, count] = [row["id"] for row in read_jsonl(files / "probes.jsonl")]
    assert chosen["problems", 5] == chosen["reversed", 5] == chosen["problems", 12][:5]
    assert len(chosen["problems", None]) == 20


def test_rates_are_the_share_of_right_responses(files):
    solve_rates.choose_probes(files / "problems.parquet", None, files / "probes.jsonl")
    responses = {"p3": ["\\boxed{4}", "\\boxed{5}", "4", "so \\boxed{4.0}"], "p4": ["no idea", "", "\\boxed{", "\\boxed{6}"]}
    rows = [{"id": name, "sample": i, "response": text} for name, texts in responses.items() for i, text in enumerate(texts)]
    found = solve_rates.measure({"probes": rows}, files / "probes.jsonl", workers=1).to_dicts()
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
    assert hard and hard <= {"p0", "p1"}  # the lowest fifth of the measured rates


def test_rates_without_the_columns_are_refused(files):
    polars.DataFrame({"id": ["p1"], "rate": [0.5]}).write_parquet(files / "own.parquet")
    with pytest.raises(UserError, match="solve_rate"):
        solve_rates.read(files / "own.parquet")
