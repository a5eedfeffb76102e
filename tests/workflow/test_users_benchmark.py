"""A benchmark and a judge of the user's through the rules, from a folder outside the repository."""

import json
import subprocess

import pytest
from mathrl.judges import protocols
from support import pages

from .conftest import job_counts


@pytest.fixture
def folder(tmp_path):
    pages.write_files("docs/how-to/your-own-code.md", tmp_path)
    return tmp_path


def snakemake(folder, *arguments):
    snakefile = pages.ROOT / "Snakefile"
    profile = ("--profile", pages.ROOT / "profiles/demo", "--configfile", pages.ROOT / "profiles/demo/demo.yaml", "mine/words.yaml")
    command = [pages.ROOT / ".venv-driver/bin/snakemake", "-s", snakefile, "-d", folder, *profile, *arguments]
    return subprocess.run(list(map(str, command)), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)


def test_the_rule_fetches_it_and_the_evaluation_asks_for_it(folder):
    done = snakemake(folder, "--", "resources/benchmarks/words.jsonl")
    assert done.returncode == 0, done.stdout
    rows = [json.loads(line) for line in (folder / "resources/benchmarks/words.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in rows] == [protocols.gold_text("palindromes", "level"), "35"]
    fetched = ("-n", "--", "resources/benchmarks/words.jsonl")
    assert "Nothing to be done" in snakemake(folder, *fetched).stdout
    with open(folder / "mine/judge.py", "a") as file:
        file.write("MORE = 1\n")
    assert job_counts(snakemake(folder, *fetched).stdout) == {"fetch_benchmark": 1}, "it decides which golds there are"


def test_the_study_evaluates_it(folder):
    planned = job_counts(snakemake(folder, "-n", "--", "results/scores.csv").stdout)
    assert planned["grade_samples"] == 2 * planned["fetch_benchmark"] == 8, "three of the demo's and this, for base and a run"


def test_a_file_that_is_no_benchmark_is_named_as_the_user_names_it(folder):
    (folder / "mine/words.jsonl").write_text("")
    said = snakemake(folder, "--", "resources/benchmarks/words.jsonl")
    assert said.returncode == 1 and "error: mine/words.jsonl: " in said.stdout, said.stdout
