"""Logs that are appended to at each attempt, and set aside when they are long."""

from __future__ import annotations

import os
from pathlib import Path

LONGEST, KEPT = 64 << 20, 3  # bytes of a log before it is set aside, and how many are


def rotate(log: Path) -> int:
    """Set a long log aside as `NAME.1`, older ones behind it; where the present one ends, in bytes."""
    size = log.stat().st_size if log.exists() else 0
    if size <= LONGEST:
        return size
    for number in range(KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            os.replace(older, log.with_name(f"{log.name}.{number + 1}"))
    os.replace(log, log.with_name(f"{log.name}.1"))
    return 0
