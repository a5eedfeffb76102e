"""Values that were read as something else, without a word: choices, numbers, lists, problems in two columns, names with a dot."""

import json

import polars as pl
import pytest
from mathrl.data import layouts, published
from mathrl.data.benchmarks import canonical_rows, read_benchmark_file
from mathrl.grading import grade


def item(row, mapping=""):
    return canonical_rows([row], "thing", layouts.parse_mapping(mapping, "pins.tsv: line 2"))[0]


@pytest.mark.parametrize("answer", ["1", 1])
def test_choices_with_numbers_as_names_are_chosen_by_name(answer):
    """The text `2` of the first was found where `1` is the text of the second; the number 1 was an index."""
    assert item({"question": "Which?", "options": {"1": "2", "2": "1", "3": "7"}, "answer": answer})["answer"] == "A"
    assert item({"question": "Which?", "options": {"A": "2", "B": "1"}, "answer": "B"})["answer"] == "B"


def test_probabilities_are_no_choices():
    """`P(A)`, `P(B)` and `n(C)` were taken for the letters of choices that the problem shows."""
    problem = "If P(A) = 0.3, P(B) = 0.4 and n(C) = 7, which holds?"
    found = item({"question": problem, "choices": ["always", "never", "sometimes"], "answer": 1})
    assert found == {"id": "0", "problem": f"{problem}\n(A) always\n(B) never\n(C) sometimes", "answer": "B"}
    found = item({"question": problem, "choices": ["3", "4", "7"], "answer": 1})  # which the problem holds, elsewhere
    assert found["problem"] == f"{problem}\n(A) 3\n(B) 4\n(C) 7"


@pytest.mark.parametrize("shown", ["Which holds?\n(A) always\n(B) never  so", "Which holds? A. $always$ B. $neverso$"])
def test_choices_that_the_problem_shows_are_not_shown_again(shown):
    assert item({"question": shown, "choices": ["always", "never so"], "answer": 1})["problem"] == shown


def test_numbers_that_are_texts_of_the_choices_are_no_places():
    """2 was the third choice where another row's 15 shows that values are meant; a set of places (MMLU) stays one."""
    rows = [{"question": "Which?", "choices": [12, 15, 18], "answer": 15}, {"question": "And which?", "choices": [1, 2, 3], "answer": 2}]
    assert [row["answer"] for row in canonical_rows(rows, "thing")] == ["B", "B"]
    rows.append({"question": "Which, without any?", "choices": [], "answer": 2})
    assert [row["answer"] for row in canonical_rows(rows, "thing")][:2] == ["B", "B"], "a row without choices says nothing of the others"
    places = [
        {"question": "Which?", "choices": ["12", "15", "18"], "answer": 1},
        {"question": "And?", "choices": ["1", "2", "3"], "answer": 2},
    ]
    assert [row["answer"] for row in canonical_rows(places, "thing")] == ["B", "C"]


@pytest.mark.parametrize("choices", ["['a ) red', 'b ) blue']", '["red", "blue"]'])
def test_choices_that_are_a_list_in_a_text_are_read(choices):
    """Of MathQA's rows one in 35 was left out."""
    choices = choices.replace("red", "r\ned") if "a )" in choices else choices  # no text of Python's
    found = item({"Problem": "Which?", "options": choices, "correct": "b"})
    assert (found["problem"].replace("r\ned", "red"), found["answer"]) == ("Which?\n(A) red\n(B) blue", "B")


def test_answer_that_is_the_letter_of_one_choice_and_the_text_of_another_is_none(capsys):
    rows = [{"question": "Which point?", "choices": ["C", "A", "B"], "answer": letter} for letter in "AB"]
    rows += [{"question": f"Which {n}?", "choices": ["a", "b", "c"], "answer": "b"} for n in range(3)]
    assert [row["answer"] for row in canonical_rows(rows, "thing")] == ["B"] * 3
    assert (
        "2 of 5 rows are left out: the answer is the letter of one choice and the text of another (2: row 1, 2)" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("value", "gold"), [(1e23, "100000000000000000000000"), (2.5e15, "2500000000000000"), (1e-7, "0.0000001"), (-0.0, "0")]
)
def test_large_number_has_the_digits_that_were_written(value, gold):
    assert item({"problem": "What?", "answer": value})["answer"] == gold


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow"])
def test_number_of_half_the_width_is_the_one_that_was_written(name, tmp_path):
    """0.1 was 0.10000000149011612, and the right answer wrong."""
    for answers, kind, golds in (([0.1, 3.0], pl.Float32, ["0.1", "3"]), ([[0.1], [3.0, 0.2]], pl.List(pl.Float32), ["0.1", "3, 0.2"])):
        table = pl.DataFrame({"problem": ["a?", "b?"], "answer": answers}, schema_overrides={"answer": kind})
        table.write_parquet(tmp_path / name) if name.endswith("parquet") else table.write_ipc(tmp_path / name)
        assert [row["answer"] for row in read_benchmark_file(tmp_path / name)] == golds


