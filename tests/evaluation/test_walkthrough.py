"""docs/how-to/bring-your-own.md does what it says: its files are written, its commands run."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.checks import real_model

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/bring-your-own.md").read_text()
FILES = dict(re.findall(r"```\w+\n# file: (\S+)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"^    (python|snakemake)( .*)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walkthrough")
    real_model.copy_workflow(folder)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "mine/model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / "mine/model" / name).write_text("{}")
    return folder


def run(folder, program, arguments):
    words = [sys.executable if program == "python" else program, *shlex.split(arguments)]
    return subprocess.run(words, cwd=folder, env=real_model.environment(ROOT), capture_output=True, text=True)


def test_the_page_has_its_files_and_commands():
    assert set(FILES) == {"mine/make_dataset.py", "mine/sums.jsonl", "mine/pins.tsv", "scripts/my_terms.py", "mine/config.yaml"}
    assert [program for program, _ in COMMANDS] == ["python", "python", "snakemake", "snakemake"]


def test_the_commands(copy):
    if not (ROOT / ".venv-driver/bin/snakemake").exists():
        pytest.skip("Snakemake's environment is not made (make env)")
    (_, make), (_, reward), (_, dry), (_, real) = COMMANDS
    assert run(copy, "python", make).returncode == 0
    graded = run(copy, "python", reward)
    found = json.loads(graded.stdout)
    assert found["score"] == pytest.approx(1.0) and found["term_brief"] == 1.0
    planned = run(copy, "snakemake", dry)
    assert planned.returncode == 0, planned.stderr + planned.stdout
    for path in ("resources/benchmarks/sums.jsonl", "results/theirs/contest/eval/sums.json"):
        assert path in planned.stdout + planned.stderr
    done = run(copy, "snakemake", real)
    assert done.returncode == 0, done.stderr + done.stdout
    rows = [json.loads(line) for line in (copy / "resources/benchmarks/sums.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in rows] == ["42", "35"]
    assert json.loads((copy / "results/data/contamination.json").read_text())["table"][0]["benchmark"] == "sums"
