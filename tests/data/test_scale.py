# ruff: noqa: E501 - one long sentence
"""Time and memory from raw parquet to verl's files, on Big-Math's number of rows and on ten times as many. Needs a quiet machine.

Run with `-s` to see the figures: python -m pytest tests/data/test_scale.py -m full -s
"""

import gzip
import json
import random
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import polars as pl
import pytest
from support.speed import slowness

ROWS = 215_608  # Big-Math's
PYTHON = [sys.executable]
# A process of its own between: a program inherits the peak memory of the process that starts it, and pytest may be large by then.
MEASURE = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
clock = time.perf_counter() - begun
print(json.dumps({"clock": clock, "processor": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / (1 << 20)}))
"""
_NUMBER = re.compile(r"(?<![\w.\\^{])\d{1,6}(?![\w.,}])")


def rows_without_end(shared: Path):
    """All real training rows, again and again, each round with its first two numbers raised by one more."""
    real = []
    for path in sorted((shared / "train").iterdir()):
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as lines:
            real.extend(json.loads(line) for line in lines)
    generator, more = random.Random(1), 0
    while True:
        for row in real:
            text, found = _NUMBER.subn(lambda match, more=more: str(int(match.group()) + more), row["problem"], count=2)
            yield {
                "prompt": text if found or not more else f"{text} Part {more}.", "solution": str(row["answer"]), "source": row["source"],
                "domain": [str(row.get("domain") or "Algebra")], "llama8b_solve_rate": generator.randrange(65) / 64,
            }  # fmt: skip
        more += 1


def write_rows(shared: Path, count: int, path: Path) -> None:
    from mathrl.core.parquet import PartWriter

    rows = rows_without_end(shared)
    with PartWriter(path) as out:
        for first in range(0, count, 100_000):
            out.write(pl.DataFrame(list(islice(rows, min(100_000, count - first)))))


def measured(command: list, folder: Path) -> dict[str, float]:
    """Seconds on the clock and of processor time, and peak memory in GiB, of a command and its children."""
    done = subprocess.run([*PYTHON, "-c", MEASURE, *PYTHON, *map(str, command)], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def chain(shared: Path, root: Path, folder: Path, count: int) -> dict[str, dict[str, float]]:
    """The three steps as rules/data.smk calls them, and exact and n-gram alone."""
    write_rows(shared, count, folder / "raw.parquet")
    benchmarks = [word for path in sorted((shared / "benchmarks").glob("*.jsonl")) for word in ("--benchmark", f"{path.stem}={path}")]
    search = [root / "scripts/decontaminate.py", "--problems", "problems.parquet", *benchmarks, "--matches", "matches.parquet"]
    steps = {
        "clean": [
            root / "scripts/clean_problems.py", "--dataset", "raw.parquet", "--verifiable", "--out", "problems.parquet",
            "--quarantine", "quarantine.parquet", "--funnel", "funnel.json",
        ],
        "exact and n-gram": [*search, "--methods", "exact,ngram", "--summary", "c.json"],
        "decontaminate": [*search, "--methods", "exact,ngram,fuzzy", "--summary", "c.json", "--csv", "c.csv"],
        "format": [
            root / "scripts/format_training_data.py", "--problems", "problems.parquet", "--matches", "matches.parquet",
            "--validation", f"gsm8k={shared / 'benchmarks/gsm8k.jsonl'}", "--instruction", "Reason.", "--train", "t.parquet",
            "--val", "v.parquet", "--summary", "d.json",
        ],
    }  # fmt: skip
    figures = {name: measured(command, folder) for name, command in steps.items()}
    whole = [step for name, step in figures.items() if name != "exact and n-gram"]
    figures["all"] = {
        key: max(step[key] for step in whole) if key == "memory" else sum(step[key] for step in whole)
        for key in ("clock", "processor", "memory")
    }
    for name, step in figures.items():
        print(f"{count:9} rows  {name:17} {step['clock']:6.1f} s  {step['processor']:6.1f} s of processor  {step['memory']:5.2f} GiB")
    return figures


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_time_and_memory_at_the_size_of_big_math_and_ten_times_that(shared, root, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "ten").mkdir()
    one = chain(shared, root, tmp_path / "one", ROWS)
    ten = chain(shared, root, tmp_path / "ten", 10 * ROWS)
    assert ten["all"]["processor"] <= 10 * 1.2 * one["all"]["processor"]
    assert ten["all"]["memory"] <= 5 * one["all"]["memory"]
    assert one["all"]["memory"] <= 2
    assert one["exact and n-gram"]["clock"] <= 6
    assert one["all"]["clock"] <= 15


@pytest.mark.full
@pytest.mark.timeout(900)
def test_an_ending_that_all_rows_share_costs_neither_time_nor_memory(root, tmp_path):
    """200,000 rows and 40 items with the same 30 words at their end."""
    generator = random.Random(1)
    words = ["".join(generator.choices("bcdfglmnprst", k=3)) + "a" for _ in range(3000)]
    ending = " Express it as a common fraction in lowest terms, and explain each step of your work in full sentences so that a reader who knows no algebra can follow."
    text = lambda count: " ".join(generator.choices(words, k=count))  # noqa: E731
    items = [{"id": str(number), "problem": f"{text(30)}?{ending}", "answer": "1"} for number in range(40)]
    rows = [f"{text(25)} {number}.{ending}" for number in range(200_000)] + [items[0]["problem"]]
    pl.DataFrame({"id": [str(number) for number in range(len(rows))], "problem": rows}).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    used = measured(
        [root / "scripts/decontaminate.py", "--problems", "rows.parquet", "--benchmark", "b=items.jsonl", "--matches", "m.parquet", "--summary", "s.json"],
        tmp_path,
    )  # fmt: skip
    print(f"{len(rows)} rows: {used['clock']:.1f} s, {used['processor']:.1f} s of processor, {used['memory']:.2f} GiB")
    assert pl.read_parquet(tmp_path / "m.parquet")["problem_id"].unique().to_list() == ["200000"]
    assert used["memory"] <= 1 and used["processor"] <= 12 * slowness()
