"""One benchmark's samples graded and summarised: the content of `results/{model}/{protocol}/eval/{benchmark}.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mathrl.core import parquet
from mathrl.core.files import UserError
from mathrl.data.records import Item, Sample
from mathrl.evaluation import verified
from mathrl.evaluation.metrics import GradedProblem, GradedSample, subset_metric, summarize
from mathrl.evaluation.records import Evaluation, FirstWrong
from mathrl.evaluation.verified import Verdicts
from mathrl.statistics.intervals import combine
from mathrl.statistics.records import CleanSubset, measured
from mathrl.verifiers.equalities import check_equalities

if TYPE_CHECKING:
    from mathrl.grading import Grade

SCHEMA_VERSION = 1


def read_samples(rows: Iterable[Sample], known: Mapping[str, Item], path: str) -> list[Sample]:
    """Sample rows sorted by the benchmark's order and sample number; `UserError` for an unknown id or a doubled sample."""
    order = {key: place for place, key in enumerate(known)}
    seen: set[tuple[str, int]] = set()
    samples: list[Sample] = []
    for row in rows:
        key, number = str(row["id"]), row["sample"]
        if key not in order:
            raise UserError(f"{path}: the id '{key}' is not in the benchmark; were these samples made for another one?")
        if not isinstance(number, int) or not isinstance(row["response"], str):
            raise UserError(f"{path}: 'sample' of id '{key}' must be a whole number and 'response' a text")
        if (key, number) in seen:
            raise UserError(f"{path}: sample {number} of id '{key}' occurs twice")
        seen.add((key, number))
        samples.append({**row, "id": key})
    if not samples:
        raise UserError(f"{path}: holds no samples; generate them first")
    _check_all_there(samples, known, path)
    samples.sort(key=lambda row: (order[row["id"]], row["sample"]))
    return samples


def _check_all_there(samples: list[Sample], known: Mapping[str, Item], path: str) -> None:
    """Refuse a file that lacks items or samples: it would be graded as a smaller benchmark."""
    numbers: dict[str, set[int]] = {}
    for row in samples:
        numbers.setdefault(row["id"], set()).add(row["sample"])
    missing = [key for key in known if key not in numbers]
    if missing:
        raise UserError(
            f"{path}: has no sample of {len(missing)} of the benchmark's {len(known)} items, the first is '{missing[0]}'; "
            "it is cut off or of another benchmark: sample again"
        )
    every = set().union(*numbers.values())
    for key, found in numbers.items():
        if found != every:
            raise UserError(f"{path}: the id '{key}' lacks sample {min(every - found)}, which other items have; sample again")


def grade_samples(
    samples: list[Sample],
    problems: Mapping[str, Item],
    *,
    grader: str = "ours",
    extraction: str = "strict",
    workers: int = 1,
    contaminated: Mapping[str, frozenset[str]] | None = None,
    benchmark: str = "",
) -> list[GradedProblem]:
    """Grade every sample under the protocol's extraction and the other one; problems without samples are left out.

    Equal responses to a problem are graded and read for equalities once. benchmark: its name; minerva_math has rules of its own
    in both judges.
    """
    from mathrl.grading import extract_boxed
    from mathrl.judges import protocols

    asked = [(row["response"], str(problems[row["id"]]["answer"]), str(problems[row["id"]]["problem"])) for row in samples]
    unique = list(dict.fromkeys(asked))
    boxed = {response: extract_boxed(response) is not None for response, *_ in unique}
    if grader == "contest":
        others = [question for question in unique if protocols.gold_of(question[1])]  # golds that name their judge
        graded_once = _by_contest([question for question in unique if question not in set(others)], benchmark, workers)
        graded_once |= _by_ours(others, boxed, extraction, benchmark, workers)
    else:
        graded_once = _by_ours(unique, boxed, extraction, benchmark, workers)
    equalities = {response: check_equalities(response) for response in boxed}

    graded: dict[str, GradedProblem] = {}
    for row, question in zip(samples, asked, strict=True):
        verdict, strict, lenient = graded_once[question]
        sample = GradedSample(
            sample=row["sample"],
            tokens=int(row.get("tokens") or 0),
            truncated=row.get("finish_reason") == "length",
            boxed=boxed[row["response"]],
            correct=verdict.correct,
            correct_strict=strict,
            correct_lenient=lenient,
            status=verdict.status,
            extracted=verdict.extracted,
            equalities=equalities[row["response"]],
        )
        if row["id"] not in graded:
            graded[row["id"]] = _problem(row["id"], problems[row["id"]], contaminated or {})
        if sample.sample < 0:
            graded[row["id"]].greedy = sample
        else:
            graded[row["id"]].samples.append(sample)
    return list(graded.values())


Question = tuple[str, str, str]
"""A response, the gold answer and the problem."""


