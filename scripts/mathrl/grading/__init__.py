"""The grader: one judge for reward, filtering and evaluation (rules in docs/reference/grading.md).

Verdicts are made in the calling thread within fixed budgets; nothing is evaluated, and no algebra system is loaded. Golds that name
another judge (`protocols`) are decided by it, in capped processes.
"""

from mathrl.grading.extract import extract_boxed, extract_lenient
from mathrl.grading.grouping import group_answers
from mathrl.grading.judge import GRADING_POLICY, STATUSES, Grade, can_be_read, equivalent, grade, grade_many

__all__ = [
    "GRADING_POLICY",
    "STATUSES",
    "Grade",
    "can_be_read",
    "equivalent",
    "extract_boxed",
    "extract_lenient",
    "grade",
    "grade_many",
    "group_answers",
]
