"""Where another harness scores the same responses otherwise than our judge: a row per problem, with what each saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from mathrl.core.spreadsheets import csv_text
from mathrl.data.records import Item, Sample
from mathrl.evaluation.records import Difference, Said
from mathrl.grading import Grade, grade_many

Key = Literal["id", "theirs", "ours", "gold", "extracted", "status"]
COLUMNS: tuple[Key, ...] = ("id", "theirs", "ours", "gold", "extracted", "status")


def differences(
    problems: Sequence[Item], samples: Sequence[Sample], scores: Mapping[str, Sequence[float]], workers: int = 1
) -> tuple[list[Difference], int]:
    """Problems whose mean score differs by more than 1e-6, and how many have a score of theirs to compare with.

    theirs: what the log says of the problem. Where an lm-eval task logs several metrics it is the closest one to ours, and so a
    difference is one from all of them.
    """
    items = {str(item["id"]): item for item in problems}
    asked = [(row["response"], items[row["id"]]["answer"], items[row["id"]]["problem"]) for row in samples]
    grades: dict[str, list[Grade]] = {}
    for row, grade in zip(samples, grade_many(asked, workers=workers), strict=True):
        grades.setdefault(row["id"], []).append(grade)
    rows: list[Difference] = []
    compared = 0
    for key, found in grades.items():
        if not scores.get(key):
            continue
        compared += 1
        ours = sum(grade.correct for grade in found) / len(found)
        theirs = min(scores[key], key=lambda score: abs(score - ours))
        if abs(theirs - ours) > 1e-6:
            said: Said = {"extracted": "; ".join(str(g.extracted) for g in found), "status": "; ".join(g.status for g in found)}
            rows.append({"id": key, "theirs": theirs, "ours": ours, "gold": items[key]["answer"], **said})
    return rows, compared


def to_csv(rows: Sequence[Difference]) -> str:
    """The rows as CSV that a spreadsheet may open."""
    return csv_text([COLUMNS, *([row[name] for name in COLUMNS] for row in rows)])
