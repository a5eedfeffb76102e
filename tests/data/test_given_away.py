"""When a text holds a gold, so that copying from it would earn a reward."""

import pytest
from mathrl.data.given_away import MAX_CHARS, GivenAway

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
    ("Together 5 million people live there.", "5000000", "digits and a word of size"),
    (r"The income is \$1.2 million a year.", "1200000", "the same with a point, in money"),
    ("We need 2 dozen of them.", "24", "a dozen behind a number"),
    ("That is two dozen and no more.", "24", "the same in words"),
    ("It takes 150 minutes then.", r"2.5\text{ hours}", "another unit"),
    ("Hence there are no solutions.", "no solution", "other words for a gold in words"),
    ("The chance is .75 here.", "0.75", "no digit before the point"),
    ("The chance is 75 percent here.", "0.75", "percent as a word"),
    ("We get $x=1$ and $y=2$ at once.", "(1,2)", "both places of a point"),
    ("We get x = 1 and y = 2.", "(1,2)", "the same without signs of mathematics"),
    ("We get 2 and -2 then.", r"\pm 2", "both signs, with a word between"),
    ("It is a ratio of 1 to 2 here.", "1:2", "a ratio in words"),
    ("Then x is -three here.", "-3", "a sign and a word"),
    ("Then x is negative three.", "-3", "a sign in words"),
    ("Then x is minus 5.", "-5", "a sign as a word before digits"),
    ("It is minus one half.", r"-\frac{1}{2}", "the same before a fraction in words"),
    (r"We write $\pi (7)^2$ for it.", r"7\pi", "a part of a formula that is no part of its tree"),
    ("Then $x+1y$ comes.", "x+1", "the beginning of a formula"),
    ("所以答案是24个。", "24", "in Chinese text"),
    ("所以是$x+1$，对吗", "x+1", "a formula in Chinese text"),
    ("所以是x+1，对吗", "x+1", "the same without signs"),
    ("一共十五个", "15", "a Chinese numeral"),
    ("今天是星期一。", "星期一", "Chinese words"),
    ("There are 24 hours in a day.", "24", "what stands in the problem, too, holds the gold all the same"),
    ("The height is sqrt(3)/2 by Pythagoras.", r"\frac{\sqrt{3}}{2}", "a function by its bare name"),
    ("So it is sin(x)cos(x) now.", r"\frac12\sin(2x)", "two of them"),
    ("That is $sin(x)cos(x)$ then.", r"\frac12\sin(2x)", "two of them in a formula"),
    ("The exponent is log(3)/log(2) here.", r"\log_2 3", "logarithms"),
    ("It is cbrt(x) of it.", r"\sqrt[3]{x}", "a root that LaTeX does not know"),
    ("So the square is theta^2 here.", r"\theta^2", "a Greek name"),
    ("We get 0.333... for it.", r"\frac13", "a decimal that goes on"),
    ("87 = 7*12+3, so we have 12 remainder 3 now.", r"12 \text{ R } 3", "a remainder"),
    ("It is (2, inf) then.", r"(2,\infty)", "an interval without end"),
    (r"The volume is $V=\frac{ab}{c}$ here.", r"\frac{ba}{c}", "a product in another order"),
    ("It is -xy there.", "-yx", "the same without LaTeX"),
    (r"So we get \dfrac ab for it.", r"\frac{a}{b}", "a fraction without braces"),
    ("There are n! ways.", "n(n-1)!", "a factorial"),
    ("概率为四分之三。", "0.75", "a Chinese fraction"),
    ("占百分之二十五。", "25\\%", "Chinese percent"),
    ("答案：否。", "No", "a Chinese no"),
    ("是的。", "Yes", "a Chinese yes"),
    ("方程没有实数根。", "no real roots", "no roots, in Chinese"),
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
    ("We get $x=1$ at once.", "(1,2)", "one place of a point"),
    ("Then x is minus 5.", "-6", "another negative number"),
    ("Together 5 million people live there.", "500000", "another size"),
    ("一共十五个", "16", "another Chinese numeral"),
]
PROBLEM = "How many hours has a day, if there are 24 hours in a day?"


@pytest.mark.parametrize(("text", "gold", "why"), HOLDS, ids=[case[-1] for case in HOLDS])
def test_a_text_that_holds_the_gold(text, gold, why):
    assert GivenAway(gold, PROBLEM).holds(text), why


@pytest.mark.parametrize(("text", "gold", "why"), DOES_NOT, ids=[case[-1] for case in DOES_NOT])
def test_a_text_that_does_not(text, gold, why):
    assert not GivenAway(gold, PROBLEM).holds(text), why


def test_items_of_a_list_are_gathered_over_the_steps():
    given = GivenAway(r"\{2, 3\}", "Find the roots.")
    assert [given.holds(step) for step in ("One is $x = 2$.", "Twice: 2.", "The other is 3.")] == [False, False, True]


GATHERED = [
    ("(1,2)", ["We get $x=1$.", "Then $y=2$."], "a point"),
    (r"\begin{pmatrix} 5 \\ 7 \end{pmatrix}", ["The first is 5.", "It is no 6.", "The second is 7."], "a matrix"),
    (r"\pm 2", ["One root is 2.", "The other is $x = -2$."], "both signs"),
    ("3:7", ["There are 3 red ones.", "There are 7 blue ones."], "a ratio"),
]


@pytest.mark.parametrize(("gold", "steps", "why"), GATHERED, ids=[case[-1] for case in GATHERED])
def test_so_are_parts_of_other_golds(gold, steps, why):
    given = GivenAway(gold, "Solve.")
    assert [given.holds(step) for step in steps] == [False] * (len(steps) - 1) + [True], why


def test_a_run_of_tokens_over_the_end_of_a_step_counts():
    given = GivenAway("5000000", "How many?")
    assert [given.holds(step) for step in ("There are 5", "million of them.")] == [False, True]


def test_a_step_of_too_many_runs_is_not_looked_through():
    given = GivenAway("7", "How many?")
    steps = [" ".join(f"{j}.{i}" for i in range(101, 300)) for j in range(11, 20)]
    assert [given.holds(step) for step in steps][-1]
