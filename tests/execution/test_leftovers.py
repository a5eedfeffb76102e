"""What a job leaves on its host goes with it: temporary files, shared memory, semaphores."""

from __future__ import annotations

import mmap
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from mathrl.execution import leftovers, processes
from support.killing import kill_with_its_guard, unless_another_job_was_next

from .test_supervisor import RUN, SCRIPTS, read_pid, start, wait_for


def test_each_job_has_a_ray_directory_of_its_own():
    """Two jobs on one host must not meet in /tmp/ray; nothing stays behind."""
    script = "import os; d = os.environ['RAY_TMPDIR']; open(d + '/x', 'w'); print(d)"
    first, second = (start("--", sys.executable, "-c", script) for _ in range(2))
    one, two = first.communicate(timeout=10)[0].strip(), second.communicate(timeout=10)[0].strip()
    assert one != two
    assert not os.path.exists(one)
    assert not os.path.exists(two)
    session = "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
    assert len(one + "/ray" + session) < 107, "the kernel's limit for a socket's path"


def test_shared_memory_of_killed_processes_is_removed(tmp_path):
    script = (
        "from multiprocessing import shared_memory, resource_tracker\n"
        "memory = shared_memory.SharedMemory(create=True, size=4096)\n"
        "resource_tracker.unregister(memory._name, 'shared_memory')\n"
        f"import signal; signal.signal(15, signal.SIG_IGN); open({str(tmp_path / 'name')!r}, 'w').write(memory.name)\n"
        "import time; time.sleep(60)"
    )
    process = start("--", "bash", "-c", f'"{sys.executable}" -c "$0" & sleep 60', script)
    name = tmp_path / "name"
    assert wait_for(lambda: name.exists() and name.read_text())
    path = Path("/dev/shm") / name.read_text()
    assert path.exists()
    process.terminate()
    process.wait(timeout=20)
    assert not path.exists()


def test_temporary_files_of_a_job_go_with_it(tmp_path_factory):
    """Also where TMPDIR names a place, as Snakemake does for each job; a place with no room for a folder stays as it is."""
    code = "import tempfile; print(tempfile.mkstemp(suffix='ckpt.lock')[1])"
    process = start("--", sys.executable, "-c", code)
    made = Path(process.communicate(timeout=20)[0].strip())
    assert made.parts[2].startswith("mathrl-ray-") and not made.exists()
    with tempfile.TemporaryDirectory(prefix="t") as short:
        process = start("--", sys.executable, "-c", code, TMPDIR=short)
        made = Path(process.communicate(timeout=20)[0].strip())
        assert made.parent.parent == Path(short) and made.parent.name.startswith("mathrl-tmp-") and not list(Path(short).iterdir())
    long = tmp_path_factory.mktemp("x" * 60)
    process = start("--", sys.executable, "-c", code, TMPDIR=str(long))
    assert Path(process.communicate(timeout=20)[0].strip()).parent == long, "sockets must fit into it"


def test_a_job_within_a_job_may_share_its_directory(tmp_path):
    """Ray's on each node has the directory of the training's job."""
    inner = "from mathrl.execution.supervisor import Supervisor; import os, sys; from pathlib import Path\n"
    inner += "one = Supervisor([sys.executable, '-c', 'import os; print(os.environ[\"TMPDIR\"])'], 0)\n"
    inner += "one.ray_directory = Path(os.environ['RAY_TMPDIR']); sys.exit(one.run())"
    process = start("--", sys.executable, "-c", inner, PYTHONPATH=str(SCRIPTS), TMPDIR=str(tmp_path.parents[2]))
    said = process.communicate(timeout=30)[0]
    assert process.returncode == 0 and "mathrl-tmp-" in said, said


def test_what_a_job_links_to_is_not_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    process = start("--", "sh", "-c", f"rm -rf $RAY_TMPDIR/tmp; ln -s {tmp_path}/mine $RAY_TMPDIR/tmp")
    assert process.wait(20) == 0 and (tmp_path / "mine").is_dir()


