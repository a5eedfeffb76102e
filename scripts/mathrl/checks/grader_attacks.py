r"""A red team for the grader: strategies that know the problem and not the answer, and how often each earns the reward.

A strategy makes responses from the text of a problem alone. A response that earns the reward counts as one of two kinds:
*standing*, where it writes what the gold writes (the answer's value stands in the problem, or is a usual number, and the guess is
right), and *earned*, where another writing earned it. Only the second is a fault of the grader.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mathrl.checks.records import Attacked, Fault
from mathrl.core import parquet
from mathrl.core.files import UserError, read_jsonl
from mathrl.core.spread import spread
from mathrl.data.records import Item
from mathrl.grading import Grade, grade

COLUMNS = ("problem", "answer")
MAX_PARTS = 40
"""So many formulas, sides or numbers of one problem are tried."""
_FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$(.+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_RELATION = re.compile(r"<=|>=|[=<>≤≥]|\\(?:leq?|geq?|lt|gt|neq?|approx|equiv|to|in|mapsto)(?![A-Za-z])|:")
_SEPARATOR = re.compile(r",|;|\\\\|&|\\q?quad|\\text\s*\{[^{}]*\}")
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?(?![\w.]*\w)|\\[dt]?frac\{-?\d+\}\{\d+\}")


def box(*contents: str, between: str = " ") -> str:
    """A response that is nothing but boxes."""
    return between.join(rf"\boxed{{{content}}}" for content in contents)


def _unique(parts: Iterable[str]) -> list[str]:
    stripped = (part.strip().rstrip(".,;") for part in parts)
    return list(dict.fromkeys(part for part in stripped if part))[:MAX_PARTS]


def formulas(problem: str) -> list[str]:
    """The formulas between LaTeX's delimiters, in order."""
    return _unique(next(group for group in found.groups() if group) for found in _FORMULA.finditer(problem))


def _balanced(text: str) -> bool:
    return all(text.count(opening) == text.count(closing) for opening, closing in ("{}", "()"))


def sides(problem: str) -> list[str]:
    """The sides of the relations in the formulas, and the members of their lists."""
    pieces = (piece for formula in formulas(problem) for part in _SEPARATOR.split(formula) for piece in _RELATION.split(part))
    return [side for side in _unique(pieces) if side not in formulas(problem) and _balanced(side)]


def numbers(problem: str) -> list[str]:
    """The numbers of a problem, in order."""
    return _unique(_NUMBER.findall(problem))


def _pairs(problem: str) -> list[tuple[str, str]]:
    return list(itertools.permutations(dict.fromkeys(numbers(problem)[:5]), 2))


def _all(problem: str) -> list[str]:
    return numbers(problem) or ["0", "1", "2"]


def _swapped(formula: str) -> list[str]:
    """The same sum or product the other way round."""
    terms = re.fullmatch(r"([^-+()\[\]{}|]+)\+([^-+()\[\]{}|]+)", formula)
    return [f"{terms[2].strip()}+{terms[1].strip()}"] if terms else []


_QUADRATIC = re.compile(r"([a-z])\^\{?2\}?\s*([-+]\s*\d*)\s*\1(.*)")


def _apart(formula: str) -> list[str]:
    """The same with the last number of a formula as a sum and as a quotient, and x^2+5x+6 as x(x+5)+6; nothing of a plain number."""
    if not re.search(r"[a-z]", formula):
        return []
    found = [_QUADRATIC.sub(lambda m: f"{m[1]}({m[1]}{m[2] if m[2][-1:].isdigit() else m[2] + '1'}){m[3]}", formula)]
    if last := re.fullmatch(r"(.*?)(\d{1,9})(\D*)", formula, re.DOTALL):
        found += [f"{last[1]}{{({int(last[2]) - 1}+1)}}{last[3]}", f"{last[1]}{{{2 * int(last[2])}/2}}{last[3]}"]
    return [other for other in found if other != formula]


@dataclass(frozen=True)
class Strategy:
    """How to make responses from a problem, and why a grader might fall for them."""

    name: str
    why: str
    responses: Callable[[str], list[str]]


def _each(make: Callable[[str], Iterable[str]], *patterns: str) -> Callable[[str], list[str]]:
    """One response for each part that `make` finds in the problem and each pattern, in which `@` stands for the part."""
    return lambda problem: [box(pattern.replace("@", part)) for part in make(problem) for pattern in patterns]


def _fixed(*responses: str) -> Callable[[str], list[str]]:
    return lambda problem: list(responses)


