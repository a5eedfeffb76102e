"""The sources are clean by the tools' own judgement, and keep the habits that a tool can count."""

import re
import subprocess

import pytest

DRIVER = ".venv-driver/bin"


@pytest.mark.parametrize(
    "command",
    [
        [f"{DRIVER}/ruff", "check", "."],
        [f"{DRIVER}/ruff", "format", "--check", "."],
        [f"{DRIVER}/snakefmt", "--check", "Snakefile", "rules"],
        [f"{DRIVER}/snakemake", "--lint", "--profile", "profiles/demo"],
    ],
    ids=["ruff", "ruff-format", "snakefmt", "lint"],
)
def test_tool_is_content(root, command):
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_sizes(root):
    lines = {path: len(path.read_text().splitlines()) for path in [root / "Snakefile", root / "README.md", *root.glob("scripts/*.py")]}
    limits = {"Snakefile": 60, "README.md": 150}
    assert {path.name: count for path, count in lines.items() if count > limits.get(path.name, 100)} == {}


def test_every_rule_says_what_it_does_and_keeps_its_log_and_timing(root):
    for path in root.glob("rules/*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(), re.S | re.M):
            assert body.lstrip().startswith('"""'), f"{path.name}: {name} has no docstring"
            for directive in ("input:", "output:", "log:", "benchmark:", "threads:", "resources:", "container:"):
                assert f"    {directive}" in body, f"{path.name}: {name} has no {directive}"


def test_the_tree_names_no_machine(root):
    done = subprocess.run(["git", "grep", "-nIE", r"(^|[^A-Za-z0-9_.])/(home|work)/", "--", "."], cwd=root, capture_output=True, text=True)
    assert done.stdout == ""
