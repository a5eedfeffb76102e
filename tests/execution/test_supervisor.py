"""Nothing of a command outlives it, whoever is killed."""

from __future__ import annotations

import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mathrl.execution import leftovers, processes, slurm
from support.speed import slowness

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
RUN = str(SCRIPTS / "run_job.py")

# Detaches twice, drops the parent's files and its place in the tree: what Ray's gcs_server and raylet do.
DAEMON = r"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(3, 256)
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(60)
    os._exit(0)
os.wait()
while not (os.path.exists(sys.argv[1]) and open(sys.argv[1]).read()):
    time.sleep(0.01)
exec(sys.argv[2])
"""


def start(*arguments: str, **environment: str) -> subprocess.Popen:
    whole = {k: v for k, v in os.environ.items() if k not in ("SLURM_JOB_ID", processes.OWNER)} | environment
    command = [sys.executable, RUN, *arguments]
    return subprocess.Popen(command, env=whole, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


def wait_for(condition, seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def read_pid(path: Path) -> int:
    assert wait_for(lambda: path.exists() and path.read_text())
    return int(path.read_text())


def is_gone(pid: int) -> bool:
    return processes.start_time(pid) is None


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        (["true"], 0, "success"),
        (["sh", "-c", "exit 7"], 7, "the command's own code"),
        (["sh", "-c", "kill -TERM $$"], 143, "128 + signal, as shells say it"),
        (["sh", "-c", "kill -KILL $$"], 137, "out of memory looks like this"),
        (["no-such-command"], 127, "as shells say it"),
    ],
)
def test_exit_codes(command, code, reason):
    assert start("--", *command).wait(timeout=10) == code, reason


@pytest.mark.parametrize("once", [[], ["--once"]])
def test_a_launcher_that_ignores_the_end_of_its_children_gets_the_exit_code_all_the_same(once):
    launcher = f"trap '' CHLD; exec {shlex.join([sys.executable, RUN, *once, '--', 'sh', '-c', 'exit 7'])}"
    assert subprocess.run(["bash", "-c", launcher], timeout=20).returncode == 7


def test_starts_fast():
    """A workflow of many small jobs must not feel it: under 0.15 s of CPU, Python's own start included (best of five)."""
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert start("--", "true").wait(timeout=20) == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.15 * slowness()


def test_output_and_input_pass_through():
    process = subprocess.run([sys.executable, RUN, "--", "cat"], input="a line\n", capture_output=True, text=True)
    assert process.stdout == "a line\n"