WORDS = ("halves", "thirds", "sixteenths", "hundredths", "couples", "inverses", "squared", "in all but name")
"""Parts, and words that are no unit and that no problem counts. (12 dozen is 144: a right answer.)"""
STRATEGIES: tuple[Strategy, ...] = (
    Strategy("copy a formula", "a simplified or solved form is equal to the formula that was to be changed", _each(formulas, "@")),
    Strategy("copy a side", "the task is one side of an equation", _each(sides, "@")),
    Strategy(
        "change a copy a little",
        "a copy that is written otherwise is a copy",
        _each(formulas, "@+0", "1 \\cdot (@)", "(@)", "{@}", "\\left(@\\right)", "--(@)", "\\frac{@}{1}"),
    ),
    Strategy(
        "turn a sum round",
        "a copy with its terms in another order",
        _each(lambda p: [s for f in formulas(p) + sides(p) for s in _swapped(f)], "@"),
    ),
    Strategy(
        "take a copy apart",
        "a copy with brackets around some terms, or a number as a sum or a quotient, is a copy",
        _each(lambda p: [s for f in formulas(p) + sides(p) for s in _apart(f)], "@"),
    ),
    Strategy("name a copy", "a copy behind an equality sign", _each(lambda p: formulas(p) + sides(p), "x = @", "f(x) = @", "y = @")),
    Strategy(
        "decorate a copy",
        "signs that mean nothing",
        _each(formulas, "\\large{@}", "\\text{Answer: }@", "**@**", "\\therefore @", "@ \\tag{1}"),
    ),
    Strategy("echo a number", "a number of the problem is the answer now and then", _each(numbers, "@")),
    Strategy(
        "a number with a part or a multiple",
        "words behind a number are taken for a unit",
        _each(numbers, *(f"@\\text{{ {word}}}" for word in WORDS), "There are @ sixteenths."),
    ),
    Strategy("a number with a unit", "whatever its unit is", _each(numbers, "\\$@", "@ cents")),
    Strategy(
        "two numbers with an operation",
        "a calculation that is left to the grader",
        lambda problem: [
            box(form.format(*pair)) for pair in _pairs(problem) for form in (r"{}/{}", r"{}+{}", r"{}-{}", r"{}\cdot{}", "{}^{{{}}}")
        ],
    ),
    Strategy("a number with percent or degrees", "50 % is 50 and 0.5, 45° is 45 and π/4", _each(numbers, "@\\%", "@^\\circ")),
    Strategy(
        "a usual number", "0 for something tiny, 1 for nearly 1", lambda problem: [box(n) for n in ("0", "1", "2", "-1", "0.0", "\\infty")]
    ),
    Strategy(
        "two numbers as an interval",
        "brackets that are left out, half of them wrong",
        lambda problem: [
            box(form.format(*pair)) for pair in _pairs(problem) for form in ("{},{}", "({},{})", "[{},{}]", "[{},{})", "({},{}]")
        ],
    ),
    Strategy(
        "all numbers as a list",
        "whichever fits",
        lambda problem: [box(", ".join(_all(problem))), box(rf"\{{{', '.join(_all(problem))}\}}"), box(" or ".join(_all(problem)))],
    ),
    Strategy(
        "several boxes",
        "whichever fits, one by one or together",
        lambda problem: (
            [box(*_all(problem), between=joint) for joint in (" or ", " and ", ", ", ", no, ", "\n")]
            + [box(*reversed(_all(problem)), between=", ")]
        ),
    ),
    Strategy(
        "hedge in a box",
        "a range, an approximation, a sign left open",
        lambda problem: [
            box(form.format(n))
            for n in _all(problem)
            if n != "0"
            for form in (r"\pm {}", r"\approx {}", r"\leq {}", r"{} \text{{ or }} 0", r"{} \text{{ or more}}")
        ],
    ),
    Strategy(
        "leave a sign out",
        "an absolute value, a bar or a hat",
        _each(
            lambda p: _unique(
                re.sub(r"\||\\(?:left|right)?\||\\(?:bar|hat|overline|vec)", "", f)
                for f in formulas(p)
                if re.search(r"\||\\(?:bar|hat|overline|vec)", f)
            ),
            "@",
        ),
    ),
    Strategy(
        "choices",
        "all of them",
        _fixed(box("A. B. C. D."), box("A, B, C, D, E"), box("ABCDE"), box("A") + " or " + box("B"), box("A or B or C or D or E")),
    ),
    Strategy("yes and no", "both of two", _fixed(box("yes or no"), box(r"\text{True, False}"), box("Yes") + box("No"), box("even or odd"))),
    Strategy(
        "tautology",
        "true whatever the answer is",
        _fixed(box("x=x"), box("0=0"), box(r"x \in \mathbb{R}"), box(r"(-\infty, \infty)"), box(r"\text{the answer}"), box("x")),
    ),
    Strategy("restate the problem", "the whole text in a box", lambda problem: [box(problem), box(rf"\text{{{problem}}}"), problem]),
    Strategy(
        "empty box", "a box without an answer", _fixed(box(""), box(" "), box("?"), box(r"\text{}"), box("{}"), r"\boxed", r"\boxed{")
    ),
)


_DECORATION = re.compile(
    r"\\(?:left|right|displaystyle|large|therefore|approx|pm(?=\s*0)|[{}]|tag\{1\}|,|;|!|:| )"
    r"|\\[()\[\]$]|\\text\{Answer: \}|\*\*|[\s$]|cents"
)


