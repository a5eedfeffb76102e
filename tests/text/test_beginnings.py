"""The beginnings of a text, step by step."""

from mathrl.text.beginnings import beginnings
from mathrl.text.reasoning_steps import reasoning_steps


def test_a_beginning_is_the_text_as_it_was_written_up_to_the_end_of_a_step():
    text = "Step 1:\n  We add: 3 + 4 = 7.  Then we double it.\n\nSo it is 14."
    steps = reasoning_steps(text)
    assert len(steps) == 3
    assert beginnings(text, steps) == ["Step 1:\n  We add: 3 + 4 = 7.", "Step 1:\n  We add: 3 + 4 = 7.  Then we double it."]
    assert beginnings("It is 14.", ["It is 14."]) == [] and beginnings("", []) == []
