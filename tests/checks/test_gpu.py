"""The check of a machine: what it says of a host that cannot, and the very same check run for real on this one."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from mathrl.checks import gpu, plain_grpo
from mathrl.config.experiment import Configuration
from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import UserError, read_json
from mathrl.core.tensorboard import read_scalars
from mathrl.models import random_model
from mathrl.models.local_stores import DIRECTORY
from mathrl.models.shape import OPENSEEK
from support.settings import stage_of
from support.waiting import wait_for

NO_CARD = not Path("/dev/nvidiactl").exists() and not Path("/dev/dxg").exists()


def test_without_a_gpu_one_line(script):
    if not NO_CARD:
        pytest.skip("this machine has a GPU")
    done = script("check_gpu.py")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        "error: no CUDA device on this machine; run on one with an NVIDIA GPU, or check the CPU path with --accelerator cpu\n"
    )


def test_bad_arguments(script, tmp_path):
    for wrong in (
        ["--steps", "0"],
        ["--model", tmp_path],
        ["--set", "rollout_n"],
        ["--set", "rollouts=3"],
        ["--set", "micro_batch_size=7"],
    ):
        done = script("check_gpu.py", "--accelerator", "cpu", *wrong)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr


LOGS = {
    "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).": "driver is too old",
    "CUDA error: no kernel image is available for execution on the device": "no code for a GPU this old",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB": "lower micro_batch_size",
    "ValueError: Free memory on device (3/24 GiB) on startup is less than desired": "lower gpu_memory_utilization",
    "OSError: [Errno 28] No space left on device": "the disk is full",
    "RuntimeError: Could not find nvcc and default cuda_home='/usr/local/cuda' doesn't exist": "there is no compiler",
    "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.": "the host's memory was full",
    "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0.": "mem_mb of train_policy",
    "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-28T10:00:00 DUE TO TIME LIMIT ***": "the scheduler ended the job",
    "ValueError: To serve at least one request, 0.5 GiB KV cache is needed, which is larger than": "raise gpu_memory_utilization",
    "CUDA error: all CUDA-capable devices are busy or unavailable": "compute mode",
    "OSError: [Errno 28] /dev/shm/psm_1: No space left on device": "free /dev/shm",
    "A worker died or was killed while executing a task by an unexpected system error. exit code -9": "killed from outside",
    "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:3690": "cannot talk to each other",
    "ModuleNotFoundError: No module named 'flash_attn'": "a package is missing: flash_attn",
    "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.": "there is no compiler",
    "FileNotFoundError: [Errno 2] No such file or directory: 'ninja'": "there is no compiler",
    "/tmp/x/cuda_utils.c:8:10: fatal error: Python.h: No such file or directory": "python3-dev",
    "RuntimeError: Failed to find C compiler. Please specify via CC environment variable": "install gcc",
    "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.": "has no bfloat16",
    "torch.AcceleratorError: CUDA error: an illegal memory access was encountered": "crashed on the GPU",
    "1 Workers (tasks / actors) killed due to memory pressure (OOM)": "the host's memory was full",
    "*** SIGSEGV received at time=1790000000 on cpu 3 ***": "a library crashed",
}
# Ray 2.60's words for any death of a process, and its older ones.
DIED = "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly"
GUESSES = (
    " exits with an error code 2. End of file. Some common causes include: (1) the process was killed by the OOM killer due to high "
    "memory usage, (2) ray stop --force was called, or (3) the worker crashed unexpectedly due to SIGSEGV or another unexpected error. If "
    "the process was killed by the kernel OOM killer (verifiable by checking for OOM in dmesg of the OOMing host), give it more.",
    " exits with an error code 2. End of file. There are some potential root causes. (1) The process is killed by SIGKILL by OOM killer "
    "due to high memory usage. (2) ray stop --force is called. (3) The worker is crashed unexpectedly due to SIGSEGV.",
)


@pytest.mark.parametrize("text", LOGS)
def test_plain_words(text):
    assert LOGS[text] in gpu.explain(f"INFO starting\n  {text}\nTraceback")


@pytest.mark.parametrize("guess", GUESSES)
def test_what_ray_guesses_of_every_death_is_no_cause(guess):
    """It names the host's memory, kills and crashes alike; what the process said before it died counts."""
    assert "died without an exception" in gpu.explain(f"step:3\n{DIED}{guess}\n")
    said = "torch.AcceleratorError: CUDA error: an illegal memory access was encountered"
    assert "crashed on the GPU" in gpu.explain(f"{said}\n{DIED}{guess}\n")


def test_nothing_known_is_no_explanation():
    assert gpu.explain("INFO all is well") is None
    found = "No CUDA runtime is found, using CUDA_HOME='/opt/venv/cuda'"  # torch, in each process without a GPU
    assert gpu.explain(f"{found}\n(raylet) 0 Workers (tasks / actors) killed due to memory pressure (OOM)") is None


@pytest.mark.parametrize(("gap", "dtype", "fine"), [(3e-7, "float32", True), (5e-3, "bfloat16", True), (5e-3, "float32", False)])
def test_gap_between_trainer_and_engine(gap, dtype, fine):
    if fine:
        gpu.check_gap(gap, dtype)
        return
    with pytest.raises(UserError, match="trainer and engine disagree"):
        gpu.check_gap(gap, dtype)


def test_other_weights_are_told_where_no_token_is_likely():
    """Probabilities of one in three hundred differ by less than rounding may, whatever the weights are."""
    gpu.check_gap(3e-4, "bfloat16", 0.999)
    gpu.check_gap(3e-4, "bfloat16", float("nan"))  # all are alike: certain
    with pytest.raises(UserError, match=r"disagree: the correlation of their token probabilities is 0\.03, below 0\.8"):
        gpu.check_gap(3e-3, "bfloat16", 0.03)


