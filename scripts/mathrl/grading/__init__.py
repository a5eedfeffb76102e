"""The grader: one judge for reward, filtering and evaluation (rules in docs/reference/grading.md).

Cheap verdicts are made in the calling thread within fixed budgets; importing this package loads no algebra system.
"""

from mathrl.grading.extract import extract_boxed, extract_lenient
from mathrl.grading.judge import GRADING_POLICY, equivalent, grade, grade_many, group_answers
from mathrl.grading.verdict import STATUSES, Grade

__all__ = [
    "GRADING_POLICY",
    "STATUSES",
    "Grade",
    "equivalent",
    "extract_boxed",
    "extract_lenient",
    "grade",
    "grade_many",
    "group_answers",
]