@pytest.mark.parametrize(
    ("gold", "right"),
    [
        ("(1,234, 5)", "(1234,5)"),
        ("1,200, 1,300", "1300, 1200"),
        ("(3, 4)", "(3,4)"),
        ("(1,100), (2,200)", "(2,200), (1,100)"),
    ],
)
def test_thousands_in_a_list_behind_a_mark_can_be_earned(gold, right):
    assert grade(f"\\boxed{{{right}}}", item({"question": "What?", "answer": f"So.\n#### {gold}"})["answer"]).correct


def test_thousands_in_a_list_of_golds_can_be_earned():
    assert item({"problem": "What?", "answer": ["1,000", "2"]})["answer"] == "1000, 2"


def test_list_in_a_text_is_its_golds_in_a_training_set_too(tmp_path):
    """A parquet file in our columns was taken as it is, with golds that nobody can earn."""
    pl.DataFrame({"problem": ["a?", "b?", "c?"], "answer": ["['2', '-2']", "7", '{"value": 3}']}).write_parquet(tmp_path / "set.parquet")
    published.write_dataset([tmp_path / "set.parquet"], {}, tmp_path / "out.parquet", "set")
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found["answer"].to_list() == ["2, -2", "7", None]
    assert found["left_out"].to_list() == [None, None, "the answer is a JSON object"]


@pytest.mark.parametrize("answer", [{"output": "The answer is 2."}, {"answer": "2"}])
def test_problem_in_two_columns_is_whole(answer):
    """`instruction` alone was the problem, the same one in every row."""
    assert item({"instruction": "Solve it.", "input": "2x + 3 = 7", **answer})["problem"] == "Solve it.\n2x + 3 = 7"
    assert item({"instruction": "What is 1 + 1?", "input": "", **answer})["problem"] == "What is 1 + 1?"


def test_a_question_beside_an_instruction_is_read():
    found = item({"instruction": "Solve it.", "question": "2x + 3 = 7", "output": "The answer is 2."})
    assert found["problem"] == "Solve it.\n2x + 3 = 7"


def test_message_of_several_texts_is_one_and_a_picture_none(capsys):
    def row(*parts):
        return {"prompt": [{"role": "user", "content": list(parts)}], "reward_model": {"ground_truth": "2"}}

    words, picture = {"type": "text", "text": "What is 1 + 1?"}, {"type": "image"}
    assert [row["problem"] for row in canonical_rows([row(words), row(words, words), row(picture, words)], "thing")] == [
        "What is 1 + 1?", "What is 1 + 1?\nWhat is 1 + 1?",
    ]  # fmt: skip
    assert "no problem (1: row 3)" in capsys.readouterr().err
    assert [row["problem"] for row in canonical_rows([row(words), row({"type": "text", "text": None})], "thing")] == ["What is 1 + 1?"]


def test_earlier_messages_of_the_user_are_told(capsys):
    turns = [{"role": "user", "content": "Let a = 1."}, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "What is a?"}]
    item({"prompt": turns, "reward_model": {"ground_truth": "1"}})
    assert "in 1 of the first 1 rows the user says something before the last message" in capsys.readouterr().err
    item({"prompt": turns[2:], "reward_model": {"ground_truth": "1"}})
    assert "before the last message" not in capsys.readouterr().err


def test_column_with_a_dot_in_its_name_can_be_mapped(capsys):
    found = item({"extra.q": "What?", "reward_model.ground_truth": "5"}, "problem: extra.q, answer: reward_model.ground_truth")
    assert (found["problem"], found["answer"]) == ("What?", "5")
    assert "not read" not in capsys.readouterr().err


@pytest.mark.parametrize("said", ['gold: after: "ANS:"', 'gold: {after: "ANS:"}', "gold: 'after: ANS:'", "gold: after: 'ANS:'"])
def test_mark_behind_which_the_gold_stands_can_be_said_in_every_way(said):
    assert item({"q": "What?", "a": "So 5. ANS: 6"}, f"problem: q, answer: a, {said}")["answer"] == "6"


@pytest.mark.parametrize("order", [("problem", "answer"), ("answer", "problem")])
def test_row_that_one_column_lacks_is_counted(order, tmp_path, capsys):
    """Of pandas' columns the first one said which rows there are."""
    columns = {"problem": {"0": "a?", "1": "b?"}, "answer": {"0": "1"}}
    (tmp_path / "b.json").write_text(json.dumps({name: columns[name] for name in order}))
    assert len(read_benchmark_file(tmp_path / "b.json")) == 1
    assert "1 of 2 rows are left out: no answer (1: row 2)" in capsys.readouterr().err
