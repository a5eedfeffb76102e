"""From graded samples to the numbers of one benchmark: accuracy in its usual forms, each with a 95 % interval, and breakdowns.

Every metric is a mean over problems, so that a problem counts once however many samples it has.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mathrl.evaluation.records import BreakdownCell, Lengths, LengthSplit, Summary
from mathrl.statistics.intervals import mean_interval, ratio_interval, unbounded_mean_interval
from mathrl.statistics.records import Cell, Columns, Mean
from mathrl.verifiers.equalities import EqualityCheck

PASS_AT = (1, 2, 4, 8, 16)
TOKEN_CAPS = (256, 512, 1024, 2048, 4096)
STATUS_LETTERS = {
    "equal": "1",
    "different": "0",
    "copied": "c",
    "no_box": "b",
    "unparsed_answer": "u",
    "unparsed_gold": "g",
    "timeout": "t",
    "error": "e",
}
LENGTH_BINS = 24
LEAST_COVERAGE = 0.2
"""Share of responses that write an equality; below it, what equalities say is not given (value None): it speaks of too few."""


@dataclass(frozen=True)
class GradedSample:
    """One response with its verdicts. `sample` −1 is the greedy one."""

    sample: int
    tokens: int
    truncated: bool
    boxed: bool
    correct: bool
    correct_strict: bool
    correct_lenient: bool
    status: str
    extracted: str | None
    equalities: EqualityCheck = field(default_factory=EqualityCheck)


@dataclass
class GradedProblem:
    """One problem of a benchmark with its graded samples."""

    id: str
    problem: str
    answer: str
    domain: tuple[str, ...] = ()
    difficulty: int | None = None
    contaminated: tuple[str, ...] = ()  # methods by which a training row matched it
    samples: list[GradedSample] = field(default_factory=list)
    greedy: GradedSample | None = None


def pass_at_k(correct: int, n: int, k: int) -> float:
    """Unbiased pass@k: the share of the k-subsets of n samples that hold a right one (Chen et al. 2021, arXiv 2107.03374).

    ValueError unless 0 ≤ correct ≤ n and 1 ≤ k ≤ n: with fewer than k samples there is no unbiased estimate.
    """
    if not 0 <= correct <= n:
        raise ValueError(f"{correct} right answers among {n} samples")
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {max(k, 1)} samples, there are {n}")
    return 1.0 - math.comb(n - correct, k) / math.comb(n, k)


def majority_value(
    extracted: Sequence[str | None],
    correct: Sequence[bool],
    group_answers: Callable[[list[str | None]], list[int]],
) -> float:
    """maj@n of one problem: is the answer that most samples give right? Answers are grouped by equivalence.

    Samples without an answer do not vote. Ties: each of the largest groups gets an equal share of the one point, so that the
    value is what breaking ties by lot gives on average and does not depend on the order of the samples. A group is right if
    its first member is.
    """
    voters = [place for place, answer in enumerate(extracted) if answer is not None]
    if not voters:
        return 0.0
    groups = group_answers([extracted[place] for place in voters])
    members: dict[int, list[int]] = {}
    for place, group in zip(voters, groups, strict=True):
        members.setdefault(group, []).append(place)
    most = max(len(places) for places in members.values())
    largest = [places for places in members.values() if len(places) == most]
    return sum(correct[places[0]] for places in largest) / len(largest)


def metric(values: Sequence[float], samples: float = 1.0) -> Mean:
    """{value, low, high, n} of the mean of one value per problem in [0, 1]; n is the number of problems."""
    low, high = mean_interval(values, samples)
    return {"value": float(np.mean(values)), "low": low, "high": high, "n": len(values)}


def answer_type(answer: str) -> str:
    """Coarse kind of a gold answer: integer, decimal, fraction, list or interval, expression, text."""
    text = re.sub(r"\\(?:left|right|,|!|;|\$)|[$\s]|\\text\{[^{}]*\}$", "", answer)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    if re.fullmatch(r"[-+]?\d+(?:\^\{?\\circ\}?|\\?%)?", text):
        return "integer"
    if re.fullmatch(r"[-+]?\d*\.\d+(?:\\?%)?|[-+]?\d*\.?\d+(?:e|\\times10\^)\{?[-+]?\d+\}?", text):
        return "decimal"
    if re.fullmatch(r"[-+]?\d+/\d+|[-+]?\d*\\[dt]?frac\{?\d+\}?\{?\d+\}?", text):
        return "fraction"
    if (re.fullmatch(r"[(\[{\\].*[)\]}]", text) and "," in text) or re.search(r"matrix|\\cup|\\in(?![a-z])", text):
        return "list or interval"
    if re.fullmatch(r"(?:\\text\{)?[A-Za-z][A-Za-z .'-]{2,}\}?|\\text\{.*\}|\([A-Z]\)", answer.strip("$ ")):
        return "text"
    if re.search(r",(?!\d{3})", text):
        return "list or interval"
    return "expression"


def length_band(problem: str) -> str:
    """Band of a problem's length in words."""
    words = len(problem.split())
    for most in (25, 50, 100):
        if words <= most:
            return f"≤ {most} words"
    return "> 100 words"


