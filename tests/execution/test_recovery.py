"""The way is clear for the next call after Snakemake was killed, and nobody alive is harmed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from mathrl.core.files import UserError
from mathrl.execution import processes, recovery
from support.killing import kill_with_its_guard, unless_another_job_was_next

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
# the driver's Snakemake: beside the checkout's other environments, or on PATH
SNAKEMAKE = next((str(path) for path in [ROOT / ".venv-driver/bin/snakemake"] if path.exists()), shutil.which("snakemake") or "")

SNAKEFILE = """
import os
from mathrl.execution import processes, recovery
os.environ[processes.OWNER] = processes.owner_token()
onstart:
    recovery.claim(".")
rule long:
    output: "long.txt"
    shell: "{python} {scripts}/run_job.py --grace 1 -- bash -c 'echo $$ > pid; sleep {seconds}; date > long.txt'"
"""


def wait_for(condition, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def call(directory: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPTS / "recover_workflow.py"), "--directory", str(directory), "--grace", "5"]
    return subprocess.run(command, capture_output=True, text=True)


def snakemake(directory: Path) -> subprocess.Popen:
    with open(directory / "snakemake.log", "a") as log:
        # from another folder, as users of a shared installation do
        command = [SNAKEMAKE, "-s", str(directory / "Snakefile"), "-d", str(directory), "--cores", "1", "--rerun-incomplete"]
        environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
        return subprocess.Popen(command, cwd="/", env=environment, stdout=log, stderr=log, start_new_session=True)


@pytest.fixture
def workflow(tmp_path):
    assert SNAKEMAKE, "Snakemake is neither in .venv-driver nor on PATH: make env"

    def write(seconds: int) -> Path:
        text = SNAKEFILE.replace("{scripts}", shlex.quote(str(SCRIPTS))).replace("{python}", shlex.quote(sys.executable))
        (tmp_path / "Snakefile").write_text(text.replace("$$", "$$").replace("{seconds}", str(seconds)))
        return tmp_path

    return write


def test_nothing_to_do_is_silent_and_fast(tmp_path):
    begin = time.monotonic()
    done = call(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - begin < 1.0


def test_kill_dash_nine_of_snakemake_and_the_same_command_again(workflow):
    directory = workflow(60)
    first = snakemake(directory)
    pid = directory / "pid"
    assert wait_for(lambda: pid.exists() and pid.read_text()), (directory / "snakemake.log").read_text()
    job = int(pid.read_text())

    refused = call(directory)
    assert refused.returncode == 2
    assert f"(pid {first.pid})" in refused.stderr
    assert processes.start_time(job) is not None, "a job of a live Snakemake was ended"

    first.kill()
    first.wait()
    done = call(directory)
    assert done.returncode == 0, done.stderr
    assert "removed" in done.stdout and "lock" in done.stdout
    assert wait_for(lambda: processes.start_time(job) is None, 5)
    assert call(directory).stdout == "", "the second time there is nothing to do"

    workflow(0)
    assert snakemake(directory).wait(timeout=60) == 0, (directory / "snakemake.log").read_text()
    assert (directory / "long.txt").exists()


def test_orphans_without_a_supervisor_are_ended(tmp_path):
    """Supervisor killed as well: what is left is found by its tag; a job of another directory is left to the next supervisor."""
    (tmp_path / "other").mkdir()
    found, supervisors = {}, []
    for name, directory in {"here": tmp_path, "other": tmp_path / "other"}.items():
        script = (
            "import subprocess, time; p = subprocess.Popen(['sleep', '60'], start_new_session=True);"
            f"open({str(tmp_path / name)!r} + '.pid', 'w').write(str(p.pid)); time.sleep(60)"
        )
        command = [sys.executable, str(SCRIPTS / "run_job.py"), "--", sys.executable, "-c", script]
        supervisors.append(subprocess.Popen(command, cwd=directory, stderr=subprocess.DEVNULL))
        path = tmp_path / f"{name}.pid"
        assert wait_for(lambda path=path: path.exists() and path.read_text())
        found[name] = int(path.read_text())
    for pid, supervisor in zip(found.values(), supervisors, strict=True):
        job = processes.environment(pid)[processes.JOB].rsplit(".", 1)[-1]
        Path(f"/tmp/mathrl-ray-{job}/job").unlink()  # by it any supervisor that starts here would end what is left of a killed one
        kill_with_its_guard(supervisor)
    try:
        done = call(tmp_path)
        assert f"ended orphan {found['here']} sleep 60" in done.stdout
        assert processes.start_time(found["here"]) is None
        assert processes.start_time(found["other"]) is not None
    finally:
        os.kill(found["other"], signal.SIGKILL)


@unless_another_job_was_next
def test_temporary_files_of_orphans_go_too():
    """Also in a TMPDIR that is relative: a supervisor and its guard were killed, and no other job starts on this host."""
    with tempfile.TemporaryDirectory(prefix="t") as short:
        directory = Path(short)
        (directory / "here").mkdir()
        command = [sys.executable, str(SCRIPTS / "run_job.py"), "--", "sh", "-c", "sleep 60 & echo $TMPDIR > own; wait"]
        job = subprocess.Popen(command, cwd=directory, env=os.environ | {"TMPDIR": "here"}, stderr=subprocess.DEVNULL)
        assert wait_for(lambda: (directory / "own").exists() and (directory / "own").read_text().strip())
        own = Path((directory / "own").read_text().strip())
        assert own.parent == directory / "here"
        kill_with_its_guard(job)
        assert own.is_dir()
        assert "sleep 60" in call(directory).stdout
        assert not own.exists()


def test_a_lock_of_another_host_is_left_alone(tmp_path):
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").write_text("a\n")
    (tmp_path / ".snakemake" / "owner").write_text(f"1:1:not-{socket.gethostname()}\n")
    with pytest.raises(UserError, match="belongs to a Snakemake on host not-"):
        recovery.recover(tmp_path)
    assert (locks / "0.input.lock").exists()


def test_a_snakemake_that_starts_removes_a_lock_of_one_that_is_gone_for_certain(tmp_path):
    lock, owner = tmp_path / ".snakemake/locks/0.input.lock", tmp_path / ".snakemake/owner"
    lock.parent.mkdir(parents=True)
    lock.write_text("a\n")
    dead = f"1:1:{processes.world()}:{socket.gethostname()}"
    for unknown in (None, processes.owner_token(), f"1:1:not-{processes.world()}:{socket.gethostname()}"):
        if unknown:
            owner.write_text(unknown)
        assert recovery.clear_locks_of_the_dead(tmp_path) == 0 and lock.exists()
    owner.write_text(dead)
    os.utime(lock, ns=(0, owner.stat().st_mtime_ns + 1))  # of one on another host, that plans still
    assert recovery.clear_locks_of_the_dead(tmp_path) == 0 and lock.exists()
    os.utime(lock, ns=(0, owner.stat().st_mtime_ns))
    assert recovery.clear_locks_of_the_dead(tmp_path) == 1 and not lock.exists()


def test_an_editor_on_the_snakefile_is_no_snakemake(tmp_path):
    process = subprocess.Popen(["tail", "-f", "/dev/null", "--pid", str(os.getpid()), "snakemake"], cwd=tmp_path, stderr=-3)
    try:
        assert recovery.live_snakemake(tmp_path) is None
    finally:
        process.kill()
        process.wait()


def test_a_job_without_a_supervisor_is_ended_by_whoever_starts_next(tmp_path):
    """Rules that need no GPU run plainly; rules/common.smk tags their processes, and its onstart calls this."""
    dead = subprocess.Popen(["true"])
    owner = f"{dead.pid}:1:{processes.world()}:{socket.gethostname()}"
    dead.wait()
    tags = {processes.OWNER: owner, processes.WORKDIR: str(tmp_path)}
    orphan = subprocess.Popen(["sleep", "60"], env={**os.environ, **tags})
    mine = subprocess.Popen(["sleep", "60"], env={**os.environ, **tags, processes.OWNER: processes.owner_token()})
    wait_for(lambda: processes.command_line(orphan.pid) == "sleep 60" == processes.command_line(mine.pid))
    try:
        assert recovery.end_orphans(tmp_path.resolve()) == [f"{orphan.pid} sleep 60"]
        assert orphan.wait(timeout=5) != 0 and mine.poll() is None
    finally:
        mine.kill()
        mine.wait()
