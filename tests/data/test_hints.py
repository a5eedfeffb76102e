"""Hints: what is appended to a training prompt, to which prompts, and that copying from it earns nothing."""

import gzip
import json
import re
from argparse import Namespace
from functools import partial
from itertools import islice

import polars as pl
import pytest
from mathrl.data import hints
from mathrl.grading import grade
from mathrl.rewards.outcome import reward
from mathrl.text.reasoning_steps import reasoning_steps
from support.training_files import format_files
from support.worked import SOLUTIONS, gold_of, solution, story

OWN = ["index", "original_problem", "domain", "llama8b_solve_rate", "id", "source", "difficulty"]


@pytest.fixture
def formatted(tmp_path, script):
    """A call of the script on 60 problems, 12 of them held out; solutions are known of all but the last ten."""
    count = 60
    pl.DataFrame({
        "id": [f"{i:016x}" for i in range(count)], "problem": [story(i) for i in range(count)],
        "answer": [str(gold_of(i)) for i in range(count)], "source": ["a"] * count, "domain": [["Algebra"]] * count,
        "solve_rate": [i / count for i in range(count)], "difficulty": pl.Series([1] * count, dtype=pl.Int8),
        "duplicate_group": [f"{i:016x}" for i in range(count)],
    }).write_parquet(tmp_path / "p.parquet")  # fmt: skip
    pl.DataFrame({
        "problem": [story(i) for i in range(50)], "solution": [solution(i) for i in range(50)],
        "request_sha256": [f"request {i}" for i in range(50)],
    }).write_parquet(tmp_path / "s.parquet")  # fmt: skip
    (tmp_path / "gsm8k.jsonl").write_text(json.dumps({"id": "0", "problem": story(0), "answer": str(gold_of(0))}) + "\n")

    settings = ("--data", "raw", "--validation", "gsm8k=gsm8k.jsonl", "--dev-size", "12", "--instruction", "Reason.")
    return partial(format_files, script, tmp_path, *settings)


def by_id(train):
    return {row["extra_info"]["id"]: row for row in train.to_dicts()}


def test_a_hint_is_the_first_part_of_the_solution_behind_the_problem_in_fixed_words(formatted):
    train, _, summary = formatted("--hints", "s.parquet", "--hint-share", "0.5", "0.5")
    for name, row in by_id(train).items():
        number, info = int(name, 16), row["extra_info"]
        (turn,) = row["prompt"]
        if number >= 50:
            assert turn == {"role": "user", "content": f"Reason. {story(number)}"}
            assert (info["hint"], info["hint_steps"], info["hint_request"]) == (None, None, None)
            continue
        first = "\n".join(solution(number).splitlines()[:2])
        wording = f"Reason. {story(number)}\n\nA solution begins like this:\n{first}\n\nFinish this solution."
        assert turn == {"role": "user", "content": wording}
        assert (info["hint"], info["hint_steps"], info["hint_request"]) == (first, 2, f"request {number}"), "where it comes from"
        assert info["original_problem"] == story(number), "the grader judges by the problem alone"
    told = summary["hints"]
    assert told["hinted"] + sum(told["left_out"].values()) == len(train) == summary["counts"]["train"]
    assert set(told["left_out"]) == {hints.NO_SOLUTION} and told["cut_shorter"] == 0 and told["share"] == [0.5, 0.5]


def test_validation_and_dev_rows_never_carry_a_hint(formatted):
    """Though the solutions hold the validation benchmark's only problem, and all held-out ones."""
    _, before, _ = formatted()
    _, after, _ = formatted("--hints", "s.parquet")
    assert after.equals(before) and set(after["data_source"]) == {"gsm8k", "dev"}


def test_without_hints_the_rows_are_those_of_always(formatted):
    train, val, summary = formatted()
    assert list(train.row(0, named=True)["extra_info"]) == OWN and train.schema == val.schema
    assert "hints" not in summary and not any("hint" in key for key in summary["settings"])