def summarize(problems: Sequence[GradedProblem], group_answers: Callable[[list[str | None]], list[int]]) -> Summary:
    """Metrics, counts, breakdowns and per-problem values of one benchmark's graded problems (see the eval schema).

    Problems may differ in their number of samples; pass@k is given for every k that each of them allows.
    """
    metrics: dict[str, Cell] = {}
    table = _per_problem(problems, group_answers)
    sampled = [p for p in problems if p.samples]
    greedy = [p for p in problems if p.greedy]
    samples = [s for p in problems for s in p.samples] or [p.greedy for p in problems if p.greedy]
    if sampled:
        _sampled_metrics(metrics, sampled, table)
    if greedy:
        for name, attribute in _VERDICTS.items():
            metrics[f"greedy{name}"] = metric([float(getattr(p.greedy, attribute)) for p in greedy])
    counts = {
        "samples": len(samples),
        "truncated": sum(s.truncated for s in samples),
        "no_box": sum(not s.boxed for s in samples),
        "unparsed": sum(s.status.startswith("unparsed") for s in samples),
        "timeout": sum(s.status == "timeout" for s in samples),
        "error": sum(s.status == "error" for s in samples),
        "equalities": sum(s.equalities.checked for s in samples),
        "false_equalities": sum(s.equalities.checked - s.equalities.true for s in samples),
    }
    return {
        "metrics": metrics,
        "per_problem": table,
        "statuses": dict.fromkeys(STATUS_LETTERS, 0) | dict(Counter(s.status for s in samples)),
        "counts": counts,
        "length": _lengths(samples),
        "token_caps": _token_caps(sampled or greedy),
        "breakdowns": _breakdowns(sampled or greedy),
    }


_VERDICTS = {"": "correct", "_strict": "correct_strict", "_lenient": "correct_lenient"}


def _sampled_metrics(metrics: dict[str, Cell], problems: Sequence[GradedProblem], table: Columns) -> None:
    sizes = [len(p.samples) for p in problems]
    n = min(sizes)
    mean_size = float(np.mean(sizes))

    def per_problem(attribute: str) -> list[float]:
        return [float(np.mean([getattr(s, attribute) for s in p.samples])) for p in problems]

    for name, attribute in _VERDICTS.items():
        metrics[f"pass@1{name}"] = metric(per_problem(attribute), mean_size)
    metrics[f"avg@{n}"] = metrics["pass@1"]
    for k in PASS_AT[1:]:
        if k <= n:
            values = [pass_at_k(sum(s.correct for s in p.samples), len(p.samples), k) for p in problems]
            metrics[f"pass@{k}"] = metric(values, mean_size / k)
    majority = [value for value in table["majority"] if value is not None]
    metrics[f"maj@{n}"] = metric(majority)
    metrics["boxed_rate"] = metric(per_problem("boxed"), mean_size)
    metrics["truncated_rate"] = metric(per_problem("truncated"), mean_size)
    tokens = per_problem("tokens")
    interval = unbounded_mean_interval(tokens)
    metrics["mean_tokens"] = {
        "value": float(np.mean(tokens)),
        "low": interval[0] if interval else None,
        "high": interval[1] if interval else None,
        "n": len(tokens),
    }
    boxed = np.array([sum(s.boxed for s in p.samples) for p in problems], dtype=float)
    right = np.array([sum(s.boxed and s.correct for s in p.samples) for p in problems], dtype=float)
    _ratio(metrics, "accuracy_if_boxed", right, boxed)
    metrics |= _equality_metrics(problems, mean_size)


def _equality_metrics(problems: Sequence[GradedProblem], mean_size: float) -> dict[str, Cell]:
    """Coverage, and what equalities say: of all, of reasoning steps with any, and of right answers with a false one.

    The value is None where the coverage is below `LEAST_COVERAGE`, so that a reader sees that there is none.
    """

    def sums(count: Callable[[GradedSample], int]) -> np.ndarray:
        return np.array([sum(count(s) for s in p.samples) for p in problems], dtype=float)

    with_any = [float(np.mean([s.equalities.checked > 0 for s in p.samples])) for p in problems]
    coverage = metric(with_any, mean_size)
    found: dict[str, Cell] = {"equality_coverage": coverage}
    shares = {
        "equality_accuracy": (sums(lambda s: s.equalities.true), sums(lambda s: s.equalities.checked)),
        "step_equality_accuracy": (
            sums(lambda s: sum(0 < step.checked == step.true for step in s.equalities.steps)),
            sums(lambda s: sum(step.checked > 0 for step in s.equalities.steps)),
        ),
        "right_with_false_equality": (
            sums(lambda s: s.correct and s.equalities.true < s.equalities.checked),
            sums(lambda s: s.correct),
        ),
    }
    for name, (part, whole) in shares.items():
        if coverage["value"] >= LEAST_COVERAGE:
            _ratio(found, name, part, whole)
        found.setdefault(name, {"value": None, "low": None, "high": None, "n": int((whole > 0).sum())})
    return found


