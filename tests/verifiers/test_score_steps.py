"""scripts/score_steps.py on samples that do not fit: one line, nothing written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.core.files import write_jsonl

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("wrong", [{"id": "other"}, {"response": None}], ids=["no item", "no text"])
def test_a_sample_that_does_not_fit_is_one_line(tmp_path, wrong):
    folder = tmp_path / "it's a folder"
    write_jsonl(folder / "toy.jsonl", [{"id": "a", "problem": "What is 1 + 1?", "answer": "2"}])
    write_jsonl(folder / "samples.jsonl", [{"id": "a", "sample": 0, "response": "1 + 1 = 2."} | wrong])
    section = {"named": {"steps": {"kind": "arithmetic"}}, "use": ["steps"], "batch_size": 4, "timeout": 60, "retries": 0}
    words = ["--verifier", "steps", "--verifiers", json.dumps(section), "--samples", f"toy={folder / 'samples.jsonl'}"]
    words += ["--benchmark", f"toy={folder / 'toy.jsonl'}", "--out", folder / "steps"]
    done = subprocess.run([sys.executable, ROOT / "scripts/score_steps.py", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "is no text, or of no item of the benchmark toy" in done.stderr
    assert not (folder / "steps").exists()
