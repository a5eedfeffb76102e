"""Solutions meet training problems; what cannot be joined is said in one line."""

import polars
import pytest
from mathrl.core.files import UserError
from mathrl.data import sft_messages


@pytest.fixture
def files(tmp_path):
    rows = [
        {"prompt": [{"role": "user", "content": f"Solve. {text}"}], "extra_info": {"index": i, "original_problem": text}}
        for i, text in enumerate(["1+1?", "2+2?", "3+3?"])
    ]
    polars.DataFrame(rows).write_parquet(tmp_path / "train.parquet")
    return tmp_path


def solutions(files, **columns):
    polars.DataFrame(columns).write_parquet(files / "solutions.parquet")
    return files / "solutions.parquet"


def test_only_training_problems_count_in_their_order(files):
    given = solutions(files, problem=["3+3?", "1+1?", "1+1?", "9+9?"], solution=["six", "two", "two again", "leak"])
    assert sft_messages.write_messages(files / "train.parquet", given, files / "m.parquet") == 3
    found = polars.read_parquet(files / "m.parquet")["messages"].to_list()
    assert [turns[-1]["content"] for turns in found] == ["two", "two again", "six"]
    assert found[0] == [{"role": "user", "content": "Solve. 1+1?"}, {"role": "assistant", "content": "two"}]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"problem": ["1+1?"], "answer": ["2"]}, "the column 'solution' is missing; it has problem, answer"),
        ({"problem": ["9+9?"], "solution": ["18"]}, "no training problem has a solution there"),
        ({"problem": ["1+1?"], "solution": ["  "]}, "no training problem has a solution there"),
    ],
)
def test_solutions_that_cannot_be_used_are_refused(files, columns, message):
    with pytest.raises(UserError, match=message):
        sft_messages.write_messages(files / "train.parquet", solutions(files, **columns), files / "m.parquet")
    assert not (files / "m.parquet").exists()


def test_solutions_that_verl_cuts_are_counted(files):
    """The chat template's tokens count, as in verl's dataset: here one before each turn and one after."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    template = "{% for turn in messages %}<turn> {{ turn['content'] }} </turn> {% endfor %}"
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", chat_template=template).save_pretrained(files / "model")
    solved = solutions(files, problem=["1+1?", "2+2?", "3+3?"], solution=["a b", "a b c", "a b c d"])
    sft_messages.write_messages(files / "train.parquet", solved, files / "m.parquet")
    assert [sft_messages.too_long(files / "m.parquet", files / "model", limit) for limit in (7, 8, 9, 10)] == [3, 2, 1, 0]