def _ratio(metrics: dict[str, Cell], name: str, part: np.ndarray, whole: np.ndarray) -> None:
    """Ratio of sums; n is the number of problems that have anything to count. Left out where nothing can be counted."""
    if whole.sum() > 0:
        low, high = ratio_interval(part, whole)
        value = float(part.sum() / whole.sum())
        metrics[name] = {"value": value, "low": low, "high": high, "n": int((whole > 0).sum())}


def _per_problem(problems: Sequence[GradedProblem], group_answers: Callable[[list[str | None]], list[int]]) -> Columns:
    """Columns with one entry a problem, in the benchmark's order; `verdicts` has one letter a sample (STATUS_LETTERS)."""
    columns: Columns = {
        "id": [],
        "n": [],
        "correct": [],
        "strict": [],
        "lenient": [],
        "boxed": [],
        "majority": [],
        "greedy": [],
        "verdicts": [],
        "contaminated": [],
    }
    for problem in problems:
        samples = problem.samples
        columns["id"].append(problem.id)
        columns["n"].append(len(samples))
        columns["correct"].append(sum(s.correct for s in samples))
        columns["strict"].append(sum(s.correct_strict for s in samples))
        columns["lenient"].append(sum(s.correct_lenient for s in samples))
        columns["boxed"].append(sum(s.boxed for s in samples))
        majority = majority_value([s.extracted for s in samples], [s.correct for s in samples], group_answers) if samples else None
        columns["majority"].append(majority)
        columns["greedy"].append(int(problem.greedy.correct) if problem.greedy else None)
        columns["verdicts"].append("".join(STATUS_LETTERS[s.status] for s in samples))
        columns["contaminated"].append(" ".join(sorted(problem.contaminated)))
    return columns


def _lengths(samples: Sequence[GradedSample]) -> Lengths:
    """Response length in tokens of right and wrong samples: mean, number and a histogram over common bins."""
    longest = max((s.tokens for s in samples), default=0)
    width = max(1, math.ceil((longest + 1) / LENGTH_BINS))
    edges = [width * place for place in range(LENGTH_BINS + 1)]

    def split(tokens: list[int]) -> LengthSplit:
        mean = float(np.mean(tokens)) if tokens else None
        return {"n": len(tokens), "mean": mean, "histogram": np.histogram(tokens, bins=edges)[0].tolist()}

    right, wrong = ([s.tokens for s in samples if s.correct == wanted] for wanted in (True, False))
    return {"edges": edges, "right": split(right), "wrong": split(wrong)}


def _token_caps(problems: Sequence[GradedProblem]) -> dict[str, Cell]:
    """pass@1 (or greedy) by token cap, had responses been cut there: a longer one counts as wrong. Caps that cut nothing are left out."""
    samples = [p.samples or [*filter(None, [p.greedy])] for p in problems]
    longest = max((s.tokens for some in samples for s in some), default=0)
    size = float(np.mean([len(some) for some in samples])) if samples else 1.0
    return {
        str(cap): metric([float(np.mean([s.correct and s.tokens <= cap for s in some])) for some in samples], size)
        for cap in TOKEN_CAPS
        if cap < longest
    }


def problem_value(problem: GradedProblem) -> float:
    """Share of right samples of a problem, or its greedy verdict where nothing was sampled."""
    if problem.samples:
        return float(np.mean([s.correct for s in problem.samples]))
    if problem.greedy is None:
        raise ValueError(f"{problem.id}: has no response")
    return float(problem.greedy.correct)


def subset_metric(problems: Sequence[GradedProblem]) -> Cell:
    """pass@1 of some problems, with n; value None for no problems."""
    if not problems:
        return {"value": None, "low": None, "high": None, "n": 0}
    size = float(np.mean([max(len(p.samples), 1) for p in problems]))
    return metric([problem_value(p) for p in problems], size)


def _breakdowns(problems: Sequence[GradedProblem]) -> dict[str, list[BreakdownCell]]:
    """pass@1 by domain (a problem with several counts in each), difficulty, answer type and problem length."""

    def cells(keys: Callable[[GradedProblem], Iterable[Any]], order: Callable[[Any], Any] = str) -> list[BreakdownCell]:
        members: dict[Any, list[GradedProblem]] = {}
        for problem in problems:
            for key in keys(problem):
                members.setdefault(key, []).append(problem)
        return [{"cell": str(key), **subset_metric(members[key])} for key in sorted(members, key=order)]

    bands = ["≤ 25 words", "≤ 50 words", "≤ 100 words", "> 100 words"]
    return {
        "domain": cells(lambda p: p.domain),
        "difficulty": cells(lambda p: () if p.difficulty is None else (p.difficulty,), order=lambda key: key),
        "answer_type": cells(lambda p: (answer_type(p.answer),)),
        "problem_length": cells(lambda p: (length_band(p.problem),), order=bands.index),
    }
