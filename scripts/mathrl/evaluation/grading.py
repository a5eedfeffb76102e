"""One benchmark's samples graded and summarised: the content of `results/{model}/{protocol}/eval/{benchmark}.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mathrl.core.files import UserError
from mathrl.evaluation.equalities import check_equalities
from mathrl.evaluation.metrics import GradedProblem, GradedSample, subset_metric, summarize
from mathrl.statistics.intervals import combine

SCHEMA_VERSION = 1


def read_samples(rows: Iterable[Mapping[str, Any]], known: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    """Sample rows sorted by the benchmark's order and sample number; `UserError` for an unknown id or a doubled sample."""
    order = {key: place for place, key in enumerate(known)}
    seen: set[tuple[str, int]] = set()
    samples = []
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
    samples.sort(key=lambda row: (order[row["id"]], row["sample"]))
    return samples


def grade_samples(
    samples: list[dict[str, Any]],
    problems: Mapping[str, Mapping[str, Any]],
    *,
    grader: str = "ours",
    extraction: str = "strict",
    workers: int = 1,
    contaminated: Mapping[str, frozenset[str]] | None = None,
    benchmark: str = "",
) -> list[GradedProblem]:
    """Grade every sample under the protocol's extraction and the other one; problems without samples are left out.

    Equal (response, answer, problem) triples are graded once. benchmark: its name; minerva_math has rules of its own in both judges.
    """
    from mathrl.grading import Grade, extract_boxed, grade_many

    def judged(questions: list[tuple[str, str, str]], way: str) -> dict[tuple[str, str, str], Grade]:
        if grader == "contest":
            from mathrl.evaluation.contest_judge import contest_grades

            found = contest_grades([(response, answer) for response, answer, _ in questions], benchmark, workers)
        else:
            found = grade_many(questions, workers, way, benchmark)
        return dict(zip(questions, found, strict=True))

    pairs = [(row["response"], str(problems[row["id"]]["answer"]), str(problems[row["id"]]["problem"])) for row in samples]
    unique = list(dict.fromkeys(pairs))
    main = judged(unique, extraction)
    boxed = {response: extract_boxed(response) is not None for response in dict.fromkeys(p[0] for p in unique)}
    # Without a box a strict verdict is "no box", known without grading; with one, only the contest judge may differ,
    # which looks for other marks first.
    other = "strict" if extraction == "lenient" else "lenient"
    again = [p for p in unique if (boxed[p[0]] if other == "strict" else not boxed[p[0]]) or grader == "contest"]
    if extraction == "lenient" and grader == "ours":
        again = []
    second = judged(again, other) if again else {}

    graded: dict[str, GradedProblem] = {}
    for row, pair in zip(samples, pairs, strict=True):
        verdict, has_box = main[pair], boxed[pair[0]]
        alternative = second[pair].correct if pair in second else (verdict.correct and has_box)
        strict, lenient = (alternative, verdict.correct) if extraction == "lenient" else (verdict.correct, alternative)
        equalities = check_equalities(row["response"])
        sample = GradedSample(
            sample=row["sample"],
            tokens=int(row.get("tokens") or 0),
            truncated=row.get("finish_reason") == "length",
            boxed=has_box,
            correct=verdict.correct,
            correct_strict=strict,
            correct_lenient=lenient,
            status=verdict.status,
            extracted=verdict.extracted,
            equalities=(equalities.checked, equalities.true),
        )
        if row["id"] not in graded:
            graded[row["id"]] = _problem(row["id"], problems[row["id"]], contaminated or {})
        if sample.sample < 0:
            graded[row["id"]].greedy = sample
        else:
            graded[row["id"]].samples.append(sample)
    return list(graded.values())


def _problem(key: str, row: Mapping[str, Any], contaminated: Mapping[str, frozenset[str]]) -> GradedProblem:
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

    try:
        table = polars.read_parquet(path, columns=["benchmark", "item_id", "method", "removed"])
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:
        raise UserError(f"{path}: is no table of matches ({error})") from None
    removing = frozenset(table.filter(polars.col("removed"))["method"].unique().to_list())
    contaminated: dict[str, set[str]] = {}
    for item, method in table.filter(polars.col("benchmark") == benchmark).select("item_id", "method").unique().iter_rows():
        contaminated.setdefault(str(item), set()).add(method)
    return {item: frozenset(methods) for item, methods in contaminated.items()}, removing


def clean_subset(problems: list[GradedProblem], removing: frozenset[str] | None) -> dict[str, Any]:
    """pass@1 of contaminated and clean items: contaminated = a training row matched before removal, by a method that removes rows.

    Methods that only report (semantic, by default) have their own line in `by_method` and touch nothing.
    """
    if removing is None:
        return {"available": False, "why": "graded without a table of matches (--matches)"}
    methods = sorted({method for problem in problems for method in problem.contaminated} | removing)
    contaminated = [p for p in problems if removing & set(p.contaminated)]
    clean = [p for p in problems if not removing & set(p.contaminated)]
    subset = {"available": True, "removing": sorted(removing), "contaminated": subset_metric(contaminated), "clean": subset_metric(clean)}
    subset["by_method"] = {method: subset_metric([p for p in problems if method in p.contaminated]) for method in methods}
    if contaminated and clean:
        parts = [(m["value"], m["low"], m["high"]) for m in (subset["contaminated"], subset["clean"])]
        value, low, high = combine(parts, (1.0, -1.0))
        subset["contaminated_minus_clean"] = {"value": value, "low": low, "high": high, "n": len(problems)}
    return subset


def evaluate(
    samples: list[dict[str, Any]],
    problems: Mapping[str, Mapping[str, Any]],
    *,
    grader: str,
    extraction: str,
    workers: int,
    contaminated: Mapping[str, frozenset[str]] | None = None,
    removing: frozenset[str] | None = None,
    benchmark: str = "",
) -> dict[str, Any]:
    """The eval JSON without its name tags and provenance."""
    from mathrl.grading import group_answers

    graded = grade_samples(
        samples, problems, grader=grader, extraction=extraction, workers=workers, contaminated=contaminated, benchmark=benchmark
    )
    sizes = [len(p.samples) for p in graded]
    result = summarize(graded, group_answers)
    result |= {
        "schema_version": SCHEMA_VERSION,
        "n_problems": len(graded),
        "n_benchmark": len(problems),
        "n_samples": min(sizes),
        "grader": grader,
        "extraction": extraction,
        "clean_subset": clean_subset(graded, removing),
        "first_wrong_equality": _first_wrong(samples),
    }
    return result


def _first_wrong(samples: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Where the first wrong equality stands, in the order of the benchmark."""
    for row in samples:
        wrong = check_equalities(row["response"]).first_wrong
        if wrong:
            return {"id": row["id"], "sample": row["sample"], "equality": wrong}
    return None
