"""The rules of augmentation without Snakemake: one call per rule, in one process or in a process of its own."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import psutil
from mathrl.augmentation import command, sources, store
from mathrl.config.entry import Entry
from mathrl.core.files import write_jsonl
from mathrl.decontamination import Settings, find_matches


def choose(data, entry: Entry, out: Path, dev: int) -> list[dict]:
    rows = sources.choose(data.folder / "problems.parquet", data.folder / "matches.parquet", "exact,ngram,fuzzy", dev, entry.problems)
    write_jsonl(out / "sources.jsonl", rows)
    return rows


def request(entry: Entry, out: Path, name: str = "retold") -> dict:
    """Ask in this process."""
    args = argparse.Namespace(
        name=name, sources=out / "sources.jsonl", store=out / "store", model=None, accelerator="cpu",
        answers=out / "answers.jsonl.zst", summary=out / "requests.json",
    )  # fmt: skip
    return command.request(args, entry, {})


class Forks:
    """Processes that ask, each to be killed: forked from one that has imported everything (`fork_requests.py`)."""

    def __enter__(self) -> "Forks":
        tests = Path(__file__).parents[1]
        paths = {"PYTHONPATH": f"{tests.parent / 'scripts'}:{tests}"}
        command = [sys.executable, str(tests / "support/fork_requests.py")]
        self.parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **paths})
        return self

    def __exit__(self, *_) -> None:
        self.parent.stdin.close()
        self.parent.wait(60)
        self.parent.stdout.close()

    def start(self, entry: Entry, out: Path) -> psutil.Process:
        """A process that asks for the entry."""
        print(json.dumps([entry.as_dict(), str(out)]), file=self.parent.stdin, flush=True)
        return psutil.Process(int(self.parent.stdout.readline()))


def answered(out: Path) -> set[str]:
    """Keys that a store has an answer to."""
    return set(store.Store(out / "store", "retold").answers)


def judge(data, entry: Entry, out: Path, dev: int, rates: dict[str, float] | None, name: str = "retold") -> dict:
    """The doors after the requests; `rates`: solve rates by problem text, 0.5 where none is given. Returns the funnel."""
    folder = data.folder
    files = {key: out / f"{key}.parquet" for key in ("checked", "proposals", "passed", "matches", "rows")}
    asked = argparse.Namespace(
        name=name, sources=out / "sources.jsonl", answers=out / "answers.jsonl.zst", model=None, problems=folder / "problems.parquet",
        checked=files["checked"], passed=files["passed"], asked=out / "asked.jsonl",
    )  # fmt: skip
    command.check(asked, entry)
    passed = pl.read_parquet(files["passed"])
    settings = Settings(workers=1)
    find_matches(passed, data.items, settings).write_parquet(files["matches"])
    measured = None
    if rates is not None:
        lines = [json.loads(line) for line in (out / "asked.jsonl").read_text().splitlines()]
        values = [float(rates.get(row["problem"], 0.5)) for row in lines]
        measured = out / "solve_rates.parquet"
        pl.DataFrame({"id": [row["id"] for row in lines], "solve_rate": values, "n": 8}).write_parquet(measured)
    benchmarks = {key: folder / f"{key}.jsonl" for key in data.items}
    places = {**files, "problems": folder / "problems.parquet", "funnel": out / "funnel.json", "solve_rates": measured}
    args = argparse.Namespace(name=name, benchmark=benchmarks, dev_size=dev, embedding_model=None, **places)
    command.admit(args, entry)
    return json.loads((out / "funnel.json").read_text())
