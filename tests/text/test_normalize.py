"""Tokens: what counts as the same spelling, and the twin that does it for millions of rows."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mathrl.text import token_hashes
from mathrl.text.normalize import is_number, number_value, tokens, words

SAME = [
    (r"$\dfrac{3}{4} \times N$", "3/4 × n", "LaTeX against Unicode, case"),
    (r"\[x^{2} \le 5\]", "$x^2 ≤ 5$", "delimiters, braces, relation signs"),
    ("1,234,567 people", "1234567 people", "thousands separators"),
    ("1{,}000", r"1,\!000", "LaTeX thousands separators"),
    ("Find three apples.", "find 3 apples", "number words, punctuation"),
    (r"\left( a + b \right)", "(a+b)", "sizing commands"),
    (r"\text{cm}\,\quad x", "cm x", "dressing commands"),
    ("A “good” set’s size", 'a "good" set\'s size', "quotes"),
    (r"\frac12", "1/2", "fraction without braces"),
    ("ｘ＋１", "x+1", "full-width letters"),
    ("x &lt; **60**-mile<br>walk", "x < 60-mile walk", "HTML and bold numbers"),
    ("5³ + 10₂", "5^3 + 10_{2}", "digits above and below the line"),
    (r"3\frac12 cups", "3½ cups", "a mixed number"),
]
DIFFERENT = [
    ("What is 12 + 7?", "What is 12 + 8?", "another number"),
    ("x - 1", "x", "a part missing"),
    ("3.5 m", "35 m", "a decimal point"),
    ("5³", "53", "a power"),
    (r"3\frac12", "31/2", "a mixed number"),
    ("sin x", "cos x", "another function"),
]


@pytest.mark.parametrize(("left", "right", "reason"), SAME, ids=[reason for *_, reason in SAME])
def test_same_problem_in_other_dress_has_the_same_key(left, right, reason):
    assert words(tokens(left)) == words(tokens(right)), reason


@pytest.mark.parametrize(("left", "right", "reason"), DIFFERENT, ids=[reason for *_, reason in DIFFERENT])
def test_other_problem_has_another_key(left, right, reason):
    assert tokens(left) != tokens(right), reason


def test_numbers_have_one_spelling():
    for written, value in (("0.50", "0.5"), ("007", "7"), ("0", "0"), ("0.0", "0"), ("12.0", "12"), ("100", "100"), ("00.5", "0.5")):
        assert number_value(written) == value and is_number(number_value(written)), written


def test_operators_are_tokens_and_hyphens_are_not():
    assert tokens("A 9-kilometer walk: 3 - 2, two-digit, a-b") == [
        "a",
        "9",
        "kilometer",
        "walk",
        "3",
        "-",
        "2",
        "2",
        "digit",
        "a",
        "-",
        "b",
    ]


def hashes(text: str) -> list[int]:
    return token_hashes.tokenise(pl.Series([text, "next row 12"])).hashes.tolist()


ALPHABET = st.sampled_from(
    [
        *list("abcXYZ0129 .,;:!?$\\{}()[]^_+-*/=<>&%\"'\n\t"),
        "\\frac",
        "\\le",
        "\\text{",
        "[asy]",
        "[/asy]",
        "{,}",
        ",\\!",
        "三",
        "é",
        "×",
        "−",
        "½",
        "³",
        "&lt;",
        "<BR>",
        "**",
        "₂",
        "１",
        "ß",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ALPHABET, max_size=30).map("".join))
def test_twins_agree_on_any_text(text):
    found = hashes(text)[: -len(words(tokens("next row 12")))]
    assert found == [token_hashes.hash_word(word) for word in words(tokens(text))]


def test_twins_agree_on_real_problems(problems):
    cache: dict[str, int] = {}
    for name in ("math_train", "college_math", "ape210k_zh"):
        texts = problems(name)["problem"].head(1500)
        found = token_hashes.tokenise(texts)
        starts = found.starts()
        for row, text in enumerate(texts):
            expected = [cache.setdefault(word, token_hashes.hash_word(word)) for word in words(tokens(text))]
            assert found.hashes[starts[row] : starts[row + 1]].tolist() == expected, text


def test_pieces_and_workers_do_not_show(monkeypatch):
    texts = pl.Series([f"row {i} of {i * i} things, x_{i}" for i in range(500)])
    whole = token_hashes.tokenise(texts).hashes.tolist()
    monkeypatch.setattr(token_hashes, "CHUNK", 700)
    for workers in (1, 3):
        pieces = list(token_hashes.in_chunks(texts, workers, lambda tokens: tokens))
        assert len(pieces) > 5
        assert [value for _, piece in pieces for value in piece.hashes.tolist()] == whole
        assert [first for first, _ in pieces] == sorted(first for first, _ in pieces)
