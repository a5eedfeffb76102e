"""Golds that are a list or an object written as a text, as a table of pandas writes them to CSV."""

import pytest
from mathrl.data.gold import NoGold, text_of


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("['2', '-2']", "2, -2"),
        ('["2", "-2"]', "2, -2"),
        ("['4']", "4"),
        ("['[0,1)']", "[0,1)"),
        ("[2, 3]", "[2, 3]"),  # without quotes it may be an interval
        ("{1, 2}", "{1, 2}"),
    ],
)
def test_quoted_list_is_its_texts(text, gold):
    assert text_of(text) == gold


def test_object_is_refused():
    with pytest.raises(NoGold, match="object"):
        text_of("{'value': '4'}")