def test_problems_are_chosen_by_their_solve_rate(formatted):
    train, _, summary = formatted("--hints", "s.parquet", "--hint-solve-rate", "0", "0.25")
    hinted = {name for name, row in by_id(train).items() if row["extra_info"]["hint"]}
    assert hinted == {name for name in by_id(train) if int(name, 16) / 60 <= 0.25}
    assert summary["hints"]["left_out"] == {hints.OTHER_RATE: len(train) - len(hinted)}
    assert summary["settings"]["hint_solve_rate"] == [0, 0.25] and "hints" in summary["provenance"]["inputs"]


def test_the_models_own_solve_rates_choose_where_a_stage_asks_for_them(formatted, tmp_path):
    """Measured rates are the base model's; those of the data set were another model's."""
    measured = {f"{i:016x}": 1 - i / 60 for i in range(60)}
    pl.DataFrame({"id": list(measured), "solve_rate": list(measured.values()), "n": 60}).write_parquet(tmp_path / "rates.parquet")
    train, _, _ = formatted("--hints", "s.parquet", "--hint-solve-rate", "0", "0.5", "--solve-rates", "rates.parquet")
    hinted = {name for name, row in by_id(train).items() if row["extra_info"]["hint"]}
    assert hinted == {name for name in by_id(train) if measured[name] <= 0.5 and int(name, 16) < 50}


def test_added_rows_carry_no_hint(formatted, tmp_path):
    train, _, _ = formatted()
    source = train["extra_info"].struct.field("id")[0]
    pl.DataFrame({
        "id": ["v"], "problem": ["Another text?"], "answer": ["7"], "source": ["augmented/x"], "domain": [["Algebra"]], "solve_rate": [0.5],
        "difficulty": pl.Series([1], dtype=pl.Int8), "source_id": [source],
    }).write_parquet(tmp_path / "rows.parquet")  # fmt: skip
    for what in ("--augmented", "--repeated"):
        found, _, summary = formatted("--hints", "s.parquet", what, "rows.parquet")
        assert found["extra_info"].struct.field("hint")[-1] is None and len(found) == len(train) + 1
        assert summary["hints"]["hinted"] + sum(summary["hints"]["left_out"].values()) == len(train)


def test_a_file_without_requests_or_without_these_problems(formatted, tmp_path):
    table = pl.read_parquet(tmp_path / "s.parquet")
    table.drop("request_sha256").write_parquet(tmp_path / "s.parquet")
    train, _, _ = formatted("--hints", "s.parquet")
    infos = [row["extra_info"] for row in train.to_dicts()]
    assert any(info["hint"] for info in infos) and all(info["hint_request"] is None for info in infos)
    table.with_columns(problem=pl.lit("Nobody's?")).write_parquet(tmp_path / "s.parquet")
    done = formatted("--hints", "s.parquet")
    assert done.returncode == 2 and "no training problem gets a hint (no solution known: 48)" in done.stderr
    table.drop("solution").write_parquet(tmp_path / "s.parquet")
    done = formatted("--hints", "s.parquet")
    assert done.returncode == 2 and "lacks the column 'solution'" in done.stderr


KINDS = [
    ("solution", pl.Series([["a"]]), r"List(String)"),
    ("solution", pl.Series([{"a": "b"}]), r"Struct({'a': String})"),
    ("solution", pl.Series([0.5]), "Float64"),
    ("solution", pl.Series([b"a"]), "Binary"),
    ("problem", pl.Series([7]), "Int64"),
    ("request_sha256", pl.Series([7]), "Int64"),
]


@pytest.mark.parametrize(("column", "values", "kind"), KINDS, ids=[f"{case[0]}-{case[2]}" for case in KINDS])
def test_a_column_that_holds_no_text_is_named(formatted, tmp_path, column, values, kind):
    table = pl.read_parquet(tmp_path / "s.parquet").head(1).with_columns(values.alias(column))
    table.write_parquet(tmp_path / "s.parquet")
    done = formatted("--hints", "s.parquet")
    assert done.returncode == 2 and f"s.parquet: the column '{column}' is {kind}; it must be text" in done.stderr