@pytest.mark.parametrize("ending", ["pass", "sys.exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_daemon_does_not_outlive_the_command(tmp_path, ending):
    process = start("--", sys.executable, "-c", DAEMON, str(tmp_path / "pid"), ending)
    daemon = read_pid(tmp_path / "pid")
    _, text = process.communicate(timeout=20)
    assert process.returncode == {"pass": 0, "sys.exit(3)": 3}.get(ending, 137)
    assert is_gone(daemon)
    assert f"{daemon} " in text, "what was ended is said"


def test_sigterm_lets_the_command_save_while_its_workers_live(tmp_path):
    """The command alone gets the signal; after it has saved, all else is ended."""
    save = (
        "import signal\n"
        "def save(*_):\n"
        f"    alive = os.path.exists('/proc/' + open({str(tmp_path / 'pid')!r}).read())\n"
        f"    time.sleep(0.3); open({str(tmp_path / 'saved')!r}, 'w').write(str(alive)); sys.exit(0)\n"
        f"signal.signal(signal.SIGTERM, save); open({str(tmp_path / 'ready')!r}, 'w'); time.sleep(60)"
    )
    process = start("--grace", "60", "--", sys.executable, "-c", DAEMON, str(tmp_path / "pid"), save)  # a machine can stand still for 10 s
    assert wait_for((tmp_path / "ready").exists)
    process.terminate()
    _, text = process.communicate(timeout=90)
    assert process.returncode == 0, text
    assert (tmp_path / "saved").read_text() == "True"
    assert is_gone(read_pid(tmp_path / "pid"))


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace(tmp_path):
    ready = tmp_path / "ready"
    process = start("--grace", "0.5", "--", "bash", "-c", f"trap '' TERM; touch {ready}; sleep 60")
    assert wait_for(ready.exists)
    begin = time.monotonic()
    process.terminate()
    _, text = process.communicate(timeout=20)
    assert process.returncode == 137
    assert 0.4 < time.monotonic() - begin < 5
    assert "did not end within 0.5 s: killed" in text


def test_the_job_ends_when_its_snakemake_is_gone(tmp_path):
    """Snakemake killed by -9: its job does not go on for hours and hold the GPUs."""
    snakemake = subprocess.Popen(["sleep", "60"])
    token = processes.owner_token(snakemake.pid)
    process = start("--", sys.executable, "-c", DAEMON, str(tmp_path / "pid"), "time.sleep(60)", MATHRL_OWNER=token)
    daemon = read_pid(tmp_path / "pid")
    snakemake.kill()
    snakemake.wait()
    begin = time.monotonic()
    _, text = process.communicate(timeout=20)
    assert time.monotonic() - begin < 3
    assert process.returncode == 143
    assert "the Snakemake that started this job is gone" in text
    assert is_gone(daemon)


def test_an_owner_on_another_host_is_not_judged(tmp_path):
    process = start("--", "sleep", "1.2", MATHRL_OWNER="1:1:another-world:another-host")
    assert process.wait(timeout=10) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces everywhere")
@pytest.mark.parametrize("namespace", [("--pid", "--fork", "--mount-proc"), ("--uts", "--fork")], ids=["pid", "uts"])
def test_a_namespace_of_its_own_does_not_end_the_job(namespace):
    """As `apptainer --containall` and `--uts` make it: process ids of outside mean nothing inside."""
    environment = {**os.environ, "MATHRL_OWNER": processes.owner_token()}
    command = ["unshare", *namespace, "sh", "-c", 'hostname "$0" 2>/dev/null; exec "$@"', os.uname().nodename]
    done = subprocess.run(
        [*command, sys.executable, RUN, "--", "sh", "-c", "sleep 1.2; echo done"], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces everywhere")
def test_a_job_in_a_namespace_is_no_orphan_outside():
    """Seen from outside its supervisor's number is another process's."""
    process = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", sys.executable, RUN, "--", "sleep", "30"])
    try:
        assert wait_for(lambda: any(processes.command_line(pid) == "sleep 30" for pid in processes.descendants(process.pid)))
        (inside,) = [pid for pid in processes.descendants(process.pid) if processes.command_line(pid) == "sleep 30"]
        job = processes.environment(inside)[processes.JOB]
        assert not processes.supervisor_is_gone(job) and processes.supervisor(job) is None
        assert not processes.namespace_is_gone(job)
        assert start("--", "true").wait(timeout=20) == 0 and leftovers.directory_of(job).exists()
    finally:
        processes.send([process.pid, *processes.descendants(process.pid)], signal.SIGKILL)
        process.wait()
    if not processes.world().endswith(f"-{processes.INITIAL}"):  # in a container nobody can know that the namespace has ended
        return leftovers.remove(leftovers.directory_of(job))
    assert wait_for(lambda: processes.namespace_is_gone(job))
    assert start("--", "true").wait(timeout=20) == 0 and not leftovers.directory_of(job).exists(), "the next job removes what it left"
    return None


@pytest.mark.parametrize("job", ["", "1", "1.2", "1.2.x.y", "1.2.-.y", "1.2.unknown.y", "1.2.00000000-4026532182.y"])
def test_of_another_machine_nothing_is_known(job):
    assert not processes.namespace_is_gone(job)
    assert not processes.namespace_is_gone(f"1.2.{processes.world()}.y"), "it is ours"


def test_a_service_lives_on_while_others_save(tmp_path):
    """Ray on each node of a job: SLURM tells all processes to end, and who trains still needs it."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from mathrl.execution.supervisor import Supervisor\n"
        "sys.exit(Supervisor(['bash', '-c', 'echo up; sleep 60 & wait'], 0, grace=1.0, service=True).run())"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(SCRIPTS)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    inner = int(subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()[0])
    for pid in (process.pid, inner):
        os.kill(pid, signal.SIGTERM)
    time.sleep(1)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGUSR1)
    assert process.wait(20) != 0


def test_a_shell_that_ignores_sigterm_does_not_make_the_command_deaf():
    ask = "import signal; print(signal.getsignal(signal.SIGTERM).name)"
    shell = f"trap '' TERM; {shlex.join([sys.executable, str(RUN), '--', sys.executable, '-c', ask])}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert done.stdout.strip() == "SIG_DFL", done.stderr


def test_a_shell_that_dies_takes_the_job_along(tmp_path):
    """Snakemake ends a rule's shell by SIGTERM and the shell passes nothing on."""
    pid_file = tmp_path / "pid"
    line = f"{shlex.join([sys.executable, str(RUN)])} -- sh -c 'echo $$ > {pid_file}; sleep 60'; true"
    environment = os.environ | {"MATHRL_OWNER": processes.owner_token()}
    shell = subprocess.Popen(["bash", "-c", line], env=environment, stderr=subprocess.DEVNULL)
    command = read_pid(pid_file)
    shell.terminate()
    shell.wait()
    assert wait_for(lambda: is_gone(command), 5)


def test_a_killed_supervisor_takes_its_command_along(tmp_path):
    pid_file = tmp_path / "pid"
    process = start("--", "sh", "-c", f"echo $$ > {pid_file}; exec sleep 60")
    command = read_pid(pid_file)
    process.kill()
    assert wait_for(lambda: is_gone(command), 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no command given"),
        (["--gpus", "-1", "--", "true"], "must not be negative"),
        (["--gpus", "1", "--grace", "-1", "--", "true"], "must not be negative"),
    ],
)
def test_bad_arguments(arguments, message):
    process = start(*arguments)
    _, text = process.communicate(timeout=10)
    assert process.returncode == 2
    assert message in text
    assert text.count("\n") == 1


def test_a_signal_that_is_no_end_reaches_the_command(tmp_path):
    """SIGUSR1: what SLURM sends before the walltime (sbatch --signal)."""
    ready = tmp_path / "ready"
    process = start("--", "bash", "-c", f"trap 'exit 5' USR1; touch {ready}; while :; do sleep 0.05; done")
    assert wait_for(ready.exists)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=10) == 5


def test_the_command_is_told_before_the_walltime(tmp_path):
    """SLURM kills at the walltime; the command hears of it early enough to save, in the last half of its time at most."""
    script = f"trap 'touch {tmp_path}/saved; exit 9' TERM; sleep 60 & wait"
    begin = time.monotonic()
    process = start("--grace", "5", "--", "bash", "-c", script, MATHRL_DEADLINE=str(int(time.time()) + 4))
    _, text = process.communicate(timeout=20)
    assert 1 < time.monotonic() - begin < 4
    assert (process.returncode, (tmp_path / "saved").exists()) == (9, True)
    assert "the walltime ends soon" in text


@pytest.mark.parametrize(("text", "seconds"), [("1-02:03:04", 93784), ("10:00", 600), ("0:07", 7), ("3:00:00", 10800), ("12", 12)])
def test_time_left_as_slurm_writes_it(text, seconds):
    assert slurm.seconds_left(text) == seconds


def test_no_time_limit_is_no_deadline(monkeypatch):
    for text in ("UNLIMITED", "INVALID", "NOT_SET", ""):
        with pytest.raises(ValueError):
            slurm.seconds_left(text)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    slurm.note_deadline()
    assert slurm.DEADLINE not in os.environ


@pytest.mark.parametrize("victim", ["guard", "supervisor"])
@pytest.mark.parametrize("once", [False, True])
def test_whichever_of_guard_and_supervisor_is_killed_nothing_is_left(tmp_path, victim, once):
    """What they ran detaches itself, as Ray's daemons do, and would work on."""
    script = f"setsid sleep 60 & echo $! > {tmp_path}/pid; sleep 60 & echo $! > {tmp_path}/other; echo $RAY_TMPDIR > {tmp_path}/place; wait"
    process = start(*(["--once"] if once else []), "--", "bash", "-c", script)
    assert wait_for(lambda: (tmp_path / "place").exists() and (tmp_path / "place").read_text().strip())
    pids = [read_pid(tmp_path / "pid"), read_pid(tmp_path / "other")]
    (supervisor,) = psutil.Process(process.pid).children()
    os.kill(process.pid if victim == "guard" else supervisor.pid, signal.SIGKILL)
    assert wait_for(lambda: all(map(is_gone, [*pids, supervisor.pid])), 10)
    assert process.wait(timeout=10) in (-9, 137)
    assert wait_for(lambda: not Path((tmp_path / "place").read_text().strip()).exists(), 5)


def test_one_signal_that_comes_twice_ends_the_command_once(tmp_path):
    """A terminal's Ctrl-C, and SLURM's SIGTERM, reach the guard and the supervisor alike; the command may be saving."""
    script = f"trap 'echo told >> {tmp_path}/told; sleep 2; exit 9' INT; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    process = start("--", "bash", "-c", script)
    assert wait_for((tmp_path / "ready").exists)
    for one in (*psutil.Process(process.pid).children(), psutil.Process(process.pid)):
        one.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 9 and (tmp_path / "told").read_text() == "told\n"


def test_the_walltime_is_no_pause_of_a_command_that_saves_nothing(tmp_path):
    """Told to end by SLURM: before its walltime it goes back into the queue; at its walltime it has failed, and gets more."""
    for left, noted in ((3600, 1), (10, 0)):
        (place := tmp_path / str(left)).mkdir()
        environment = os.environ | {"MATHRL_DEADLINE": str(int(time.time()) + left), "MATHRL_QUEUES_AGAIN": "1", "SLURM_JOB_ID": "7"}
        command = [sys.executable, RUN, "--once", "--", "sh", "-c", "touch ready; sleep 60"]
        process = subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.DEVNULL)
        assert wait_for((place / "ready").exists)
        time.sleep(1)
        assert process.poll() is None, "nobody told it of the walltime"
        process.terminate()
        assert process.wait(timeout=20) == 143
        assert len(list(place.glob(".snakemake/paused/7/*.json"))) == noted, left


