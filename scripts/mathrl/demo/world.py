"""The demo's world: small arithmetic and word problems in Big-Math's columns, three benchmarks, planted leaks, and a text corpus
for a base model.

Every problem is two steps of arithmetic on small numbers, `(a op b) op c`, so that a model of a million parameters can learn
it in a minute. What makes it a model of the real thing: a base model that has seen both short guesses and worked steps,
boxed and unboxed, mostly guesses, mostly unboxed; reinforcement learning has to find out which of them pay.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from mathrl.core.files import UserError
from mathrl.demo.habits import HABITS
from mathrl.demo.records import Leak, World

BENCHMARKS = ("demo_symbols", "demo_words", "demo_mixed")
LEAK_KINDS = ("exact", "reformatted", "reworded")

SIGNS = {"+": "+", "-": "-", "*": r"\times"}
SYMBOL_FORMS = ("What is ${}$?", "Compute ${}$.", "Evaluate ${}$.", "Find the value of ${}$.")
NAMES = ("Tom", "Mia", "Sam", "Ana", "Leo", "Eva", "Max", "Zoe")
THINGS = ("apples", "books", "coins", "cards", "pens", "stamps", "shells", "marbles")
# (first operation, second operation, domain, text); a, b and c are the operands, in this order in each text.
WORD_FORMS = (
    (
        "+",
        "+",
        "Word Problems -> Collecting",
        "{name} has {a} {thing}, finds {b} more and then gets {c} from a friend. How many {thing} does {name} have?",
    ),
    (
        "+",
        "-",
        "Word Problems -> Collecting",
        "{name} has {a} {thing}. After buying {b} more, {name} gives away {c}. How many {thing} are left?",
    ),
    (
        "*",
        "+",
        "Word Problems -> Shopping",
        "{name} buys {a} boxes with {b} {thing} in each box and {c} single {thing}. How many {thing} is that in total?",
    ),
    (
        "*",
        "-",
        "Word Problems -> Shopping",
        "There are {a} bags with {b} {thing} in each bag. {name} takes {c} {thing} out. How many {thing} remain in the bags?",
    ),
    (
        "-",
        "+",
        "Word Problems -> Sharing",
        "{name} had {a} {thing}, lost {b} of them and then found {c} others. How many {thing} does {name} have now?",
    ),
)
REWORDINGS = (
    (" more ", " extra "), (" friend", " neighbour"), (" is that in total?", " is that altogether?"), (" are left?", " are left over?"),
    (" takes ", " then takes "), (" found ", " later found "),
)  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A two-step problem: its text, its answer and the two equations that solve it."""

    text: str
    answer: int
    equations: tuple[str, str]
    source: str
    domain: str
    key: tuple = field(compare=False)  # equal for problems that differ in wording or order only
    twin: tuple = field(compare=False)  # equal for problems that differ in names and things, too
    hardness: float = field(compare=False, default=0.5)  # 0 easy … 1 hard, from the size of the numbers


def apply(op: str, left: int, right: int) -> int:
    """The value of `left op right`."""
    return left + right if op == "+" else left - right if op == "-" else left * right


def _operands(rng: random.Random, first: str, second: str) -> tuple[int, int, int]:
    while True:
        a, b, c = rng.randint(2, 9), rng.randint(2, 5 if first == "*" else 9), rng.randint(2, 9)
        if first == "-":
            a += 9
        middle = apply(first, a, b)
        if middle >= 0 and apply(second, middle, c) >= 0:
            return a, b, c


def draw(rng: random.Random, kind: str) -> Problem:
    """One random problem; `kind` is `symbols` or `words`."""
    if kind == "symbols":
        first, second, domain, _ = rng.choice(WORD_FORMS)
        domain = f"Arithmetic -> {'Multiplication' if first == '*' else 'Subtraction' if '-' in (first, second) else 'Addition'}"
    else:
        first, second, domain, form = rng.choice(WORD_FORMS)
    a, b, c = _operands(rng, first, second)
    if kind == "symbols":
        text = rng.choice(SYMBOL_FORMS).format(f"{a} {SIGNS[first]} {b} {SIGNS[second]} {c}")
        key: tuple[object, ...] = (first, second, tuple(sorted((a, b))) if first in "+*" else (a, b), c)
        twin = key
    else:
        name, thing = rng.choice(NAMES), rng.choice(THINGS)
        text = form.format(name=name, thing=thing, a=a, b=b, c=c)
        twin = ("words", first, second, tuple(sorted((a, b))) if first in "+*" else (a, b), c)
        key = (*twin, name, thing)
    middle = apply(first, a, b)
    answer = apply(second, middle, c)
    equations = (f"{a} {first} {b} = {middle}", f"{middle} {second} {c} = {answer}")
    hardness = min(1.0, (middle + answer) / 90 + (0.2 if kind == "words" else 0.0))
    return Problem(text, answer, equations, f"demo_{kind}", f"Mathematics -> {domain}", key, twin, hardness)


