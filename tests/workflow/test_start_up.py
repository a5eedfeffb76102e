"""Start-up counts: light scripts import no torch, vLLM, verl or SymPy."""

import os
import subprocess
import sys

import pytest

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
