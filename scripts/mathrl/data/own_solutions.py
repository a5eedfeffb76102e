"""Solutions of one's own for a supervised stage (rejection sampling): the base model's right responses, neither too long nor all alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mathrl.config.sources import OwnSolutions
from mathrl.core.files import UserError
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.records import Sample
from mathrl.text.normalize import tokens, words

if TYPE_CHECKING:
    import polars as pl


def choose(rows: Sequence[Sample], asked: Path, settings: OwnSolutions, workers: int) -> tuple[pl.DataFrame, dict[str, int]]:
    """Solutions as a supervised stage reads them, columns `problem` and `solution`, and how many samples each filter left out.

    A problem keeps its shortest right responses, each unlike those before it. Responses that were cut off are none.

    Args:
        rows: samples with `id`, `response`, `finish_reason` and `tokens`.
        asked: the problems, a benchmark file.
        settings: `data.own_solutions`.
        workers: processes that grade.

    Raises:
        UserError: no sample is left.
    """
    import polars as pl

    from mathrl.grading import grade_many

    problems = read_benchmark(asked)
    counts = {"samples": len(rows), "cut_off": 0, "too_long": 0, "wrong": 0, "alike": 0, "beyond_per_problem": 0, "kept": 0}
    limit = settings.max_tokens
    whole = [row for row in rows if row["finish_reason"] == "stop"]
    short = [row for row in whole if limit is None or row["tokens"] <= limit]
    counts |= {"cut_off": len(rows) - len(whole), "too_long": len(whole) - len(short)}
    grades = grade_many([(row["response"], (item := problems[row["id"]])["answer"], item["problem"]) for row in short], workers=workers)
    right: dict[str, list[Sample]] = {}
    for row, grade in zip(short, grades, strict=True):
        if grade.correct:
            right.setdefault(row["id"], []).append(row)
    counts["wrong"] = len(short) - sum(map(len, right.values()))
    kept = []
    for name in problems:
        different = list(_unlike(sorted(right.get(name, ()), key=lambda row: (row["tokens"], row["response"])), settings.max_similarity))
        counts["alike"] += len(right.get(name, ())) - len(different)
        counts["beyond_per_problem"] += len(different[settings.per_problem :])
        kept += [{"problem": problems[name]["problem"], "solution": text} for text in different[: settings.per_problem]]
    counts["kept"] = len(kept)
    if not kept:
        said = ", ".join(f"{key} {value}" for key, value in counts.items())
        raise UserError(f"data.own_solutions: no response is left ({said}); raise data.own_solve_rates.n or problems")
    return pl.DataFrame(kept), counts


def _unlike(rows: Iterable[Sample], limit: float) -> Iterable[str]:
    """Responses whose pairs of words are shared (Jaccard) with none before by more than `limit`."""
    seen: list[set[tuple[str, ...]]] = []
    for row in rows:
        said = words(tokens(row["response"]))
        pairs: set[tuple[str, ...]] = {*itertools.pairwise(said)} or {(word,) for word in said}
        if all(len(pairs & other) <= limit * len(pairs | other) for other in seen):
            seen.append(pairs)
            yield row["response"]