def draw_distinct(rng: random.Random, kinds: tuple[str, ...], count: int, taken: set) -> list[Problem]:
    """`count` problems of which neither key nor twin is in `taken`; their keys are added to it."""
    found: list[Problem] = []
    for _ in range(100 * count):
        if len(found) == count:
            break
        problem = draw(rng, kinds[len(found) % len(kinds)])
        if problem.key not in taken and problem.twin not in taken:
            taken.add(problem.key)
            found.append(problem)
    if len(found) < count:
        raise UserError(f"--problems {count}: there are not that many different demo problems; ask for at most 4000")
    return found


def reformat(text: str) -> str:
    """The same problem as another site would typeset it: other maths delimiters, spacing and case, no words changed."""
    text = text.replace("$", "").replace(r"\times", r"\,\times\,").replace(" + ", "  +  ")
    return text.upper().replace(r"\TIMES", r"\times").rstrip("?.") + " ?"


def reword(text: str) -> str:
    """The same problem with one or two words changed, numbers and order kept."""
    for old, new in REWORDINGS:
        text = text.replace(old, new)
    return text


def make_world(seed: int, problems: int, items: int, leaks: int) -> World:
    """Training rows, benchmark items and planted leaks.

    Args:
        seed: of every choice made here.
        problems: training rows before leaks are planted.
        items: per benchmark.
        leaks: planted rows per kind (`LEAK_KINDS`), all of benchmark items.

    Returns:
        `problems`: rows in Big-Math's columns (`prompt, solution, source, domain, llama8b_solve_rate`), leaks mixed in;
        `benchmarks`: name → items `{id, problem, answer, domain}`;
        `leaks`: `{prompt, benchmark, item_id, kind}` of each planted row;
        `keys`: keys of the benchmark items, which no text for the base model may use.
    """
    rng = random.Random(seed)
    taken: set = set()
    kinds = {"demo_symbols": ("symbols",), "demo_words": ("words",), "demo_mixed": ("symbols", "words")}
    held = {name: draw_distinct(rng, kinds[name], items, taken) for name in BENCHMARKS}
    # A benchmark item under another name is the same problem; training problems may be twins of each other only.
    taken.update(problem.twin for name in BENCHMARKS for problem in held[name])
    keys = set(taken)
    # There are only some 1,500 symbolic problems, so they are a fifth of the rows and word problems the rest.
    rows = [(problem, problem.text) for problem in draw_distinct(rng, ("symbols", *["words"] * 4), problems, taken)]
    planted: list[Leak] = []
    changes: dict[str, Callable[[str], str]] = {"exact": str, "reformatted": reformat, "reworded": reword}
    for kind in LEAK_KINDS:
        pool = [(name, i) for name in BENCHMARKS for i, p in enumerate(held[name]) if kind != "reworded" or reword(p.text) != p.text]
        for name, index in rng.sample(pool, leaks):
            problem = held[name][index]
            text = changes[kind](problem.text)
            planted.append({"prompt": text, "benchmark": name, "item_id": f"{name}-{index}", "kind": kind})
            rows.append((problem, text))
    rng.shuffle(rows)
    return {
        "problems": [
            {
                "prompt": text,
                "solution": str(problem.answer),
                "source": problem.source,
                "domain": [problem.domain],
                "llama8b_solve_rate": round(min(1.0, max(0.0, 1.0 - problem.hardness + rng.uniform(-0.2, 0.2))), 4),
            }
            for problem, text in rows
        ],
        "benchmarks": {
            name: [{"id": f"{name}-{i}", "problem": p.text, "answer": str(p.answer), "domain": p.domain} for i, p in enumerate(held[name])]
            for name in BENCHMARKS
        },
        "leaks": planted,
        "keys": keys,
    }


def write_response(rng: random.Random, problem: Problem, worked: float, boxed: float, habits: float = 0.0) -> str:
    """A response as the base model has seen them: worked steps or a bare guess, boxed or not, with one of the planted habits or none.

    `worked`, `boxed` and `habits` are the probabilities of each.
    """
    answer = rf"\boxed{{{problem.answer}}}" if rng.random() < boxed else str(problem.answer)
    said = [f"{equation}." for equation in problem.equations] if rng.random() < worked else []
    said.append(f"The answer is {answer}.")
    if habits and rng.random() < habits:
        said = rng.choice(list(HABITS.values())).write(said)
    return " ".join(said)
