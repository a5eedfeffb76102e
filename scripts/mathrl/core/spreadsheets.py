"""Tables as CSV that a spreadsheet may open: no text of theirs runs there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a cell that is run begins with; the wide ones count where East Asian text is set (owasp.org, CSV injection)."""


def plain_cell(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula."""
    return "'" + text if text.startswith(FORMULA) else text


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV, every text in them by `plain_cell`; numbers stay numbers, None is empty."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([plain_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return buffer.getvalue()
