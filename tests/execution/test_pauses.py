"""A SLURM job that is told to end leaves word, and is queued again; `make test-hpc` does it with a real SLURM."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mathrl.core.code_files import SCRIPTS
from mathrl.core.files import read_json
from mathrl.execution import pauses
from support.waiting import wait_for

SCONTROL = """#!/bin/sh
echo "$@" >> asked
[ "$1" = requeue ] || echo "JobId=7 JobState=$STATE Reason=None"
"""


@pytest.fixture(autouse=True)
def slurm(tmp_path, monkeypatch):
    """A job of SLURM in a folder of its own, with a scontrol that answers for it and keeps what it was asked."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/scontrol").write_text(SCONTROL)
    (tmp_path / "bin/scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(pauses.QUEUES, "1")
    monkeypatch.setenv("STATE", "RUNNING")
    monkeypatch.chdir(tmp_path)


def asked():
    """What scontrol was asked since the last time."""
    lines = Path("asked").read_text().split("\n")[:-1] if Path("asked").exists() else []
    Path("asked").unlink(missing_ok=True)
    return lines


def run_until_told(save: bool, ends: int = 143):
    """A supervised command that is told to end, and ends with this code; what its supervisor says."""
    code = (
        "import signal, sys, time, pathlib, os;"
        f"signal.signal(signal.SIGTERM, lambda *_: sys.exit({ends}));"
        + ("pathlib.Path(os.environ['MATHRL_PROGRESS']).touch();" if save else "")
        + "pathlib.Path('begun').touch(); time.sleep(60)"
    )
    command = [sys.executable, str(SCRIPTS / "run_job.py"), "--", sys.executable, "-c", code]
    job = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: Path("begun").exists(), 30, "the command")
    Path("begun").unlink()
    job.send_signal(signal.SIGTERM)
    said = job.communicate(timeout=30)[1]
    assert job.returncode == ends
    return said


def test_a_paused_job_goes_back_into_the_queue_until_it_gets_no_further():
    assert "goes back into the queue" in run_until_told(save=True)
    pauses.queue_again()
    assert asked() == ["show job 7 --oneliner", "requeue 7"]
    assert "1 of at most 3 pauses without progress" in run_until_told(save=False)
    pauses.queue_again()
    assert asked()[1:] == ["requeue 7"]
    for _ in range(2 * pauses.LIMIT):
        pauses.note(["train"], progress=True)
        pauses.queue_again()
        assert asked()[1:] == ["requeue 7"]
    said = [pauses.note(["train"], progress=False) for _ in range(pauses.LIMIT)]
    assert said[-1].startswith("was told to end 3 times in a row before anything was saved")
    pauses.queue_again()
    assert asked() == []
    assert "1 of at most 3 pauses" in pauses.note(["train"], progress=False), "a new try of Snakemake's counts anew"


def test_nothing_is_queued_again_unasked(monkeypatch):
    command = [sys.executable, str(SCRIPTS / "run_job.py"), "--", sys.executable, "-c"]
    assert subprocess.run([*command, "import sys; sys.exit(143)"]).returncode == 143, "it ended by itself"
    pauses.queue_again()
    run_until_told(save=True)
    monkeypatch.setenv("STATE", "COMPLETING")  # somebody cancelled the job
    pauses.queue_again()
    assert asked() == ["show job 7 --oneliner"]
    pauses.queue_again()
    assert asked() == [], "a note counts once"
    monkeypatch.delenv("SLURM_JOB_ID")
    assert "queue" not in run_until_told(save=True), "outside of SLURM the same command goes on"
    pauses.queue_again()
    assert asked() == []


def test_a_command_that_ends_well_leaves_no_note():
    pauses.note(["sh", "-c", "exit 0"], progress=False)
    assert subprocess.run([sys.executable, str(SCRIPTS / "run_job.py"), "--", "sh", "-c", "exit 0"]).returncode == 0
    assert not list(pauses.FOLDER.iterdir())


def test_a_note_that_a_kill_cut_off_counts_as_none():
    pauses.note(["a"], progress=True)
    (path,) = pauses.FOLDER.glob("7/*.json")
    path.write_text('{"again": tr')
    pauses.queue_again()
    assert asked() == []
    pauses.note(["a"], progress=False)
    assert read_json(path) == {"again": True, "without_progress": 1}


@pytest.mark.parametrize(("later", "queues"), [(0.3, True), (None, True), (0.6, False)])
def test_slurm_tells_all_processes_at_once_and_the_command_may_be_gone_first(later, queues, monkeypatch):
    """It is a pause where the supervisor hears of it too, and a failure where somebody ended the command alone.

    Where no Snakemake of a SLURM job reads of pauses, nobody waits for such a signal.
    """
    if not queues:
        monkeypatch.delenv(pauses.QUEUES)
    command = [
        sys.executable,
        str(SCRIPTS / "run_job.py"),
        "--",
        sys.executable,
        "-c",
        "import os, time; print(os.getpid()); time.sleep(60)",
    ]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    os.kill(int(job.stdout.readline()), signal.SIGTERM)
    if later:
        time.sleep(later)
        job.send_signal(signal.SIGTERM)
    said = job.communicate(timeout=30)[1]
    assert job.returncode == 128 + signal.SIGTERM
    assert ("got SIGTERM, as the command did" in said and "goes back into the queue" in said) == bool(later and queues)
    assert queues or not said
    pauses.queue_again()
    assert ("requeue 7" in asked()) == bool(later and queues)


def test_a_failure_is_no_pause():
    assert "queue" not in run_until_told(save=True, ends=1), "it failed while it saved"
    pauses.note(["sh", "-c", "exit 3"], progress=True)  # its supervisor was killed before anybody read it
    assert subprocess.run([sys.executable, str(SCRIPTS / "run_job.py"), "--", "sh", "-c", "exit 3"]).returncode == 3
    pauses.queue_again()
    assert asked() == []


def test_what_cannot_be_written_is_said_in_one_line():
    Path(".snakemake").write_text("")
    assert "cannot be written" in run_until_told(save=True)
    pauses.queue_again()
    assert asked() == []


@pytest.mark.parametrize(
    ("variables", "job"),
    [
        ({"SLURM_JOB_ID": "../../x"}, None),
        ({"SLURM_JOB_ID": "*"}, None),
        ({"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "3"}, "5_3"),
    ],
)
def test_a_job_is_asked_for_by_its_own_name(variables, job, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    pauses.note(["a"], progress=True)
    pauses.queue_again()
    assert asked() == ([f"show job {job} --oneliner", f"requeue {job}"] if job else [])


def test_only_a_slurm_jobs_own_snakemake_reads_notes(monkeypatch):
    monkeypatch.delenv(pauses.QUEUES)  # a shell of salloc, say
    assert pauses.note(["a"], progress=True) == "" and not pauses.FOLDER.exists()
