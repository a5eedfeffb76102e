"""The section `report`: what the study report shows beside ours. None of it is trained, so no fingerprint knows it."""

from __future__ import annotations

from mathrl.config.section import Name, Section, UsersFile, key
from mathrl.core import users_code

FIGURES = ("validation", "reward", "entropy", "response_length")
"""Figures 1 to 4 by name: a user's of that name takes the place of ours."""


class Report(Section):
    """The study report."""

    figures: dict[Name, UsersFile] = key(
        {},
        "figures of yours, by name: FILE.py:function; validation, reward, entropy and response_length take the place of figures 1 to 4, "
        "others stand behind them",
    )


def check(report: Report) -> None:
    """Refuse a file that is missing or lacks the function.

    Raises:
        UserError: the first one.
    """
    for name, function in report.figures.items():
        users_code.check(function, f"config: report.figures.{name}")