def _by_ours(
    questions: list[Question], boxed: Mapping[str, bool], extraction: str, benchmark: str, workers: int
) -> dict[Question, tuple[Grade, bool, bool]]:
    """Our verdict on each question under `extraction`, and whether it is right strictly and leniently.

    A box decides both ways alike; without one a strict verdict is "no box", so that only the lenient one is left to ask for.
    """
    from mathrl.grading import grade_many

    def graded(some: list[Question], extraction: str) -> dict[Question, Grade]:
        return dict(zip(some, grade_many(some, workers=workers, extraction=extraction, benchmark=benchmark), strict=True))

    main = graded(questions, extraction)
    if extraction == "lenient":
        return {question: (verdict, verdict.correct and boxed[question[0]], verdict.correct) for question, verdict in main.items()}
    lenient = graded([question for question in questions if not boxed[question[0]]], "lenient")
    return {question: (verdict, verdict.correct, lenient.get(question, verdict).correct) for question, verdict in main.items()}


def _by_contest(questions: list[Question], benchmark: str, workers: int) -> dict[Question, tuple[Grade, bool, bool]]:
    """The contest's verdicts; it has one extraction, and is strictly right where the response holds the word "boxed"."""
    from mathrl.evaluation.contest_judge import contest_grades

    grades = contest_grades([(response, answer) for response, answer, _ in questions], benchmark, workers)
    return {question: (grade, grade.correct and grade.format, grade.correct) for question, grade in zip(questions, grades, strict=True)}


def _problem(key: str, row: Item, contaminated: Mapping[str, frozenset[str]]) -> GradedProblem:
    domain = row.get("domain") or ()
    difficulty = row.get("difficulty")
    return GradedProblem(
        id=key,
        problem=str(row["problem"]),
        answer=str(row["answer"]),
        domain=(domain,) if isinstance(domain, str) else tuple(str(part) for part in domain),
        difficulty=int(difficulty) if isinstance(difficulty, int | float) else None,
        contaminated=tuple(sorted(contaminated.get(key, ()))),
    )


def read_matches(path: str, benchmark: str) -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    """Methods by which each item of `benchmark` matched a training row, and the methods whose matches remove rows."""
    import polars

    table = parquet.read(path, ["benchmark", "item_id", "method", "removed"])
    removing = frozenset(table.filter(polars.col("removed"))["method"].unique().to_list())
    contaminated: dict[str, set[str]] = {}
    for item, method in table.filter(polars.col("benchmark") == benchmark).select("item_id", "method").unique().iter_rows():
        contaminated.setdefault(str(item), set()).add(method)
    return {item: frozenset(methods) for item, methods in contaminated.items()}, removing


def clean_subset(problems: list[GradedProblem], removing: frozenset[str] | None) -> CleanSubset:
    """pass@1 of contaminated and clean items: contaminated = a training row matched before removal, by a method that removes rows.

    Items that only a method matched that removes nothing (semantic and reworded, by default) are flagged, and in neither part.
    """
    if removing is None:
        return {"available": False, "why": "graded without a table of matches (--matches)"}
    methods = sorted({method for problem in problems for method in problem.contaminated} | removing)
    contaminated = [p for p in problems if removing & set(p.contaminated)]
    clean = [p for p in problems if not p.contaminated]
    flagged = [p for p in problems if p.contaminated and not removing & set(p.contaminated)]
    both = (subset_metric(contaminated), subset_metric(clean))
    subset: CleanSubset = {"available": True, "removing": sorted(removing), "contaminated": both[0], "clean": both[1]}
    subset["flagged"] = subset_metric(flagged)
    subset["by_method"] = {method: subset_metric([p for p in problems if method in p.contaminated]) for method in methods}
    parts = [(m["value"], m["low"], m["high"]) for m in both if measured(m)]
    if len(parts) == 2:
        value, low, high = combine(parts, (1.0, -1.0))
        subset["contaminated_minus_clean"] = {"value": value, "low": low, "high": high, "n": len(problems)}
    return subset


def evaluate(
    samples: list[Sample],
    problems: Mapping[str, Item],
    *,
    grader: str,
    extraction: str,
    workers: int,
    contaminated: Mapping[str, frozenset[str]] | None = None,
    removing: frozenset[str] | None = None,
    benchmark: str = "",
    verifiers: Sequence[Verdicts] = (),
) -> Evaluation:
    """The eval JSON without its name tags and provenance."""
    from mathrl.grading import group_answers
    from mathrl.judges import protocols

    graded = grade_samples(
        samples, problems, grader=grader, extraction=extraction, workers=workers, contaminated=contaminated, benchmark=benchmark
    )
    sizes = [len(p.samples) for p in graded]
    result: Evaluation = {
        **summarize(graded, group_answers),
        "schema_version": SCHEMA_VERSION,
        "n_problems": len(graded),
        "n_benchmark": len(problems),
        "n_samples": min(sizes),
        "grader": grader,
        "extraction": extraction,
        "clean_subset": clean_subset(graded, removing),
        "first_wrong_equality": _first_wrong(graded),
    }
    verified.add(result, graded, verifiers, group_answers)
    judges = protocols.versions(str(row["answer"]) for row in problems.values())
    if judges:
        result["grader_protocols"] = judges
    return result


def _first_wrong(problems: list[GradedProblem]) -> FirstWrong | None:
    """Where the first wrong equality stands, in the order of the benchmark, the greedy response first."""
    for problem in problems:
        for sample in [*filter(None, [problem.greedy]), *problem.samples]:
            if sample.equalities.first_wrong:
                return {"id": problem.id, "sample": sample.sample, "equality": sample.equalities.first_wrong}
    return None
