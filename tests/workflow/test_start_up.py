"""Start-up counts: light scripts import no torch, vLLM, verl or SymPy; a start of Snakemake parses no file of ours that it knows."""

import json
import os
import re
import subprocess
import sys

import pytest

from .conftest import job_counts

HEAVY = {"torch", "vllm", "verl", "sympy", "transformers", "math_verify", "ray", "sentence_transformers", "matplotlib"}
SCRIPTS = [
    "make_demo_problems.py",
    "make_demo_model.py",
    "fetch_dataset.py",
    "fetch_benchmark.py",
    "fetch_model.py",
    "prepare_model.py",
    "tabulate_memory.py",
    "check_gpu.py",
    "clean_problems.py",
    "decontaminate.py",
    "format_training_data.py",
    "train_policy.py",
    "export_model.py",
    "generate_samples.py",
    "merge_samples.py",
    "grade_samples.py",
    "tabulate_scores.py",
    "render_report.py",
    "show_scores.py",
    "run_job.py",
    "recover_workflow.py",
    "summarize_run.py",
    "reward.py",
]


def imported(root, *command):
    environment = {**os.environ, "PYTHONPATH": str(root / "scripts")}
    command = [sys.executable, "-X", "importtime", *command]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-1000:]
    return {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_is_light(root, name):
    assert not imported(root, f"scripts/{name}", "--help") & (HEAVY | {"polars"})


def test_the_grader_is_light(root):
    code = "from mathrl.grading import grade; assert grade(r'\\boxed{1/2}', '0.5').correct == 1"
    assert not imported(root, "-c", code) & HEAVY


def test_the_driver_reads_the_configuration_without_the_rules_packages(root):
    code = "import mathrl.config, mathrl.execution.preflight, mathrl.execution.recovery"
    assert not imported(root, "-c", code) & (HEAVY | {"polars", "numpy"})


COUNTING = """
import ast, gc, json, sys
from snakemake.cli import main

counts, parse = {"parsed": 0, "collected": 0}, ast.parse

def counted(*arguments, **more):
    counts["parsed"] += 1
    return parse(*arguments, **more)

def collected(phase, info):
    counts["collected"] += phase == "start"

ast.parse = counted
gc.callbacks.append(collected)
try:
    main()
finally:
    from snakemake.shell import shell
    print(json.dumps(counts | {"prefix": shell._process_prefix}))
"""
STUDY = (
    "resources/datasets/big-math.parquet",
    *(f"results/data/{name}" for name in ("problems.parquet", "quarantine.parquet", "funnel.json")),
)


@pytest.fixture(scope="module")
def study(make_workflow):
    """A study whose problems are clean, as far as Snakemake knows."""
    workflow = make_workflow("starts")
    for name in STUDY:
        (workflow.directory / name).parent.mkdir(parents=True, exist_ok=True)
        (workflow.directory / name).write_text("{}")
    touch(workflow)
    return workflow


def call(workflow, *options):
    done = workflow.run("snakemake", *options, "--cores", "1", "--workflow-profile", "none", "--config", "accelerator=cpu", "--", *STUDY)
    assert done.returncode == 0, done.stdout
    return done.stdout


def touch(workflow):
    call(workflow, "--touch", "--forcerun", "fetch_dataset", "clean_problems")


def planned(workflow):
    """What the next start would do, and why."""
    said = call(workflow, "-n")
    return job_counts(said), re.findall("reason: (.*)", said)


def test_a_start_of_snakemake_parses_no_file_again_and_seldom_looks_for_garbage(study):
    arguments = ("-n", "--cores", "all", "--resources", "gpu=6")
    counts = []
    for again in (False, True):
        if not again:
            (study.directory / f".snakemake/imports-{os.getuid()}.json").unlink()
        done = study.run(".venv-driver/bin/python", "-c", COUNTING, *arguments)
        assert done.returncode == 0, done.stdout
        counts += [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"parsed"')]
    assert counts[0]["parsed"] > 100 and counts[1]["parsed"] == 0, counts
    assert all(". scripts/supervise.sh; " in count["prefix"] for count in counts), "every rule's command runs supervised"
    assert counts[1]["collected"] < 200, "importing Snakemake takes some 70, planning as many hundreds more"


def test_an_edit_is_seen_by_the_next_start_whatever_its_size_and_time_are(study):
    jobs = {}
    for file in ("clean_problems.py", "mathrl/grading/units.py"):
        path = study.directory / "scripts" / file
        text, before = path.read_text(), path.stat()
        path.write_text(text.replace('"""', "'''", 2))  # the quotes of its docstring
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert text != path.read_text() and (path.stat().st_size, path.stat().st_ino) == (before.st_size, before.st_ino)
        jobs[file], reasons = planned(study)
        assert "Set of input files has changed since last execution" in reasons
        path.write_text(text)
    assert list(jobs.values()) == [{"clean_problems": 1}, {"clean_problems": 1, "fetch_dataset": 1}]
    assert planned(study)[0] == {}, "what it was before is no edit"


def test_what_an_edit_imports_is_code_from_the_next_start_on(study):
    """The edit and the module that it brings are each seen, and so is that module's own edit."""
    path, new = (study.directory / "scripts" / name for name in ("clean_problems.py", "mathrl/data/late.py"))
    new.write_text("LATE = 1\n")
    assert planned(study)[0] == {}, "nobody imports it"
    path.write_text(path.read_text() + "\n\ndef late():\n    from mathrl.data import late\n\n    return late\n")
    assert planned(study)[0] == {"clean_problems": 1}
    touch(study)
    new.write_text("LATE = 2\n")
    assert planned(study)[0] == {"clean_problems": 1}
