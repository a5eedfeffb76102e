"""A training whose jobs run eight times as long as their SLURM walltime completes, and nobody types anything meanwhile."""

import datetime
import importlib.util
import json
import os
import shutil
import subprocess

import pytest

from .conftest import ROOT

HPC = ROOT / "tests/hpc"
TOOLS = ("slurmctld", "slurmd", "munged", "ip", "unshare", "nsenter")
MISSING = [tool for tool in TOOLS if not shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin")]
WALLTIMES, STEPS = 9, 3  # of the log below; steps between two pauses


@pytest.mark.full
@pytest.mark.workflow
@pytest.mark.timeout(4500)
@pytest.mark.skipif(os.getuid() != 0, reason="wants root")
@pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}: tests/hpc/install.sh")
def test_a_training_of_eight_walltimes_completes_unattended_through_a_real_slurm():
    """The demo's world, real verl, a SLURM of two nodes."""
    done = subprocess.run([HPC / "run.sh", "slurm", "walltimes"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:]


class Run:
    """What such a run leaves behind, and what the check says of it."""

    def __init__(self, place, monkeypatch):
        self.place = place
        monkeypatch.chdir(place)
        specification = importlib.util.spec_from_file_location("check", HPC / "check.py")
        self.check = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(self.check)
        self.steps = [*range(1, (WALLTIMES + 1) * STEPS + 1)]
        self.begins = [STEPS * number for number in range(WALLTIMES + 1)]
        self.said = "Job 0 has been submitted with SLURM jobid 7 (log: jobs/7.log).\n"
        self.seconds = 170  # of each run

    def walltimes(self) -> str:
        from mathrl.core.tensorboard import write_scalars

        stage = self.place / "checkpoints/grpo/main/0"
        files = {stage / f"trained_by/{number:04d}-after-{step}.json": "{}" for number, step in enumerate(self.begins, 1)}
        files[stage / "finished.json"] = "{}"
        files[stage / "verl.log"] = "".join(f"(Runner) step:{step} - critic/score/mean:0.5 - actor/lr:0.1\n" for step in self.steps)
        files[self.place / "results/grpo/main/manifest.json"] = json.dumps({"steps": self.begins[-1] + STEPS})
        files[self.place / "said"] = self.said
        files[self.place / "slurm"] = "".join(self._run(number) for number in range(WALLTIMES + 1))
        files[self.place / "jobs/7.log"] = "supervisor: the walltime ends soon: ending the command\n" * WALLTIMES
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for step in sorted(set(self.steps)):
            write_scalars(stage / "tensorboard", step, {"critic/score/mean": 0.5})
        return self.check.walltimes(".", "3", str(self.begins[-1] + STEPS), "said", "slurm", "jobs")

    def _run(self, number: int) -> str:
        """slurmctld's lines about one run of the job, with those of another job between them."""
        begin = datetime.datetime(2026, 11, 30, 9, 0, 0, 250000) + datetime.timedelta(minutes=5 * number)
        at = [f"[{time.isoformat(timespec='milliseconds')}]" for time in (begin, begin + datetime.timedelta(seconds=self.seconds))]
        started = "sched/backfill: _start_job: Started JobId=7 in gpu on n1" if number % 2 else "sched: Allocate JobId=7 NodeList=n1"
        ended = "Requeuing JobId=7" if number < WALLTIMES else f"_job_complete: JobId=7 WEXITSTATUS 0\n{at[1]} _job_complete: JobId=7 done"
        return f"{at[0]} {started}\n{at[1]} Requeuing JobId=77\n{at[1]} {ended}\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    return Run(tmp_path, monkeypatch)


def test_the_check_of_that_run_counts_walltimes_and_steps(run):
    said = run.walltimes()
    assert said.startswith(f"{run.begins[-1] + STEPS} steps, each once, in {WALLTIMES} walltimes of 3 minutes and a last job: 28.3 minutes")


def redone(run):
    run.steps.insert(STEPS, STEPS)


def lost(run):
    run.steps.remove(STEPS)


def begun_anew(run):
    run.begins[5] = 0


def failed(run):
    run.said += "Error in rule train_policy:\n"


def submitted_twice(run):
    run.said += run.said.replace("7", "8")


def ended_by_slurm(run):
    run.seconds = 200


def short(run):
    run.seconds = 100


FAULTS = {
    redone: "not each step once",
    lost: "not each step once",
    begun_anew: "training began after",
    failed: "a pause was a failure",
    submitted_twice: "a pause was a failure",
    ended_by_slurm: "SLURM ended it",
    short: "less than 8 walltimes",
}


@pytest.mark.parametrize(("fault", "told"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])
def test_the_check_of_that_run_refuses(run, fault, told):
    fault(run)
    with pytest.raises(AssertionError, match=told):
        run.walltimes()


def test_an_apptainer_of_the_hosts_own_is_told_which_capabilities_there_are(tmp_path):
    settings = tmp_path / "etc/apptainer/apptainer.conf"
    for program, said in (("capsh", "Bounding set =cap_chown,cap_kill"), ("apptainer", "")):
        (tmp_path / program).write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / program).chmod(0o755)
    settings.parent.mkdir(parents=True)
    settings.write_text("root default capabilities = full\n")
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([HPC / "capabilities.sh", tmp_path / "opt/apptainer/etc", tmp_path / "etc"], env=path, capture_output=True)
    assert (done.returncode, settings.read_text()) == (0, "root default capabilities = file\n"), done.stderr