SHOWS = "echo $PPID > {out}; tr '\\0' ' ' < /proc/$PPID/cmdline >> {out}"


@pytest.mark.parametrize(
    ("command", "supervised"),
    [
        ("true scripts/fetch_model.py 'a b' \"c'd\" {{1..3}} $((1+1)); " + SHOWS, True),
        ("true scripts/fetch_model.py | " + "cat; " + SHOWS, True),
        (f"true scripts/fetch_model.py {'y' * 70_000}; " + SHOWS, True),
        ("true scripts/run_job.py --gpus 1 -- scripts/x.py; " + SHOWS, False),
        ("true scripts/not_ours.py .snakemake/scripts/tmp1.x.py; " + SHOWS, False),
    ],
    ids=["quotes", "pipe", "file", "its own", "another's"],
)
def test_a_rules_command_runs_once_below_a_supervisor(tmp_path, command, supervised):
    """As Snakemake calls bash: the command as an argument, a very long one as a file."""
    line = "set -euo pipefail; . scripts/supervise.sh; " + command.format(out=shlex.quote(str(tmp_path / "shown")))
    line += f"; echo once >> {tmp_path}/times; exit 7"
    if len(line) > 65_000:
        (tmp_path / "script.sh").write_text(line + "\n")
        line = f'"/bin/bash" "{tmp_path}/script.sh"'
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", line], cwd=SCRIPTS.parent, env=environment, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
    assert (tmp_path / "times").read_text() == "once\n"
    assert ("scripts/run_job.py --once" in (tmp_path / "shown").read_text()) is supervised


