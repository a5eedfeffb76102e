"""What a call of Snakemake asks is read as Snakemake reads it."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CALLS = {
    "-n": ((), True, False, "local"),
    "-np results/grpo/scores.json": (("results/grpo/scores.json",), True, False, "local"),
    "--dryrun --nolock": ((), True, True, "local"),
    "--cores 2 --quiet rules -- clean": (("clean",), False, False, "local"),
    "--config note=-n --cores 2": ((), False, False, "local"),
    "--profile profiles/slurm -n": ((), True, False, "slurm"),
    "--profile profiles/demo": ((), False, False, "local"),
    "-q --no-such-word": ((), False, False, "local"),
    "--cores x": ((), False, False, "local"),
    "--set-resources x": ((), False, False, "local"),
    "--version": ((), False, False, "local"),
}


def test_calls():
    python = ROOT / ".venv-driver/bin/python"
    if not python.exists():
        pytest.skip("needs .venv-driver (make env)")
    program = (
        "import dataclasses, json, sys; sys.path.insert(0, 'scripts'); from mathrl.execution import command_line\n"
        "print(json.dumps([dataclasses.astuple(command_line.asked(call.split())) for call in json.loads(sys.argv[1])]))"
    )
    done = subprocess.run([python, "-c", program, json.dumps(list(CALLS))], cwd=ROOT, capture_output=True, text=True, check=True)
    found = [(tuple(targets), *rest) for targets, *rest in json.loads(done.stdout)]
    assert dict(zip(CALLS, found, strict=True)) == CALLS
