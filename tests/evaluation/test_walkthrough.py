"""docs/how-to/bring-your-own.md does what it says: its files are written, its commands run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.checks import real_model
from support import pages

ROOT = Path(__file__).parents[2]
PAGE = "docs/how-to/bring-your-own.md"
COMMANDS = [words for block in pages.blocks(PAGE) if block.language == "sh" for words in pages.commands(block.text)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walkthrough")
    real_model.copy_workflow(folder)
    pages.write_files(PAGE, folder)
    (folder / "mine/model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / "mine/model" / name).write_text("{}")
    return folder


def run(folder, words):
    program = sys.executable if words[0] == "python" else words[0]
    return subprocess.run([program, *words[1:]], cwd=folder, env=real_model.environment(), capture_output=True, text=True)


def test_the_page_has_its_files_and_commands():
    files = {block.file for block in pages.blocks(PAGE)} - {None}
    assert files == {"mine/make_dataset.py", "mine/sums.jsonl", "mine/pins.tsv", "scripts/my_terms.py", "mine/config.yaml"}
    assert [words[0] for words in COMMANDS] == ["python", "python", "snakemake", "snakemake"]


def test_the_commands(copy):
    if not (ROOT / ".venv-driver/bin/snakemake").exists():
        pytest.skip("Snakemake's environment is not made (make env)")
    make, reward, dry, real = COMMANDS
    assert run(copy, make).returncode == 0
    graded = run(copy, reward)
    found = json.loads(graded.stdout)
    assert found["score"] == pytest.approx(1.0) and found["term_brief"] == 1.0
    planned = run(copy, dry)
    assert planned.returncode == 0, planned.stderr + planned.stdout
    for path in ("resources/benchmarks/sums.jsonl", "results/theirs/contest/eval/sums.json"):
        assert path in planned.stdout + planned.stderr
    done = run(copy, real)
    assert done.returncode == 0, done.stderr + done.stdout
    rows = [json.loads(line) for line in (copy / "resources/benchmarks/sums.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in rows] == ["42", "35"]
    assert json.loads((copy / "results/data/contamination.json").read_text())["table"][0]["benchmark"] == "sums"
