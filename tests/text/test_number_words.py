"""Number words: the table, and several words as one number."""

import pytest
from mathrl.text.number_words import TENS, WORDS, fraction, value


def test_the_table():
    assert WORDS["zero"] == 0 and WORDS["nineteen"] == 19 and WORDS["ninety"] == 90 and len(WORDS) == 28 and "ten" not in TENS


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("twenty four", 24),
        ("a hundred and one", 101),
        ("two hundred and five", 205),
        ("three thousand four hundred", 3400),
        ("one million two thousand", 1_002_000),
    ],
)
def test_several_words(words, number):
    assert value(words.split()) == number


@pytest.mark.parametrize(
    ("words", "parts"),
    [("twenty-one", (21, 1)), ("two thirds", (2, 3)), ("half", (1, 2)), ("a quarter", (1, 4)), ("third", None), ("five six", None)],
)
def test_a_number_or_a_fraction(words, parts):
    assert fraction(words) == parts
