"""GPUs of one host: distinct devices for each job, given back however the job dies."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mathrl.core.files import UserError
from mathrl.execution import gpus, processes
from support.killing import kill_with_its_guard, unless_another_job_was_next

RUN = str(Path(__file__).resolve().parents[2] / "scripts" / "run_job.py")

# A job: takes a lock of its own per device (two holders of one device are caught), notes its GPUs, works a while.
# Some of them leave a daemon behind that closes everything it inherited, like Ray's.
JOB = r"""
import fcntl, os, subprocess, sys, time
directory, seconds, daemon = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "daemon"
handles = []
for name in os.environ["CUDA_VISIBLE_DEVICES"].split(","):
    handle = os.open(f"{directory}/used-{name}", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        open(f"{directory}/double-{name}-{os.getpid()}", "w").close()
    os.set_inheritable(handle, True)
    handles.append(handle)
if daemon:
    # keeps our check lock (it still computes on the GPU) and drops every other inherited file
    subprocess.Popen(["sleep", "30"], pass_fds=handles, start_new_session=True)
open(f"{directory}/ran-{os.getpid()}", "w").close()
time.sleep(seconds)
"""


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A lock directory of this test, and six devices that only exist by declaration."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("MATHRL_GPUS", "6")
    monkeypatch.setenv("MATHRL_GPUS_DIR", str(tmp_path / "locks"))
    return tmp_path


def supervised(*arguments: str, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, RUN, *arguments], text=True, stderr=subprocess.PIPE, **options)


def locked(path: Path) -> bool:
    with open(path, "a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize("jobs", [60, pytest.param(200, marks=pytest.mark.full)])
def test_random_jobs_a_third_killed(state, jobs):
    """60 or 200 jobs want 1–6 of 6 devices, a third die by SIGKILL (supervisor or job): no device double, none lost."""
    dice = random.Random(7)
    script = state / "job.py"
    script.write_text(JOB)
    todo = list(range(jobs))
    errors: list[str] = []
    killed = [0]
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                if not todo:
                    return
                todo.pop()
                count, seconds = dice.randint(1, 6), dice.uniform(0, 0.05)
                daemon, victim, delay = dice.random() < 0.3, dice.random(), dice.uniform(0.05, 0.25)
            job = [sys.executable, "-S", "-E", str(script), str(state), str(seconds), "daemon" if daemon else "plain"]
            process = supervised("--gpus", str(count), "--", *job)
            if victim < 1 / 3:
                time.sleep(delay)
                target = process.pid
                if victim < 1 / 6:  # the job itself instead of its supervisor
                    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
                    below = children.read_text().split() if children.exists() else []
                    target = int(below[0]) if below else process.pid
                try:
                    os.kill(target, signal.SIGKILL)
                    killed[0] += 1
                except ProcessLookupError:
                    pass
            try:
                _, text = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                errors.append("deadlock")
                return
            if process.returncode not in (0, -9, 137):
                errors.append(f"exit {process.returncode}: {text}")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert not list(state.glob("double-*")), "a device was held by two jobs"
    assert killed[0] > jobs / 5
    assert len(list(state.glob("ran-*"))) > jobs * 0.6
    last = supervised("--gpus", "6", "--", "true")  # all six can be had: none is lost
    assert last.wait(timeout=20) == 0, last.stderr.read()
    assert not list((state / "locks").glob("ticket-*"))
    assert not [path for path in state.glob("used-*") if locked(path)], "a process of a dead job lives on"


def test_a_gpu_stays_taken_until_the_last_process_is_gone(state):
    """The command ends but its child in the same tree works on: nobody else gets the GPU meanwhile."""
    first = supervised("--gpus", "6", "--grace", "9", "--", "bash", "-c", "trap '' TERM; (trap '' TERM; sleep 1.5) & exit 0")
    begin = time.monotonic()
    time.sleep(0.4)
    second = supervised("--gpus", "1", "--", "true")
    assert second.wait(timeout=15) == 0
    assert time.monotonic() - begin > 1.2
    assert first.wait(timeout=15) == 0


@unless_another_job_was_next
def test_a_killed_supervisor_does_not_free_gpus_in_use(state):
    """SIGKILL of the supervisor: the command dies too, a daemon that closed the lock is ended before the next job."""
    pid_file = state / "pid"
    script = (
        "import subprocess, time; p = subprocess.Popen(['sleep', '60'], start_new_session=True);"
        f"open({str(pid_file)!r}, 'w').write(str(p.pid)); time.sleep(60)"
    )
    first = supervised("--gpus", "6", "--", sys.executable, "-c", script)
    until = time.monotonic() + 10
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    daemon = int(pid_file.read_text())
    kill_with_its_guard(first)
    assert processes.start_time(daemon) is not None, "this case needs a daemon that survived"
    second = supervised("--gpus", "2", "--", "true")
    _, text = second.communicate(timeout=20)
    assert second.returncode == 0
    assert "left behind" in text
    assert processes.start_time(daemon) is None


def test_who_waits_longest_comes_first(state):
    """A job for six GPUs is not starved by a stream of jobs for one."""
    first = supervised("--gpus", "1", "--", "sleep", "0.8")
    time.sleep(0.3)
    order = state / "order"
    big = supervised("--gpus", "6", "--", "bash", "-c", f"echo big >> {order}")
    time.sleep(0.3)
    small = [supervised("--gpus", "1", "--", "bash", "-c", f"echo small >> {order}") for _ in range(3)]
    for process in [first, big, *small]:
        assert process.wait(timeout=20) == 0
    assert order.read_text().split()[0] == "big"


def test_jobs_with_other_gpus_do_not_wait_for_each_other(state):
    """A queue before GPUs 0 and 1 does not hold up a job that may only use 2 and 3."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "0,1"}
    first = supervised("--gpus", "2", "--", "sleep", "15", env=environment)
    time.sleep(0.3)
    waiting = supervised("--gpus", "2", "--", "true", env=environment)
    time.sleep(0.2)
    other = supervised("--gpus", "2", "--", "true", env=environment | {"CUDA_VISIBLE_DEVICES": "2,3"})
    assert other.wait(timeout=10) == 0
    assert first.poll() is None, "it waited for the queue"
    first.terminate()
    assert waiting.wait(timeout=10) == 0
    first.wait(timeout=10)


@pytest.mark.parametrize(
    ("given", "expected", "reason"),
    [
        ("4,2,0", ["4", "2", "0"], "order and choice of the user"),
        ("", [], "empty: no GPU, as CUDA reads it"),
        ("-1", [], "the usual way to switch GPUs off"),
        ("0,1,-1,2", ["0", "1"], "CUDA stops at the first invalid entry"),
        ("1,1", ["1"], "named twice is one GPU"),
        ("GPU-a,GPU-b", ["GPU-a", "GPU-b"], "UUIDs"),
    ],
)
def test_devices_given_from_outside(given, expected, reason):
    assert gpus.visible_devices({"CUDA_VISIBLE_DEVICES": given, "MATHRL_GPUS": "6"}) == expected, reason


def test_an_index_and_the_uuid_of_one_gpu_are_one_lock():
    physical = ["GPU-11111111-aaaa", "GPU-22222222-bbbb"]
    assert gpus.device_key("1", physical) == gpus.device_key("GPU-22222222-bbbb", physical) == gpus.device_key("GPU-2", physical)
    assert gpus.device_key("0", physical) != gpus.device_key("1", physical)
    assert gpus.device_key("GPU-", physical) == "GPU-", "a prefix of both is neither"


def test_only_gpus_from_the_given_list_are_taken(state, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,3")
    held = gpus.acquire(2, "1.1.test")
    assert held.names == ["5", "3"]
    held.release()


@pytest.mark.parametrize(
    ("environment", "count", "message"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, 3, "asks for 3 GPU.* may use 2 .0,1."),
        ({"CUDA_VISIBLE_DEVICES": ""}, 1, "shows none .CUDA_VISIBLE_DEVICES is empty.*profiles/demo"),
        ({"MATHRL_GPUS": "0"}, 1, "shows none; .*profiles/demo"),
    ],
)
def test_what_can_never_be_had_is_refused(state, monkeypatch, environment, count, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message):
        gpus.acquire(count, "1.1.test")


@pytest.mark.parametrize(
    ("given", "code", "shown", "reason"),
    [
        ("4,5", 0, "4,5", "SLURM chose: nothing is changed"),
        ("4", 2, "", "fewer than asked: Snakemake lowered the request silently"),
        (None, 2, "", "a node without GPUs"),
    ],
)
def test_under_slurm_nothing_is_assigned(state, given, code, shown, reason):
    if given is None and gpus.physical_devices():
        pytest.skip("this host has GPUs")
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"} | {"SLURM_JOB_ID": "7"}
    if given is not None:
        environment |= {"CUDA_VISIBLE_DEVICES": given, "ROCR_VISIBLE_DEVICES": given}  # as SLURM does; verl refuses both
    process = subprocess.run(
        [sys.executable, RUN, "--gpus", "2", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES$ROCR_VISIBLE_DEVICES"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stdout.strip()) == (code, shown), reason
    assert not (state / "locks").exists()


def test_a_lock_directory_of_somebody_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(gpus.STATE, str(tmp_path / "link"))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(UserError, match="is no directory of this user"):
        gpus.state_directory()


@unless_another_job_was_next
def test_an_orphan_that_holds_the_lock_is_ended_by_the_next_job(state):
    """What inherited the lock lives on after its supervisor was killed; the next job waited for it for ever."""
    first = supervised("--gpus", "6", "--", "sh", "-c", f"setsid sleep 60 & echo $! > {state}/pid; wait")
    until = time.monotonic() + 10
    while not ((state / "pid").exists() and (state / "pid").read_text().strip()) and time.monotonic() < until:
        time.sleep(0.02)
    orphan = int((state / "pid").read_text())
    kill_with_its_guard(first)
    assert processes.start_time(orphan) is not None and locked(state / "locks/gpu-0"), "this case needs an orphan with the lock"
    second = supervised("--gpus", "1", "--", "true")
    _, text = second.communicate(timeout=20)
    assert second.returncode == 0 and f"ended process {orphan} " in text and "left behind" in text
    assert processes.start_time(orphan) is None


def test_who_waits_for_a_lock_of_somebody_unknown_is_told_who_has_it(state):
    (state / "locks").mkdir()
    holder = subprocess.Popen(["flock", str(state / "locks/gpu-3"), "sleep", "60"], start_new_session=True)
    while not locked(state / "locks/gpu-3"):
        time.sleep(0.02)
    waiting = supervised("--gpus", "6", "--", "true")
    try:
        assert "GPUs: waiting for 6" in (line := waiting.stderr.readline()), line
        assert f"GPU 3 is held by pid {holder.pid} flock" in line or ("GPU 3 is held by pid" in line and "sleep 60" in line)
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()
    assert waiting.wait(timeout=10) == 0


def test_a_stray_file_among_the_tickets_is_left_alone(state):
    (state / "locks").mkdir()
    for name in ("ticket-xyz", "ticket-", "ticket-000000001.bak"):
        (state / "locks" / name).write_text("")
    done = supervised("--gpus", "1", "--", "true")
    assert done.communicate(timeout=20)[1] == "supervisor: GPUs 0\n" and done.returncode == 0
