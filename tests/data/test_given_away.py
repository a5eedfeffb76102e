"""When a text holds a gold, so that copying from it would earn a reward."""

import pytest
from mathrl.data.given_away import MAX_CHARS, GoldWatch

HOLDS = [
    ("So there are 24 left.", "24", "a number in a sentence"),
    ("He sold 48/2 = <<48/2=24>>24 clips.", "24", "behind a sign, without spaces"),
    ("That makes 1,024 ways.", "1024", "with a comma"),
    ("It costs $24.00.", "24", "another writing of the number"),
    (r"We get $\frac{48}{2}$ of them.", "24", "a fraction that is equal"),
    (r"It is $0.375$ then.", r"\frac{3}{8}", "a decimal that is equal"),
    (r"Thus $x = \frac{1}{2}y$.", r"\frac{1}{2}", "a part of a product"),
    (r"$a + x^2 + 2x + b$ is shorter.", "x^2+2x", "neighbouring terms of a sum"),
    (r"$(x+1)^2 = x(x+2) + 1$", "x^2+2x", "a product that is equal, within a sum"),
    (r"We write \[ y = 2x + 1 \] for it.", "y=2x+1", "a relation, in a display"),
    (r"The point is \((4, 9)\).", "(4,9)", "a point"),
    ("twenty-four of them are red", "24", "in words"),
    ("Then it is Monday.", "Monday", "a word"),
    (r"The day is \text{Monday}.", "Monday", "a word in mathematics"),
    ("Hence statement (B) holds.", "B", "the letter of a choice"),
    (r"First \boxed{5}.", "24", "a box, whatever is in it"),
    (r"First \fbox 5.", "24", "another box"),
    ("x" * (MAX_CHARS + 1), "24", "too long to be looked through"),
    (r"The answer is $x = 2$ or $x = 3$.", "2, 3", "all items of a list"),
    ("So every even integer above two is the sum of two primes.", "every even integer above two is the sum of two primes", "a long gold"),
    ("There are 24 hours in a day.", "24", "what stands in the problem, too, holds the gold all the same"),
]
DOES_NOT = [
    ("She sold 48 and has half of them.", "24", "what must still be worked out"),
    ("She has 48 - 24 more.", "25", "another number"),
    (r"That is $20 + 4$ of them.", "24", "a sum is no finished answer: the grader pays nothing for it"),
    ("There are 240 or 124.", "24", "digits of another number"),
    (r"One root is $x = 2$.", "2, 3", "one item of a list"),
    ("Three days after Friday.", "Monday", "other words"),
    (r"We have $y = 2x$ so far.", "y=2x+1", "a part of the gold"),
    ("The triangle ABC is right.", "B", "a letter within a name"),
    ("Let us expand the square.", "x^2+2x", "no mathematics"),
]
PROBLEM = "How many hours has a day, if there are 24 hours in a day?"


@pytest.mark.parametrize(("text", "gold", "why"), HOLDS, ids=[case[-1] for case in HOLDS])
def test_a_text_that_holds_the_gold(text, gold, why):
    assert GoldWatch(gold, PROBLEM).holds(text), why


@pytest.mark.parametrize(("text", "gold", "why"), DOES_NOT, ids=[case[-1] for case in DOES_NOT])
def test_a_text_that_does_not(text, gold, why):
    assert not GoldWatch(gold, PROBLEM).holds(text), why


def test_items_of_a_list_are_gathered_over_the_steps():
    watch = GoldWatch(r"\{2, 3\}", "Find the roots.")
    assert [watch.holds(step) for step in ("One is $x = 2$.", "Twice: 2.", "The other is 3.")] == [False, False, True]
