"""The fast tokenizer against the remote code's algorithm: tiktoken with Qwen's expression, after NFC."""

import gzip
import importlib
import json
import os
import random
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mathrl.core.files import UserError
from mathrl.models import tokenizer as fast
from support import real_data

HARD = {
    "a special token in the text is one token": "<|im_start|>user\nHi<|im_end|>\n<|endoftext|><|extra_204|>",
    "NFC joins what would be a special token's end": "<|im_end|>\u0338",
    "NFC composes letters": "cafe\u0301 A\u030a \u1e9b\u0323",
    "half of a special token is text": "<|im_end| <|im_start <|extra_205|> <|unused_0|>",
    "spaces before a word, at the end, alone": "  a   b    \n   \n\n  ",
    "line ends of all kinds": "a\r\nb\rc\n\r\n\n d\u2028e\x85f",
    "contractions, capitals, the long s": "I'LL we're it's 'T don'T 'ſ 'S",
    "digits come one by one": "1234567 3.14 ²³ ٣٤ Ⅷ",
    "formulas": r"$\frac{\sqrt{2}}{3}\cdot x^{2}_{i}$ \boxed{42}",
    "other scripts and symbols": "求解方程 αβγ − × ≤ ∑ 🙂👩‍👩‍👧 \u200b\ufeff",
    "bytes that are no token of their own": "\U0001f9ff\U00010ffff \x00\x7f",
    "one letter many times": "a" * 300 + "=" * 200 + " " * 100,
    "nothing": "",
}


def remote(ranks):
    """What tokenization_qwen.py does with a text."""
    import tiktoken

    special = {text: len(ranks) + place for place, text in enumerate(fast.SPECIAL)}
    encoding = tiktoken.Encoding("Qwen", pat_str=fast.PATTERN, mergeable_ranks=ranks, special_tokens=special)
    return lambda text: encoding.encode(unicodedata.normalize("NFC", text), allowed_special="all", disallowed_special=())


@pytest.fixture(scope="module")
def both(prepared, ranks):
    """The remote code's algorithm and the tokenizer as transformers loads it from the prepared directory."""
    from transformers import AutoTokenizer

    return remote(ranks), AutoTokenizer.from_pretrained(prepared[1])


@pytest.mark.parametrize("why", HARD)
def test_hard_text(both, why):
    reference, tokenizer = both
    assert tokenizer(HARD[why], add_special_tokens=False)["input_ids"] == reference(HARD[why])


def test_generated_problems(both, generated):
    reference, tokenizer = both
    texts = generated(600, seed=11)
    assert tokenizer(texts, add_special_tokens=False)["input_ids"] == [reference(text) for text in texts]


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text(both, text):
    reference, tokenizer = both
    if unicodedata.normalize("NFC", text) == tokenizer.backend_tokenizer.normalizer.normalize_str(text):  # tables of one Unicode version
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == reference(text)


def test_decoding_gives_the_text_back(both, generated):
    _, tokenizer = both
    for text in generated(50, seed=3):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
    ids = tokenizer("<|im_start|>7<|im_end|>")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "7"


def real_texts(count):
    texts = []
    for path in sorted(real_data.path("train").iterdir()):
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                texts += [value for value in row.values() if isinstance(value, str) and len(value) > 20]
    return random.Random(1).sample(texts, count)


def test_ten_thousand_real_texts(both):
    reference, tokenizer = both
    texts = real_texts(10_000)
    assert tokenizer(texts, add_special_tokens=False)["input_ids"] == [reference(text) for text in texts]


def test_published_ranks_on_ten_thousand_real_texts():
    file = os.environ.get("MATHRL_QWEN_TIKTOKEN")
    if not file:
        pytest.skip("MATHRL_QWEN_TIKTOKEN names no qwen.tiktoken")
    ranks = fast.read_ranks(Path(file))
    tokenizer, reference = fast.build(ranks), remote(ranks)
    assert (len(ranks), tokenizer.get_vocab_size()) == (151_643, 151_851)
    for text in [*real_texts(10_000), *HARD.values()]:
        assert tokenizer.encode(text, add_special_tokens=False).ids == reference(text), text


@pytest.mark.parametrize("seed", range(40))
def test_any_table_of_ranks(seed):
    """Ranks that no training would leave (parts after wholes, tokens that cannot be made) merge as tiktoken merges them."""
    rng = random.Random(seed)
    words = {bytes(rng.choice(b"abc") for _ in range(rng.randint(2, 6))) for _ in range(rng.randint(3, 60))}
    table = [*(bytes([byte]) for byte in range(256)), *rng.sample(sorted(words), len(words))]
    ranks = {token: rank for rank, token in enumerate(table)}
    tokenizer, reference = fast.build(ranks), remote(ranks)
    for _ in range(50):
        text = "".join(rng.choice("abc") for _ in range(rng.randint(1, 40)))
        assert tokenizer.encode(text, add_special_tokens=False).ids == reference(text), text


BROKEN = {
    b"IQ== 0\nIg== x\n": "line 2 is not 'base64 rank'",
    b"IQ== 0\nIQ== 1\n": "a token for the second time",
    b"IQ== 0\nIg== 2\n": "rank 1 is missing",
    b"IQ== 0\n?? 1\n": "line 2 is not 'base64 rank'",
    b"IQ== 0\nIg== 1\n": "has no token for the byte 0",
}


@pytest.mark.parametrize("content", BROKEN)
def test_broken_ranks(tmp_path, content):
    (tmp_path / "qwen.tiktoken").write_bytes(content)
    with pytest.raises(UserError, match=BROKEN[content]):
        fast.read_ranks(tmp_path / "qwen.tiktoken")


def test_placeholders_for_rows_without_a_token(ranks):
    assert fast.build(ranks, rows=len(ranks) + 220).get_vocab_size() == len(ranks) + 220


def test_verl_renders_problems_with_this_tokenizer(prepared):
    """verl 0.9.1 wants DeepSeek's own tokens of a model of this shape, which had stopped every training before its first step."""
    from transformers import AutoTokenizer
    from verl.utils.tokenizer.continuous_token_wiring import create_continuous_token_builder

    importlib.import_module("mathrl.verl.plugin")  # as verl does in each of its processes
    tokenizer = AutoTokenizer.from_pretrained(prepared[1])
    builder = create_continuous_token_builder(tokenizer, hf_model_type="deepseek_v3")
    chat = [{"role": "user", "content": "What is 3 + 4?"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert builder.build_initial_tokens(chat) == tokenizer(text, add_special_tokens=False)["input_ids"]
