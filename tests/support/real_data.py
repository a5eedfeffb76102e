"""Real data, without which a test is skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def path(name: str) -> Path:
    """A file or folder of MATHRL_SHARED, or of ../shared/data beside the checkout: `benchmarks`, `train/college_math.jsonl`."""
    found = Path(os.environ.get("MATHRL_SHARED") or ROOT.parent / "shared/data")
    if not (found / name).exists():
        pytest.skip(f"no real data: {found} has no {name}; MATHRL_SHARED names the folder")
    return found / name
