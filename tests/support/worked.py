r"""Worked solutions for tests of hints: a family of stories, and a few with golds of many kinds."""


def gold_of(number: int) -> int:
    """The gold of the story of this number: three numbers of more than four digits come before it in its solution."""
    return 3 * (number + 20_000) + 100_000


def story(number: int) -> str:
    """A problem."""
    return (
        f"A mill grinds {number + 20_000} bags of flour in a year. It grinds thrice as many in the next one. 100000 were there. How many?"
    )


def solution(number: int) -> str:
    """Its solution in four steps, the answer in the last one alone."""
    bags = number + 20_000
    return (
        f"First there are {bags} bags.\nThrice as many are ${bags} \\cdot 3 = {3 * bags}$.\n"
        f"The store holds 100000 more.\nTogether they are \\boxed{{{gold_of(number)}}}."
    )


SOLUTIONS = [
    (
        "Anna has 48 apples and sells half of them, then buys 30 more. How many apples has she now?",
        "54",
        "She sells $48/2 = 24$ apples. So 48 - 24 = 24 are left.\nShe buys 30 more, that is 24+30 apples.\nShe has \\boxed{54} apples.",
    ),
    (
        "Find all roots of $x^2 - 5x + 6 = 0$.",
        "2, 3",
        "We factor the left side.\nIt is a product of two factors.\nTheir roots are $x = 2$ and $x = 3$, so the answer is \\boxed{2, 3}.",
    ),
    (
        "What is the chance of two heads in three throws?",
        "\\frac{3}{8}",
        "There are $2^3 = 8$ outcomes.\nThe favourable ones are HHT, HTH and THH.\nEach has the chance $1/8$.\n"
        "So it is 0.375, or \\boxed{\\frac{3}{8}}.",
    ),
    (
        "Simplify $(x+1)^2 - 1$.",
        "x^2+2x",
        "We expand the square: $(x+1)^2 = x^2 + 1 + 2x$.\nThen we take 1 away.\nWhat is left is $2x + x^2$.\nHence \\boxed{x^2+2x}.",
    ),
    (
        "On which day of the week is the feast, ten days after a Friday?",
        "Monday",
        "Seven days after a Friday it is Friday again.\nThree days are left to count.\n"
        "After Saturday and Sunday comes \\boxed{\\text{Monday}}.",
    ),
    (
        "Where does the line through $(0,1)$ and $(1,3)$ meet $x=4$?",
        "(4, 9)",
        "The slope of the line is $3 - 1$ over $1 - 0$.\nThe line is $y = 1 + (3-1)x$.\nAt $x = 4$ it has $y = 9$.\n"
        "The point is \\boxed{(4, 9)}.",
    ),
]
"""(problem, gold, solution)."""
