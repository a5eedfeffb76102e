"""Prompts that are too long are left out once, and exactly those that verl would leave out at each start."""

import json
from types import SimpleNamespace

import polars as pl
import pytest
from mathrl.config.stage import Stage
from mathrl.core.files import UserError
from mathrl.data import hints
from mathrl.training import long_prompts

TEMPLATE = "{% for m in messages %}<u> {{ m['content'] }} </u> {% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
VERL = """
import json, sys
from omegaconf import OmegaConf
from transformers import AutoTokenizer
from verl.utils.dataset.rl_dataset import RLHFDataset
model, rows, limit, cache = sys.argv[1:]
settings = {"max_prompt_length": int(limit), "filter_overlong_prompts": True, "cache_dir": cache, "filter_overlong_prompts_workers": 1}
found = RLHFDataset(rows, AutoTokenizer.from_pretrained(model), OmegaConf.create(settings))
print("FOUND" + json.dumps(list(found.dataframe["problem"])))
"""


@pytest.fixture
def model(tmp_path):
    """A directory with a tokenizer of words, and a chat template of three tokens around the problem."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word: place for place, word in enumerate(["?", "<u>", "</u>", "<a>", "one"])}
    inner = Tokenizer(models.WordLevel(words, unk_token="?"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder = tmp_path / "model"
    PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="?", pad_token="?", chat_template=TEMPLATE).save_pretrained(folder)
    return folder


def rows(path, lengths):
    """Prompts of so many words in verl's columns; each problem says its place."""
    prompts = [[{"role": "user", "content": " ".join(["one"] * length)}] for length in lengths]
    nested = [{"index": place, "original_problem": f"p{place}"} for place in range(len(lengths))]
    pl.DataFrame({"prompt": prompts, "problem": [f"p{i}" for i in range(len(lengths))], "extra_info": nested}).write_parquet(path)
    return path


def plan(tmp_path, model, train, limit=10, verl=None):
    """A stage as far as it matters here."""
    val = rows(tmp_path / "val.parquet", [1, 20])
    stage = Stage(max_prompt_length=limit, verl=verl or {})
    return SimpleNamespace(stage=stage, model=model, train_file=train, validation_file=val, name="train grpo")


def test_the_rows_are_those_of_verl(tmp_path, model, verl):
    train = rows(tmp_path / "train.parquet", [7, 8, 6, 30, 7, 1])
    assert long_prompts.leave_out(train, model, 10, tmp_path / "out.parquet") == 2
    said = verl("cpu").ask(VERL, str(model), str(train), "10", str(tmp_path / "cache"))
    of_verl = json.loads(said.partition("FOUND")[2])
    assert pl.read_parquet(tmp_path / "out.parquet")["problem"].to_list() == of_verl == ["p0", "p2", "p4", "p5"]
    assert pl.read_parquet_schema(tmp_path / "out.parquet") == pl.read_parquet_schema(train)


def test_a_prompt_counts_with_its_hint(tmp_path, model):
    """A problem that fits by itself and not with its hint is left out; dev and validation carry none."""
    train = rows(tmp_path / "train.parquet", [3, 3])
    table = pl.read_parquet(train)
    infos = pl.DataFrame({"index": [0, 1], "original_problem": ["p0", "p1"], "id": ["a", "b"]})
    table = table.with_columns(infos.to_struct("extra_info")).select("prompt", "problem", "extra_info")
    carried = pl.DataFrame([{"id": "a", "hint": "one", "hint_steps": 1, "hint_request": "r"}])
    hints.beside(table, carried).write_parquet(train)
    assert long_prompts.leave_out(train, model, 10, tmp_path / "out.parquet") == 1
    assert pl.read_parquet(tmp_path / "out.parquet")["problem"].to_list() == ["p1"]


def test_counted_once_and_again_where_anything_differs(tmp_path, model, monkeypatch, capsys):
    train = rows(tmp_path / "train.parquet", [1, 2, 30])
    counted, count = [], long_prompts.leave_out
    monkeypatch.setattr(long_prompts, "leave_out", lambda path, *more: counted.append(path.name) or count(path, *more))
    keys = long_prompts.keys(plan(tmp_path, model, train), tmp_path)
    assert capsys.readouterr().err == "train grpo: 1 prompts of more than 10 tokens are left out (max_prompt_length)\n"
    assert keys["data.filter_overlong_prompts"] is False and keys["data.train_files"] == str(tmp_path / "train.short.parquet")
    assert long_prompts.keys(plan(tmp_path, model, train), tmp_path) == keys and len(counted) == 2
    assert long_prompts.keys(plan(tmp_path, model, train, limit=40), tmp_path)["data.train_files"] == str(train)
    rows(train, [1, 2, 3])
    assert long_prompts.keys(plan(tmp_path, model, train), tmp_path)["data.train_files"] == str(train) and len(counted) == 6


@pytest.mark.parametrize("damaged", ["train.short.parquet", "val.short.parquet", long_prompts.NOTE])
def test_a_damaged_file_is_named_and_made_again(tmp_path, model, capsys, damaged):
    train = rows(tmp_path / "train.parquet", [1, 2, 30])
    keys = long_prompts.keys(plan(tmp_path, model, train), tmp_path)
    whole = (tmp_path / damaged).read_bytes()
    capsys.readouterr()
    for harm in (whole[:-9], whole.replace(whole[20:21], b"~", 1), b""):
        (tmp_path / damaged).write_bytes(harm)
        assert long_prompts.keys(plan(tmp_path, model, train), tmp_path) == keys
        assert f"{tmp_path / damaged}: is " in capsys.readouterr().err
        assert (tmp_path / damaged).read_bytes() == whole


def test_a_users_own_way_to_tokens_is_left_to_verl(tmp_path, model):
    train = rows(tmp_path / "train.parquet", [1])
    own = {"+data.apply_chat_template_kwargs": {"enable_thinking": False}}
    assert long_prompts.keys(plan(tmp_path, model, train, verl=own), tmp_path) == {}


def test_no_prompt_that_fits(tmp_path, model):
    train = rows(tmp_path / "train.parquet", [30, 40])
    with pytest.raises(UserError, match=r"train.parquet: every prompt has more than 10 tokens; raise training.max_prompt_length"):
        long_prompts.leave_out(train, model, 10, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