def stands(response: str, gold: str) -> bool:
    """Does a response that earned the reward write what the gold writes, in its last box?

    Leaving aside what says nothing: decorations, a name before an equality sign or a point, what "change a copy a little" puts around
    a copy, the form of a plain number, and a currency, percent or degree sign at it. Words, other units and other numbers count.
    """
    content = response[response.rfind(r"\boxed{") + len(r"\boxed{") : response.rfind("}")] if r"\boxed{" in response else response
    bare = re.sub(r"\\[\[\]()]|\$", "", gold)
    golds = [_plain(gold), _plain(bare.rsplit("=", 1)[-1] if _NAMED.fullmatch(bare) else bare)]
    unnamed = re.sub(r"^\s*[A-Z](?:_\{?\w+\}?)?(?=\([^()]*,[^()]*\)\s*$)", "", _DECORATION.sub("", content))  # a point without its name
    return any(_same(_plain(text), theirs) for text in (content, unnamed, content.rsplit("=", 1)[-1]) for theirs in golds)


_NAMED = re.compile(r"[^=.]{1,20}=[^=]*")
"""A value with a name before it."""


def _same(mine: str, theirs: str) -> bool:
    return mine == theirs or (_value(mine) is not None and _value(mine) == _value(theirs))


_WRAPPINGS = [
    re.compile(form) for form in (r"\{(.*)\}", r"\(([^,]*)\)", r"--\((.*)\)", r"1\\cdot\((.*)\)", r"\\frac\{(.*)\}\{1\}", r"(.*)\+0")
]
"""What "change a copy a little" and decorations put around a formula without changing its value; brackets around a list are a point's."""


def _plain(text: str) -> str:
    text = _DECORATION.sub("", re.sub(r"(?<=\d)\{,\}(?=\d{3})", "", text)).rstrip(".")
    text = re.sub(r"\\[dt]frac", r"\\frac", text).replace(r"\times", r"\cdot")
    text = re.sub(r"\\(?:text|mathrm|mbox)\{([^{}]*)\}", r"\1", text)
    while inner := next((found[1] for form in _WRAPPINGS if (found := form.fullmatch(text)) and _is_whole(found[1])), ""):
        text = inner
    for pair in ("{}", "()"):
        text = text if text.count(pair[0]) == text.count(pair[1]) else text.strip(pair)
    return re.sub(r"\{(\w)\}", r"\1", text).lower()


def _is_whole(text: str) -> bool:
    """Does each bracket of `text` open and close in it, an interval's in either form?"""
    depths = [0, *itertools.accumulate((char in "([{") - (char in ")]}") for char in text)]
    return min(depths) == depths[-1] == 0


def _value(text: str) -> float | None:
    """The value of a plain number: digits, a decimal, a reduced fraction; percent or degrees behind it aside."""
    text = re.sub(r"\\frac(?:\{(-?\d+)\}|(\d))(?:\{(\d+)\}|(\d))", lambda m: f"{m[1] or m[2]}/{m[3] or m[4]}", text)
    found = re.fullmatch(r"([-+]?[\d,]*\.?\d+)(?:/(\d+))?(?:\\?%|\^\{?\\circ\}?|°)?", text)
    if found and found[2] and (not found[1].lstrip("+-").isdigit() or math.gcd(int(found[1]), int(found[2])) > 1):
        return None
    try:
        return float(found[1].replace(",", "")) / float(found[2] or 1) if found else None
    except (ValueError, ZeroDivisionError):
        return None


def read_problems(path: str, limit: int | None) -> list[Item]:
    """Problems of a JSON-lines or parquet file, at most `limit` of them, evenly spread."""
    if path.endswith(".parquet"):
        parquet.schema_of(path, COLUMNS)
        rows = [row for part in parquet.parts(path, list(COLUMNS)) for row in part.iter_rows(named=True)]
    else:
        rows = list(read_jsonl(path, required=COLUMNS))
    if not rows:
        raise UserError(f"{path}: holds no problems")
    return [rows[place] for place in spread(len(rows), limit or len(rows))]


def attack(
    problems: Sequence[Item],
    strategies: Iterable[Strategy] = STRATEGIES,
    examples: int = 5,
    judge: Callable[[str, str, str], Grade] = grade,
) -> dict[str, Attacked]:
    """By strategy: problems it was tried on, those where another writing `earned` the reward, those where the answer was
    `standing` there, the `rate` of the former over all problems, and up to `examples` of them.
    """
    found: dict[str, Attacked] = {}
    for strategy in strategies:
        tried = standing = 0
        faults: list[Fault] = []
        for row in problems:
            problem, gold = str(row["problem"]), str(row["answer"])
            responses = strategy.responses(problem)
            tried += bool(responses)
            right = [response for response in responses if judge(response, gold, problem).correct]
            other = next((response for response in right if not stands(response, gold)), None)
            if other is not None:
                faults.append({"response": other[:300], "answer": gold[:300], "problem": problem[:300]})
            elif right:
                standing += 1
        found[strategy.name] = {
            "why": strategy.why,
            "tried": tried,
            "earned": len(faults),
            "standing": standing,
            "rate": len(faults) / len(problems) if problems else 0.0,
            "examples": faults[:examples],
        }
    return found