def test_temporary_files_of_a_job_of_snakemake_go_with_it(tmp_path):
    """Snakemake sets TMPDIR in each job, whatever the user set."""
    command = shlex.join([sys.executable, str(RUN), "--", "sh", "-c", "mktemp > place"])
    (tmp_path / "Snakefile").write_text(f"rule all:\n    output: 'place'\n    shell: {command!r}\n")
    snakemake = SCRIPTS.parent / ".venv-driver/bin/snakemake"
    if not snakemake.exists():
        pytest.skip("needs .venv-driver (make env)")
    done = subprocess.run([snakemake, "--cores", "1", "--quiet"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = Path((tmp_path / "place").read_text().strip())
    assert made.parent.name.startswith("mathrl-tmp-") and not made.exists() and not made.parent.exists()


@pytest.mark.parametrize("temporary", ["", "here"], ids=["none", "relative"])
@unless_another_job_was_next
def test_what_a_killed_supervisor_left_goes_with_the_next_job(tmp_path, monkeypatch, temporary):
    """Its directory, its temporary files, also in a TMPDIR that is relative, its processes and a semaphore of a dead one."""
    with tempfile.TemporaryDirectory(prefix="t") as short:
        monkeypatch.chdir(short)
        Path(short, "here").mkdir()
        script = f"sleep 60 & ls -d $TMPDIR > {tmp_path}/own; echo $RAY_TMPDIR > {tmp_path}/place; (: & echo $! > {tmp_path}/dead); wait"
        process = start("--", "sh", "-c", script, **({"TMPDIR": temporary} if temporary else {}))
        assert wait_for(lambda: (tmp_path / "dead").exists() and (tmp_path / "dead").read_text().strip())
        left, own = (Path((tmp_path / name).read_text().strip()) for name in ("place", "own"))
        semaphore = Path(f"/dev/shm/sem.loky-{read_pid(tmp_path / 'dead')}-test")
        semaphore.touch()
        kill_with_its_guard(process)
        assert left.is_dir() and own.is_dir() and semaphore.exists()
        job = (left / "job").read_text()
        assert wait_for(lambda: len(processes.tagged(processes.JOB, job)) == 1), "its shell died with it, the shell's child lives on"
        following = start("--", "true")
        assert "left behind by a job whose supervisor was killed" in following.communicate(timeout=20)[1] and following.returncode == 0
        assert not left.exists() and not own.exists() and not semaphore.exists() and not processes.tagged(processes.JOB, job)


def test_a_directory_without_a_name_goes_when_it_is_old_and_nobodys():
    made = {name: Path(f"/tmp/mathrl-ray-{name}") for name in ("0000feed", "0000cafe", "0000beef", "0000")}
    user = subprocess.Popen(["sleep", "60"], env=os.environ | {"RAY_TMPDIR": str(made["0000beef"])})
    try:
        for name, place in made.items():
            place.mkdir(mode=0o700)
            (place / "session").mkdir()
            if name != "0000cafe":
                os.utime(place, (0, 0))
        leftovers.sweep()
        assert [name for name, place in made.items() if place.exists()] == ["0000cafe", "0000beef", "0000"]
    finally:
        user.kill()
        user.wait()
        for place in made.values():
            shutil.rmtree(place, ignore_errors=True)


def test_half_of_a_name_is_none_and_stops_no_later_job():
    """A full disk leaves an empty file, a machine that goes down any bytes: each later job would fail as it begins."""
    whole = b"1.2.00000000-1.0000abcd"
    made = {
        Path(f"/tmp/mathrl-ray-0000{place:04x}"): text
        for place, text in enumerate((b"", b"\xff\0", "²".encode() + whole, b"1" * 5000 + whole, whole), 0xA0A0)
    }
    try:
        for place, text in made.items():
            place.mkdir(mode=0o700)
            (place / "job").write_bytes(text)
        leftovers.sweep()
        assert all(place.exists() for place in made), "they are young"
        for place in made:
            os.utime(place, (0, 0))
        leftovers.sweep()
        assert [text for place, text in made.items() if place.exists()] == [whole], "another host's"
    finally:
        for place in made:
            shutil.rmtree(place, ignore_errors=True)


def test_semaphores_of_others_stay(tmp_path):
    """A living process's, an older one's, one of another range of process ids, one that somebody has mapped under whatever name."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    places = [
        Path(f"/dev/shm/sem.loky-{pid}-{name}") for pid, name in ((os.getpid(), "a"), (dead.pid, "b"), (dead.pid, "c"), (dead.pid, "d"))
    ]
    try:
        for place in places:
            place.write_bytes(b"\0" * 4096)
        os.utime(places[1], (0, 0))
        with open(places[2], "r+b") as file, mmap.mmap(file.fileno(), 4096):
            leftovers.remove_semaphores(dead.pid + 1, 0)
            assert all(place.exists() for place in places)
            leftovers.remove_semaphores(dead.pid - 1, time.time() - 60)
            assert [place.exists() for place in places] == [True, True, True, False]
    finally:
        for place in places:
            place.unlink(missing_ok=True)


def test_semaphores_of_processes_that_are_ended_go_with_them():
    child = subprocess.Popen(["sleep", "60"])
    semaphore = Path(f"/dev/shm/sem.loky-{child.pid}-test")
    semaphore.write_bytes(b"")
    processes.end_all(lambda: {child.pid} - ({child.pid} if child.poll() is not None else set()))
    assert not semaphore.exists()
