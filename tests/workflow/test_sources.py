"""The sources keep the habits that a test can count; what a tool can judge is in `make lint`."""

import re
import subprocess


def test_sizes(root):
    lines = {path: len(path.read_text().splitlines()) for path in [root / "Snakefile", root / "README.md", *root.glob("scripts/*.py")]}
    lines |= {path: len(path.read_text().splitlines()) for path in root.glob("rules/**/*.smk")}
    limits = {"Snakefile": 60, "README.md": 150} | dict.fromkeys((path.name for path in root.glob("rules/**/*.smk")), 500)
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
