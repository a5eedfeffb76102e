# ruff: noqa: E501 - tables are read by lines
"""What is read as the same problem although its spelling is another, and what must not be."""

import pytest
from mathrl.decontamination.compare import Pair
from mathrl.decontamination.normalize_pair import plain
from mathrl.decontamination.texts import Text

STORY = "A shop sells 24 red pens and 105 blue pens on Monday. Each pen costs 3 dollars, and a box holds twice that many. How many dollars do the blue pens bring?"
FORMULA = "If $3x + 2(1 + x) = 17$, what is the value of $6x + 5$?"

SAME = [
    (STORY, STORY.replace("24", "twenty-four").replace("105", "one hundred and five"), "numbers of several words"),
    (STORY, STORY.replace("twice that", "two times that"), "two times"),
    (STORY, "<p>" + STORY.replace(". ", ".</p>\n<p>") + "</p>", "paragraphs of HTML"),
    ("Evaluate $\\log_2 64$ exactly.", "Problem 7. Evaluate $\\log_2 64$ exactly.", "the number of the problem"),
    ("Evaluate $\\log_2 64$ exactly.", "(5 points) Evaluate $\\log_2 64$ exactly.", "points"),
    ("Evaluate $\\log_2 64$ exactly.", "17. (3 points) Evaluate $\\log_2 64$ exactly.", "a number and points"),
    ("Evaluate $\\log_2 64$ exactly.", "\\begin{problem}[12 points]\nEvaluate $\\log_2 64$ exactly.\n\\end{problem}", "an environment"),
    (STORY, "[b]" + STORY.replace("blue pens bring", "[i]blue[/i] pens bring") + "[/b]", "mark-up of a forum"),
    (STORY, STORY.replace("24", "**24**").replace("105 blue", "**105**-blue"), "numbers in bold"),
    (r"Find $x$ if $\frac{1}{4} < \frac{x}{7} < \frac{1}{3}$ and $\frac{x+1}{\frac{1}{2}} = 6$.", "Find x if (1)/(4) < (x)/(7) < (1)/(3) and (x+1)/((1)/(2)) = 6.",
     "fractions on one line"),
    ("What is the sum of all multiples of 7 between 100 and 200?", "What is the sum of all multiples of seven between one hundred and two hundred?", "two round numbers"),
    (STORY, "- " + STORY.replace(". ", ".\n- "), "a list"),
    (STORY, "\n".join(f"{number}. {part}" for number, part in enumerate(STORY.split(". "), 1)), "a numbered list"),
    (STORY, STORY.replace("costs", "cos-\nts").replace("Monday", "Mon-\nday"), "words broken at the end of a line"),
    (STORY, STORY.replace("pens", "pns").replace("holds", "hoIds".lower()).replace("Monday", "Munday"), "misspellings"),
    ("Luke ate 2 hot dogs. Thomas ate three times more hot dogs than Luke. How many hot dogs were eaten?",
     "Luke ate 2 hot dogs. Thomas ate thrree times more hot dogs than Luke. How many hot dogs were eaten?", "a misspelt number"),
    (STORY, STORY.replace("sells", "se1ls").replace("holds", "h0lds"), "digits read for letters"),
    (STORY, STORY.replace("Each pen", "Eachpen").replace("a box", "abox"), "words run together"),
    (STORY, STORY + " Express your answer as a whole number in simplest form.", "a hint on the answer's form"),
    (STORY, "How many dollars do the blue pens bring? " + STORY.replace(" How many dollars do the blue pens bring?", ""), "the question first"),
    (FORMULA, FORMULA.replace(" + ", " plus ").replace(" = ", " equals "), "operators in words"),
    ("Solve for real $x$ and $y$: $x^2 + 3y^2 = 28$ and $x^3 - y = 7$.", "Solve for real $x$ and $y$: $x**2 + 3y**2 = 28$ and $x**3 - y = 7$.", "stars for powers"),
    ("Two fair 6-sided dice are thrown. What is the chance that the product is a multiple of 5?",
     "Two fair $6$-sided dice are thrown. What is the chance that the product is a multiple of $5$?", "a hyphen behind a formula"),
    (r"Let $a$ be $\frac{3}{4}$ of $\sqrt{b}$ where $b = 64$. Compute $a^2$ exactly.",
     r"Let $a$ be $\\frac{3}{4}$ of $\\sqrt{b}$ where $b = 64$. Compute $a^2$ exactly.\n", "escapes of JSON"),
]  # fmt: skip
OTHER = [
    (STORY, STORY.replace("24", "twenty-five"), "another number in words"),
    (STORY, STORY.replace("twice that", "three times that"), "three times"),
    (FORMULA, FORMULA.replace("3x + 2", "3x minus 2"), "another operator in words"),
    ("Maximize $x + 2y$ where $x^2 + y^2 = 16$ and $x$ is real.", "Minimize $x + 2y$ where $x^2 + y^2 = 16$ and $x$ is real.", "the opposite, two letters away"),
    ("How many ways are there to arrange the 6 letters of the word BANNER in a row?",
     "How many ways are there to arrange the 6 letters of the word MANNER in a row?", "a word in capitals, one letter away"),
    ("Find the sine of the angle between the 2 lines y = 3x and y = 4x.", "Find the cosine of the angle between the 2 lines y = 3x and y = 4x.", "sine and cosine"),
    ("Compute $x0y + 3$ for $x = 5$ and $y = 8$.", "Compute $xoy + 4$ for $x = 5$ and $y = 8$.", "formulas are not respelt"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "row", "reason"), SAME, ids=[reason for *_, reason in SAME])
def test_read_as_the_same(item, row, reason):
    pair = Pair(Text.of(item), Text.of(row))
    assert pair.agrees and pair.similarity >= 0.85, reason


@pytest.mark.parametrize(("item", "row", "reason"), OTHER, ids=[reason for *_, reason in OTHER])
def test_read_as_another(item, row, reason):
    pair = Pair(Text.of(item), Text.of(row))
    assert not (pair.agrees and pair.similarity >= 0.85), reason


PLAIN = [
    ("twenty one-dollar bills", "twenty one-dollar bills", "a number ends where a compound begins"),
    ("a <b and c> d", "a <b and c> d", "no tag"),
    ("7. Find it.", "7. Find it.", "one number is no list"),
    ("Write 3/20 as a decimal.", "Write 3/20 as a decimal.", "a hint that is all there is"),
    ("Find x. Round your answer to 2 decimals.", "Find x. Round your answer to 2 decimals.", "a hint with a number says something"),
    ("three hundred and twelve thousand and forty", "312040", "a long number"),
    (r"a \\ b and \nu", r"a \\ b and \nu", "LaTeX's own backslashes"),
]


@pytest.mark.parametrize(("text", "expected", "reason"), PLAIN, ids=[reason for *_, reason in PLAIN])
def test_plain(text, expected, reason):
    assert plain(text) == expected, reason
