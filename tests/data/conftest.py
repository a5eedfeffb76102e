"""Real data for tests lies outside the repository; without it these tests skip."""

import gzip
import json
import os
from pathlib import Path

import polars as pl
import pytest

BENCHMARKS = ("aime24", "amc23", "gsm8k", "math500", "minerva_math", "olympiadbench")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data: MATHRL_SHARED, or ../shared/data beside the checkout."""
    root = Path(__file__).resolve().parents[2]
    for folder in (os.environ.get("MATHRL_SHARED"), root.parent / "shared" / "data"):
        if folder and (Path(folder) / "benchmarks").is_dir():
            return Path(folder)
    pytest.skip("no real data: set MATHRL_SHARED to a folder with benchmarks/ and train/")


@pytest.fixture(scope="session")
def benchmarks(shared) -> dict:
    from mathrl.benchmarks import load_benchmark

    return {name: load_benchmark(shared / "benchmarks" / f"{name}.jsonl") for name in BENCHMARKS}


@pytest.fixture(scope="session")
def problems(shared):
    """Read a real training set by name: a frame of id, problem, answer."""
    from mathrl.problems import add_ids

    def read(*names: str) -> pl.DataFrame:
        rows = []
        for name in names:
            path = shared / "train" / f"{name}.jsonl"
            with open(path) if path.exists() else gzip.open(f"{path}.gz", "rt") as lines:
                rows.extend(json.loads(line) for line in lines)
        return add_ids(pl.DataFrame({"problem": [row["problem"] for row in rows], "answer": [str(row["answer"]) for row in rows]}))

    return read