def test_every_rule_has_such_a_command():
    """A script of ours by its place among the inputs: what supervise.sh looks for. Else the job would outlive a killed Snakemake."""
    rules = {}
    for path in (SCRIPTS.parent / "rules").glob("*.smk"):
        for block in re.split(r"^(?=(?:use )?rule )", path.read_text(), flags=re.M)[1:]:
            rules[block.partition(":")[0]] = block
    commands = {name: block.partition("    shell:\n")[2] for name, block in rules.items() if not name.startswith("use ")}
    assert len(commands) > 30
    assert [name for name, command in commands.items() if "python {input.code[0]:q}" not in command] == []
    assert [name for name, block in rules.items() if re.search(r"^    (run|script|notebook|wrapper):", block, re.M)] == []


def stopped_and_continued(pid):
    for number in (signal.SIGSTOP, signal.SIGCONT):
        os.kill(pid, number)
        time.sleep(0.8 if number == signal.SIGSTOP else 0)


@pytest.mark.parametrize("which", ["guard", "supervisor"])
def test_a_pause_of_the_terminal_ends_nothing(which):
    """Ctrl-Z and fg, or a scheduler that suspends: Python's sigtimedwait tells of a signal that nobody sent."""
    process = start("--once", "--", "sh", "-c", "sleep 3")
    assert wait_for(lambda: psutil.Process(process.pid).children())
    (supervisor,) = psutil.Process(process.pid).children()
    for _ in range(2):
        stopped_and_continued(process.pid if which == "guard" else supervisor.pid)
    assert process.communicate(timeout=20)[1] == "" and process.returncode == 0


def test_what_was_ignored_at_the_start_stays_ignored():
    """`nohup snakemake` outlives its terminal."""
    command = ["nohup", sys.executable, str(RUN), "--once", "--", "sh", "-c", "sleep 1; echo done"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    assert wait_for(lambda: [one for one in psutil.Process(process.pid).children(recursive=True) if one.name() == "sleep"])
    os.kill(process.pid, signal.SIGHUP)
    out, errors = process.communicate(timeout=20)
    assert out == "done\n" and process.returncode == 0 and "SIGHUP" not in errors


def test_an_interrupt_reaches_what_the_shell_runs():
    process = start("--once", "--", "bash", "-c", "sleep 30; true")
    assert wait_for(lambda: [one for one in psutil.Process(process.pid).children(recursive=True) if one.name() == "sleep"])
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130 and time.monotonic() - begin < 4
