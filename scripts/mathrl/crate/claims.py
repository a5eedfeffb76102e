"""Grades that cannot be made again, because problems did not travel or a judge would be asked: what follows from the sender's verdicts.

The verdicts are taken as they are told; everything of the eval JSON that follows from them, the samples and the items is computed.
A number that verdicts do not give (the strict and lenient counts, the majority) is kept within what they allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from mathrl.core.files import UserError
from mathrl.crate.withheld import CUT
from mathrl.data.records import Item, Sample
from mathrl.evaluation.grading import clean_subset
from mathrl.evaluation.metrics import STATUS_LETTERS, GradedProblem, GradedSample, metric, summarize
from mathrl.evaluation.records import Evaluation
from mathrl.grading import extract_boxed
from mathrl.judges.protocols import MARK
from mathrl.statistics.records import Columns

_STATUSES = {letter: status for status, letter in STATUS_LETTERS.items()}
_DIGITS = re.compile(r"\s*-?\d{1,30}\s*")
_FOLLOWS = re.compile(r"(pass|avg|maj)@\d+(_strict|_lenient)?|greedy(_strict|_lenient)?|boxed_rate|truncated_rate|mean_tokens")
_COUNTS = ("samples", "truncated", "unparsed", "timeout", "error")
_BREAKDOWNS = ("domain", "difficulty")


def recompute(
    told: Evaluation,
    samples: Sequence[Sample],
    items: Mapping[str, Item],
    contaminated: Mapping[str, frozenset[str]],
    removing: frozenset[str],
) -> Evaluation:
    """The eval JSON `told` with all that its verdicts decide computed anew.

    Raises:
        UserError: the verdicts are not those of the samples.
    """
    problems = _problems(told, samples, items, contaminated)
    columns, metrics = told["per_problem"], told["metrics"]
    made = summarize(problems, lambda answers: [0] * len(answers))
    made["per_problem"]["majority"] = majority = [
        _majority(problem, value) for problem, value in zip(problems, columns["majority"], strict=True)
    ]
    # Without samples there are only the greedy verdicts, which say right or wrong and no more.
    voted = [value for value in majority if value is not None]
    found = {name: value for name, value in made["metrics"].items() if _FOLLOWS.fullmatch(name)}
    found |= {name: metric(voted) for name in found if name.startswith("maj@")}
    kept = {name: value for name, value in metrics.items() if name in made["metrics"] or not _FOLLOWS.fullmatch(name)}
    result = {key: value for key, value in told.items() if key != "provenance"}
    return cast(
        Evaluation,
        result
        | {
            "metrics": kept | found,
            "per_problem": made["per_problem"],
            "statuses": made["statuses"] if voted else told["statuses"],
            "length": made["length"],
            "token_caps": made["token_caps"],
            "counts": told["counts"] | {name: made["counts"][name] for name in (_COUNTS if voted else _COUNTS[:2])},
            "breakdowns": told["breakdowns"] | {name: made["breakdowns"][name] for name in _BREAKDOWNS},
            "clean_subset": clean_subset(problems, removing),
            "n_problems": len(problems),
            "n_benchmark": len(items),
            "n_samples": min(len(problem.samples) for problem in problems),
        },
    )


def _problems(
    told: Evaluation,
    samples: Sequence[Sample],
    items: Mapping[str, Item],
    contaminated: Mapping[str, frozenset[str]],
) -> list[GradedProblem]:
    """The items with their samples, each with the verdict that the crate tells."""
    columns = told["per_problem"]
    by_item: dict[str, list[Sample]] = {key: [] for key in items}
    for row in samples:
        by_item[row["id"]].append(row)
    if [str(key) for key in columns["id"]] != list(items):
        raise UserError("the crate's grades are not those of its benchmark; ask for the crate again")
    greedy = {name: _greedy_right(told, name) for name in ("greedy_strict", "greedy_lenient")}
    right = sum(value == 1 for value in columns["greedy"])
    extra = max(greedy["greedy_lenient"] - right, 0)
    problems = []
    for place, (key, item) in enumerate(items.items()):
        rows = [row for row in by_item[key] if row["sample"] >= 0]
        first = [row for row in by_item[key] if row["sample"] < 0]
        letters, verdict = columns["verdicts"][place], columns["greedy"][place]
        if len(letters) != len(rows) or not set(letters) <= set(_STATUSES) or (verdict in (0, 1)) != bool(first):
            raise UserError(f"the crate's grades of {key} are not those of its samples; ask for the crate again")
        domain, difficulty = item.get("domain") or (), item.get("difficulty")
        problem = GradedProblem(
            id=key,
            problem="",
            answer=str(item["answer"]),
            domain=(domain,) if isinstance(domain, str) else tuple(str(part) for part in domain),
            difficulty=int(difficulty) if isinstance(difficulty, int | float) else None,
            contaminated=tuple(sorted(contaminated.get(key, ()))),
        )
        graded = [_sample(row, _STATUSES[letter]) for row, letter in zip(rows, letters, strict=True)]
        by_ours = told["grader"] == "ours" or problem.answer.startswith(MARK)
        problem.samples = _counted(graded, columns, place, by_ours and told["extraction"] == "strict", any(CUT in row for row in rows))
        if first:
            strict, lenient = verdict == 1 and greedy["greedy_strict"] > 0, verdict == 1
            if not lenient and extra > 0:
                lenient, extra = True, extra - 1
            greedy["greedy_strict"] -= strict
            problem.greedy = replace(_sample(first[0], "equal" if verdict else "different"), correct_strict=strict, correct_lenient=lenient)
        problems.append(problem)
    return problems


def _greedy_right(told: Evaluation, name: str) -> int:
    """How many greedy responses a metric of the crate says are right."""
    found = told["metrics"].get(name)
    return round(((found and found["value"]) or 0.0) * len(told["per_problem"]["id"]))


def _sample(row: Sample, status: str) -> GradedSample:
    right = status == "equal"
    boxed = extract_boxed(row["response"]) is not None
    tokens, truncated = int(row.get("tokens") or 0), row.get("finish_reason") == "length"
    return GradedSample(row["sample"], tokens, truncated, boxed, right, right, right, status, None)


def _counted(samples: list[GradedSample], columns: Columns, place: int, strictly: bool, was_cut: bool) -> list[GradedSample]:
    """The samples of an item, as many of them right strictly, leniently and boxed as the crate says and its verdicts allow."""
    right = sum(sample.correct for sample in samples)
    without_box = sum(sample.status == "no_box" for sample in samples)
    strict = right if strictly else min(max(columns["strict"][place], 0), right)
    lenient = min(max(columns["lenient"][place], right), right + without_box) if strictly else right
    counted = []
    for sample in samples:
        is_strict, is_lenient = sample.correct and strict > 0, sample.correct
        if not sample.correct and sample.status == "no_box" and lenient > right:
            is_lenient, lenient = True, lenient - 1
        strict -= is_strict
        counted.append(replace(sample, correct_strict=is_strict, correct_lenient=is_lenient))
    if was_cut:  # the box may be what was cut out
        boxed = min(max(columns["boxed"][place], 0), len(samples))
        counted = [replace(sample, boxed=number < boxed) for number, sample in enumerate(counted)]
    return counted


def _majority(problem: GradedProblem, told: Any) -> float | None:
    """maj@n as the crate says, where the verdicts do not decide it: none or every sample is right."""
    right = sum(sample.correct for sample in problem.samples)
    if not problem.samples:
        return None
    return float(right > 0) if right in (0, len(problem.samples)) else min(max(float(told), 0.0), 1.0)


def certain(graded: Sequence[GradedProblem], samples: Sequence[Sample], grader: str) -> Iterator[tuple[str, int]]:
    """Samples of a withheld benchmark whose verdict does not depend on its problem: (item, sample).

    Nothing was cut out of them, and they have no answer, or answer and gold are plain digits, or the judge does not read problems.
    """
    was_cut = {(row["id"], row["sample"]) for row in samples if CUT in row}
    for problem in graded:
        for sample in [*filter(None, [problem.greedy]), *problem.samples]:
            plain = sample.extracted is not None and _DIGITS.fullmatch(sample.extracted) and _DIGITS.fullmatch(problem.answer)
            if (problem.id, sample.sample) not in was_cut and (grader == "contest" or sample.status == "no_box" or plain):
                yield problem.id, sample.sample
