"""The files around step labels: what is completed, what the labels are, and how many solutions went where."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError, atomic_path
from mathrl.data.benchmarks import read_benchmark
from mathrl.data.records import Item, Sample
from mathrl.grading import grade_many
from mathrl.verifiers import labels
from mathrl.verifiers.dialogue import WRONG
from mathrl.verifiers.interface import first_wrong
from mathrl.verifiers.kept import Kept
from mathrl.verifiers.records import Finished, Labelled, Prefix, Share

Problems = Mapping[str, Item]


def solutions(samples: Sequence[Sample], problems: Problems, workers: int) -> tuple[list[labels.SampledSolution], Counter]:
    """Sampled solutions cut into steps with the grader's verdict, and the funnel.

    An answer counts with or without a box: the label is about reasoning, not about form.
    """
    asked = [problems[row["id"]] for row in samples]
    questions = [(row["response"], item["answer"], item["problem"]) for row, item in zip(samples, asked, strict=True)]
    grades = grade_many(questions, workers=workers, extraction="lenient")
    return labels.cut(samples, problems, [grade.correct for grade in grades])


def prefix_rows(found: Sequence[labels.SampledSolution]) -> list[Prefix]:
    """What the policy goes on from, equal beginnings once, as a benchmark file: {id, problem, answer, prefix}.

    Raises:
        UserError: no solution has a second step.
    """
    rows: dict[tuple[str, str], Prefix] = {}
    for solution in found:
        for prefix in labels.prefixes(solution):
            key = (solution.problem, prefix)
            rows.setdefault(key, {"id": f"{len(rows)}", "problem": solution.problem, "answer": solution.answer, "prefix": prefix})
    if not rows:
        raise UserError("verifiers.labels: no sampled solution has more than one step, so that there is nothing to complete; raise n")
    return list(rows.values())


def read_prefixes(path: Path) -> dict[str, Prefix]:
    """What `prefix_rows` wrote, by id.

    Raises:
        UserError: no benchmark file, or an item without a prefix.
    """
    found: dict[str, Prefix] = {}
    for key, row in read_benchmark(path).items():
        prefix = row.get("prefix")
        if not isinstance(prefix, str):
            raise UserError(f"{path}: item '{key}' has no prefix; make the file with cut_prefixes.py")
        found[key] = {**row, "prefix": prefix}
    return found


def rates(prefixes: Mapping[str, Prefix], completions: Sequence[Sample], workers: int) -> dict[tuple[str, str], float]:
    """Share of right completions by (problem, prefix)."""
    asked = [prefixes[row["id"]] for row in completions]
    questions = [
        (prefix["prefix"] + row["response"], prefix["answer"], prefix["problem"]) for prefix, row in zip(asked, completions, strict=True)
    ]
    verdicts = defaultdict(list)
    for prefix, grade in zip(asked, grade_many(questions, workers=workers, extraction="lenient"), strict=True):
        verdicts[prefix["problem"], prefix["prefix"]].append(grade.correct)
    return {key: sum(own) / len(own) for key, own in verdicts.items()}


def solve_rates(samples: Sequence[Sample], found: Sequence[labels.SampledSolution]) -> dict[str, float]:
    """Share of right samples of each problem that has a solution in `found`; equal samples count as often as they were drawn.

    `found` has each different one once, so that its verdict is looked up by its steps.
    """
    right = {(solution.id.rpartition("/")[0], solution.steps): solution.correct for solution in found}
    verdicts = defaultdict(list)
    for row in samples:
        steps = tuple(labels.reasoning_steps(row["response"]))
        verdicts[row["id"]].append(right.get((row["id"], steps), False))
    return {key: sum(own) / len(own) for key, own in verdicts.items()}


def label_all(
    found: Sequence[labels.SampledSolution],
    completed: Mapping[tuple[str, str], float],
    own_rates: Mapping[str, float],
    limits: labels.Denoising,
) -> tuple[list[Labelled], Counter]:
    """Labels of these solutions and how many were decided how (`labels.label`)."""
    by_solution = {solution.id: [completed[solution.problem, prefix] for prefix in labels.prefixes(solution)] for solution in found}
    return labels.label(found, by_solution, own_rates, limits)


def drop_disagreeing(rows: Sequence[Labelled], verifier: Kept) -> int:
    """Take the label from every item whose first wrong step the verifier does not see there; returns how many."""
    labelled = [row for row in rows if row["marks"]]
    scores = verifier.score([row["problem"] for row in labelled], [row["steps"] for row in labelled])
    before = len(labelled)
    for row, own in zip(labelled, scores, strict=True):
        marks = row["marks"] or []
        wrong = marks.index(WRONG) if WRONG in marks else None
        if first_wrong(own, verifier.threshold) != wrong:
            row["marks"], row["why"] = None, f"{verifier.name} does not agree"
    return before - sum(row["marks"] is not None for row in labelled)


def noise(rows: Sequence[Labelled], truth: Any) -> dict[str, Share] | None:
    """How often the labels are wrong, where the truth of each step is known.

    truth: (problem, steps) → number of the first wrong step or None; ValueError where it is not known.

    Returns:
        {n, wrong_first_step, of_wrong: {n, value}, of_right: {n, value}} over the labelled items; None where nothing is known.
    """
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for row in rows:
        if row["marks"]:
            try:
                known = truth(row["problem"], row["steps"])
            except ValueError:
                continue
            said = row["marks"].index(WRONG) if WRONG in row["marks"] else None
            hits[said is not None].append(said == known)
    total = sum(map(len, hits.values()))
    if not total:
        return None

    def share(own: list[bool]) -> Share:
        return {"n": len(own), "value": 1 - sum(own) / len(own) if own else None}

    return {"labels": share(hits[True] + hits[False]), "with a wrong step": share(hits[True]), "without": share(hits[False])}


def write_labels(rows: Sequence[Labelled], out: Path) -> int:
    """Write the dialogues of the labelled items, as many with a wrong step as without; returns how many.

    Raises:
        UserError: one of the two kinds is missing.
    """
    import polars

    kept = labels.balanced(rows)
    if not kept:
        raise UserError(
            "verifiers.labels: no solution with a clear wrong step, or none without one, is left to train on; "
            "raise problems, n or completions, or set solvable lower"
        )
    with atomic_path(out) as temporary:
        polars.DataFrame(labels.dialogues(kept)).write_parquet(temporary)
    return len(kept)


def write_accepted(rows: Sequence[Labelled], verifier: Kept | None, out: Path) -> int:
    """Write right solutions of which the verifier flags no step as {problem, solution}, for rejection sampling; all right ones without
    a verifier. Returns how many."""
    import polars

    right = [row for row in rows if row["correct"]]
    scores = verifier.score([row["problem"] for row in right], [row["steps"] for row in right]) if verifier else [[]] * len(right)
    flagged = [verifier is not None and first_wrong(own, verifier.threshold) is not None for own in scores]
    kept = [{"problem": row["problem"], "solution": row["response"]} for row, bad in zip(right, flagged, strict=True) if not bad]
    with atomic_path(out) as temporary:
        polars.DataFrame(kept, schema={"problem": polars.String, "solution": polars.String}).write_parquet(temporary)
    return len(kept)


def finish(rows: Sequence[Labelled], verifiers: Mapping[str, Kept], out: Path) -> Finished:
    """Write labels.parquet and accepted.parquet; returns how many items each has and how many the verifier `agree` took.

    verifiers: `agree` and `accept`, where the configuration names them.
    """
    agree = verifiers.get("agree")
    taken = drop_disagreeing(rows, agree) if agree else 0
    return {
        "disagreed": taken,
        "labelled": sum(row["marks"] is not None for row in rows),
        "trained_on": write_labels(rows, out / "labels.parquet"),
        "accepted": write_accepted(rows, verifiers.get("accept"), out / "accepted.parquet"),
    }
