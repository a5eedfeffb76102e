"""Where a response is cut into reasoning steps."""

import time

import pytest
from mathrl.text.reasoning_steps import reasoning_steps


@pytest.mark.parametrize(
    ("response", "steps", "why"),
    [
        ("", [], "nothing"),
        ("15 - 4 = 11. 11 + 9 = 20.", ["15 - 4 = 11.", "11 + 9 = 20."], "a stop between numbers"),
        ("It is 3.5 cm. Then 2.", ["It is 3.5 cm.", "Then 2."], "no cut in a decimal"),
        ("One line\n\n  another line ", ["One line", "another line"], "lines"),
        ("1. First, add. 2. Then stop!", ["1. First, add.", "2. Then stop!"], "list numbers belong to their item"),
        ("Step 1:\nAdd 3.\n## Step 2\nStop.", ["Step 1: Add 3.", "## Step 2 Stop."], "a label alone"),
        ("1.\nAdd 3.", ["1. Add 3."], "a number alone"),
        ("Use e.g. Ohm's law. It holds.", ["Use e.g. Ohm's law.", "It holds."], "an abbreviation"),
        ("We know approx. 3 of them.", ["We know approx. 3 of them."], "an abbreviation before a number"),
        ("Is it? Yes! $x = 3.$ So $y = 4$.", ["Is it?", "Yes!", "$x = 3.$", "So $y = 4$."], "question, call, formula"),
        ("as in 3. and so on", ["as in 3. and so on"], "a small letter goes on"),
        ("\\[\na &= b. \\\\\n&= c. D\n\\]\nSo c.", ["\\[\na &= b. \\\\\n&= c. D\n\\]", "So c."], "a display stays whole"),
        ("$$\nx = 1\n$$\nand\n$$ y $$", ["$$\nx = 1\n$$", "and", "$$ y $$"], "dollars, several lines and one"),
        ("\\[ never\nclosed\nat all", ["\\[ never", "closed", "at all"], "a display that is cut off"),
        ("所以 3+4=7。答案是 7。", ["所以 3+4=7。", "答案是 7。"], "Chinese full stops"),
        ("the answer is \\boxed{4}.\n---\n", ["the answer is \\boxed{4}."], "a rule is no step"),
        ("x\n7", ["x 7"], "a letter alone may be a label"),
    ],
    ids=lambda value: value if isinstance(value, str) and "\n" not in value and len(value) < 40 else "",
)
def test_steps(response, steps, why):
    assert reasoning_steps(response) == steps, why


@pytest.mark.parametrize(
    "text",
    [
        "1. " * 100_000,
        "\\[" * 100_000,
        "a" * 300_000,
        ". A" * 100_000,
        "." * 300_000 + "x",
        "No. " * 75_000,
        "$$\n" * 50_001,
        "\n#" * 100_000,
    ],
)
def test_hostile_text_is_cheap(text):
    start = time.process_time()
    reasoning_steps(text)
    assert time.process_time() - start < 2


def test_nothing_is_lost():
    response = "Step 1: add 2 and 3. We get 5.\n\n\\begin{align}\n2+3 &= 5\\\\\n5+5 &= 10\n\\end{align}\nHence (b) 10! Done"
    together = "".join(reasoning_steps(response))
    assert [char for char in response if char.isalnum()] == [char for char in together if char.isalnum()]
