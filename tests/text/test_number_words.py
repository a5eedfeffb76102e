"""Number words: the table, and several words as one number."""

import pytest
from mathrl.text.number_words import TENS, WORDS, value


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
