"""Which licences let a problem text be passed on: the table `licences.tsv`, and nothing that it does not name."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("licences.tsv")


@dataclass(frozen=True)
class Licence:
    """One row: its SPDX name, its text, and what it asks of whoever passes the work on."""

    name: str
    url: str
    asks: str


@functools.cache
def permissive() -> dict[str, Licence]:
    """The table by name in lower case."""
    with open(TABLE, encoding="utf-8", newline="") as handle:
        lines = [line for line in handle if not line.startswith("#")]
    return {row["name"].lower(): Licence(**row) for row in csv.DictReader(lines, delimiter="\t")}


def permits(licence: str) -> Licence | None:
    """The licence of a pin where its text is one of the table's names and nothing more.

    A remark ("Apache-2.0 (repository); problems © MAA") speaks of other rights: nothing is permitted then.
    """
    return permissive().get(licence.strip().lower())