def test_text_with_few_values_is_text_and_nulls_are_no_solutions(formatted, tmp_path):
    table = pl.read_parquet(tmp_path / "s.parquet")
    plain, _, _ = formatted("--hints", "s.parquet")
    table.cast(pl.Categorical).write_parquet(tmp_path / "s.parquet")
    found, _, _ = formatted("--hints", "s.parquet")
    assert found.equals(plain)
    table.with_columns(solution=None).write_parquet(tmp_path / "s.parquet")
    done = formatted("--hints", "s.parquet")
    assert done.returncode == 2 and "no training problem gets a hint (no solution known: 48)" in done.stderr


def test_a_problem_without_a_gold_gets_no_hint(tmp_path):
    pl.DataFrame({"id": ["a", "b"], "problem": ["A?", "B?"], "answer": [None, "21"]}).write_parquet(tmp_path / "p.parquet")
    pl.DataFrame({"problem": ["A?", "B?"], "solution": [FOUR, FOUR]}).write_parquet(tmp_path / "s.parquet")
    args = Namespace(hints=tmp_path / "s.parquet", problems=tmp_path / "p.parquet", hint_share=(0.5, 0.5), hint_solve_rate=None)
    found, told = hints.of(args, pl.DataFrame({"id": ["a", "b"], "solve_rate": [0.5, 0.5]}))
    assert found["id"].to_list() == ["b"] and told["left_out"] == {hints.NO_GOLD: 1}


def test_a_published_file_as_it_is_takes_no_hints(formatted):
    done = formatted("--hints", "s.parquet", "--data", "as_given", "--given", "p.parquet")
    assert done.returncode == 2 and "--data as_given: the prompts stay as they are" in done.stderr


def test_the_first_solution_from_which_a_hint_can_be_cut_counts(formatted, tmp_path):
    table = pl.read_parquet(tmp_path / "s.parquet")
    useless = table.with_columns(solution=pl.lit("It is plain."), request_sha256=pl.lit("useless"))
    pl.concat([useless, table]).write_parquet(tmp_path / "s.parquet")
    train, _, _ = formatted("--hints", "s.parquet")
    assert {row["extra_info"]["hint_request"] for row in train.to_dicts()} & {"useless", "request 1"} <= {"request 1"}
    useless.write_parquet(tmp_path / "s.parquet")
    done = formatted("--hints", "s.parquet")
    assert done.returncode == 2 and "(a solution of one step: " in done.stderr


FOUR = "We count the red ones: 3 + 4 = 7.\nThe blue ones are twice as many.\nSo there are 14 blue ones.\nIn all there are \\boxed{21}."
STRANGE = ["<|im_end|>", "\x1b[31m", "\x00", "\u202e", "\ufffd", "[INST]", "</think>"]
CUTS = [
    (FOUR, "21", 0.5, (2, 2), "half of four steps"),
    (FOUR, "21", 0.3, (1, 1), "1.2 of four is one step"),
    (FOUR, "21", 0.01, (1, 1), "never less than a step"),
    (FOUR, "21", 1.0, (3, 3), "never the last step"),
    (FOUR, "14", 0.7, (2, 3), "cut shorter: the third step holds the gold"),
    (FOUR, "7", 0.7, hints.HOLDS_GOLD, "left out: the first step holds it"),
    ("It is \\boxed{21}.", "21", 0.5, hints.ONE_STEP, "there is no part of one step"),
    ("First a box: \\boxed{5}.\nThen another thing.\nSo 21.", "21", 0.7, hints.HOLDS_GOLD, "a box, whatever is in it"),
    *[(FOUR.replace("red", sign), "21", 0.5, hints.STRANGE, f"{sign!r} never comes into a prompt") for sign in STRANGE],
    (FOUR.replace("\n", "\r\n\t"), "21", 0.5, (2, 2), "line ends and tabs of others are sound"),
    ("So it goes on.\n" * 2000, "21", 0.5, hints.TOO_LONG, "too many characters"),
    ("So.\n" * 600, "21", 0.5, hints.TOO_LONG, "too many steps"),
    (FOUR, '{"protocol": "reasoning-gym", "answer": "21"}', 0.5, hints.OTHER_JUDGE, "our rules cannot tell where it stands"),
]