def test_a_gap_that_is_no_number_or_missing():
    for gap, message in ((float("nan"), "disagree"), (None, "logged no probability gap")):
        with pytest.raises(UserError, match=message):
            gpu.check_gap(gap, "bfloat16")


def test_a_failing_part_names_its_log(tmp_path):
    with pytest.raises(UserError, match=r"export_model.py failed: .*manifest.json: no such file; its log is .*export.log"):
        gpu.call("export_model.py", tmp_path / "export.log", "--manifest", tmp_path / "manifest.json", "--out", tmp_path / "m")


@pytest.mark.full
def test_the_whole_check_on_this_cpu(script, tmp_path):
    done = script("check_gpu.py", "--accelerator", "cpu", "--steps", 3, "--out", tmp_path / "check.json", timeout=900)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OK: CPU, ")
    figures = json.loads((tmp_path / "check.json").read_text())
    assert figures["steps"] == 3 and figures["samples"] == 64
    assert 0 < figures["seconds_per_step"] < 120 and figures["probability_gap_mean"] < 1e-5


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_model_of_openseeks_shape_trains_and_the_engine_follows(script, tmp_path):
    """Experts, latent attention and a tied head, through verl's trainer and vLLM's engine. A bonus for entropy moves every weight.

    Three random models of this kind rose by 1.14, 1.16 and 1.31 in the first update, by 1.52 to 1.63 in all three.
    """
    wanted = ["--instruction", "Reason. ", "--pretraining-steps", 2, "--supervised-steps", 2, "--items", 4, "--out", tmp_path / "other"]
    assert script("make_demo_model.py", *wanted).returncode == 0
    sizes = {"hidden_size": 128, "intermediate_size": 256, "moe_intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"num_key_value_heads": 2, "n_routed_experts": 8, "num_experts_per_tok": 2, "vocab_size": 512, "torch_dtype": "float32"}
    random_model.write(tmp_path / "tiny", tokenizer_of=tmp_path / "other", sizes=OPENSEEK | sizes)
    settings = ["--model", tmp_path / "tiny", "--work", tmp_path / "work", "--set", "entropy_coefficient=0.1", "learning_rate=0.003"]
    done = script("check_gpu.py", "--accelerator", "cpu", *settings, timeout=1500)
    assert done.returncode == 0 and done.stdout.startswith("OK: CPU"), done.stderr
    curves = read_scalars(read_json(tmp_path / "work/manifest.json")["tensorboard"])
    entropy = [value for _, value in curves["actor/entropy"]]
    assert all(after > before for before, after in pairwise(entropy)) and entropy[-1] > 1.4 * entropy[0], entropy
    assert all(value <= 1e-6 for _, value in curves["training/rollout_probs_diff_mean"])
    assert all(value >= 0.999 for _, value in curves["training/rollout_actor_probs_pearson_corr"])


def test_what_the_check_starts_has_a_directory_that_goes_with_it(tmp_path, monkeypatch):
    """For Ray, sockets and temporary files; verl leaves a lock in it for each checkpoint, vLLM three sockets."""
    monkeypatch.delenv("TMPDIR", raising=False)
    tell = f"import os, tempfile; print(os.environ[{DIRECTORY!r}], tempfile.mkstemp(suffix='.lock')[1])"
    assert gpu.execute([sys.executable, "-c", tell], tmp_path / "log") is None
    directory, lock = (tmp_path / "log").read_text().split()
    assert lock.startswith(f"{directory}/tmp/") and not os.path.lexists(directory)


def test_what_the_check_starts_ends_with_it(tmp_path):
    code = "import pathlib, sys; from mathrl.checks import gpu; gpu.execute(['sh', '-c', 'echo $$; sleep 60'], pathlib.Path(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    check = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], env=environment)
    wait_for(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text(), 30, "a training")
    training = int((tmp_path / "log").read_text())
    check.kill()
    check.wait()
    wait_for(lambda: not psutil.pid_exists(training), 10, "its end")


def test_verls_own_trainer_runs_in_a_folder_with_a_space(tmp_path):
    """Ray could not start its workers: the check hung for seven minutes."""
    (tmp_path / "a space").mkdir()
    (tmp_path / "a space/.venv").symlink_to(Path(sys.prefix))
    (tmp_path / "verl/trainer").mkdir(parents=True)
    for package in ("verl", "verl/trainer"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "verl/trainer/main_ppo.py").write_text("import sys; print(sys.executable, *sys.argv[1:])\n")
    environment = {"PYTHONPATH": f"{tmp_path}:{SCRIPTS}"}
    command = [str(tmp_path / "a space/.venv/bin/python"), "-m", "mathrl.checks.plain_grpo", "a=b"]
    assert gpu.execute(command, tmp_path / "log", environment) is None
    python, argument = (tmp_path / "log").read_text().split()
    assert python.startswith("/tmp/mathrl-ray-") and python.endswith("/environment/bin/python") and argument == "a=b"


def test_a_part_runs_below_a_supervisor(tmp_path, monkeypatch, config):
    started = []

    class Process:
        def __init__(self, command, **_):
            started.append(command)

        def wait(self, seconds):
            return 7

    monkeypatch.setattr(gpu.subprocess, "Popen", Process)
    stage = stage_of(config, "grpo", "main")
    gpu.write_data(tmp_path, Configuration().prompt, seed=1)
    for train in (gpu.train, plain_grpo.train):
        with pytest.raises(UserError, match="exit code 7"):
            train(tmp_path, stage, "cpu", tmp_path, 60)
    assert [Path(command[1]).name for command in started] == ["run_job.py"] * 2
    assert "train_policy.py" in str(started[0]) and "mathrl.checks.plain_grpo" in started[1]