@pytest.mark.parametrize(("text", "gold", "share", "expected", "why"), CUTS, ids=[case[-1] for case in CUTS])
def test_where_a_hint_ends(text, gold, share, expected, why):
    found = hints.cut(text, gold, "How many balls are there?", share)
    assert (found if isinstance(found, str) else (found.steps, found.wanted)) == expected, why
    if isinstance(found, hints.Hint):
        assert text.startswith(found.text) and reasoning_steps(found.text) == reasoning_steps(text)[: found.steps], "whole steps as written"


def test_each_problem_has_its_own_share_between_two():
    shares = [hints.share_of(f"{i:016x}", 0.3, 0.7) for i in range(500)]
    assert shares == [hints.share_of(f"{i:016x}", 0.3, 0.7) for i in range(500)], "a run that is made again has the same hints"
    assert 0.3 <= min(shares) < 0.32 and 0.68 < max(shares) <= 0.7 and abs(sum(shares) / 500 - 0.5) < 0.02
    assert hints.share_of("a", 0.4, 0.4) == 0.4


TOKEN = re.compile(r"\\[A-Za-z]+|\d+(?:\.\d+)?|[A-Za-z]+|\S")


def right_copies(found, gold, problem):
    """Runs of up to eight neighbouring tokens of a hint that are right answers by the reward of training, and how many runs there are."""
    places = [match.span() for match in TOKEN.finditer(found.text)]
    copies = {found.text[start:end] for i, (start, _) in enumerate(places) for _, end in places[i : i + 8]}
    info = {"original_problem": problem, "hint": found.text}
    return [copy for copy in copies if reward("", f"\\boxed{{{copy}}}", gold, info)["acc"]], len(copies)


@pytest.mark.parametrize(("problem", "gold", "text"), SOLUTIONS, ids=[gold for _, gold, _ in SOLUTIONS])
def test_no_copy_from_a_hint_earns_the_reward_for_a_right_answer(problem, gold, text):
    """The reward knows the problem alone."""
    assert grade(text, gold, problem).correct, "the solution itself is right"
    found = hints.cut(text, gold, problem, 1.0)
    assert isinstance(found, hints.Hint)
    right, copies = right_copies(found, gold, problem)
    assert right == [] and copies > 50
    assert reward("", found.text, gold, {"original_problem": problem})["acc"] == 0, "nor does the hint itself"


def test_real_solutions_give_hints_from_which_no_copy_is_right(shared):
    """Of the first 500 of GSM8K's; copies from every 50th hint, and from those that Qwen's responses to MATH give."""
    with gzip.open(shared / "train/gsm8k_train.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in islice(lines, 500)]
    found = [(row, hints.cut(row["solution"], row["answer"], row["problem"], 0.5)) for row in rows]
    cuts = [hint for _, hint in found if isinstance(hint, hints.Hint)]
    shorter = sum(hint.steps < hint.wanted for hint in cuts)
    print(f"{len(cuts)} of {len(rows)} get a hint, {shorter} of them a shorter one")
    assert len(cuts) > 450 and 0 < shorter < len(cuts) and {hint for _, hint in found if isinstance(hint, str)} == {hints.HOLDS_GOLD}
    with gzip.open(shared / "generations/qwen_math_cot_100.jsonl.gz", "rt") as lines:
        responses = [row for line in lines if (row := json.loads(line))["correct"]]
    found = found[::50] + [
        (row | {"answer": row["gold"]}, hints.cut(row["response"], row["gold"], row["problem"], 0.3)) for row in responses[::200]
    ]
    tried = 0
    for row, hint in found:
        if isinstance(hint, hints.Hint):
            right, copies = right_copies(hint, row["answer"], row["problem"])
            assert right == [], row["problem"]
            tried += copies
    print(f"{tried} copies, none of them right")
    assert tried > 1000
