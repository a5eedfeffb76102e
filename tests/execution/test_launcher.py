"""A launcher of the user's, from docs/how-to/your-own-code.md; `ssh` is a program here that starts a shell without our environment."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from mathrl.core.files import UserError
from mathrl.execution import launcher, preflight, processes
from support import pages
from support.waiting import wait_for

SSH = """#!/bin/sh
for word; do last=$word; done
echo "$@" >> "$(dirname "$0")/asked"
exec env -i PATH=/usr/bin:/bin sh -c "$last"
"""


@pytest.fixture
def reach(tmp_path, monkeypatch):
    """The page's launcher with a host that is this one."""
    pages.write_files("docs/how-to/your-own-code.md", tmp_path)
    given = yaml.safe_load((tmp_path / "mine/launcher.yaml").read_text())["launcher"]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(SSH)
    (tmp_path / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv(launcher.OWN, json.dumps(given | {"hosts": ["localhost", "me@localhost"]}))
    monkeypatch.chdir(tmp_path)
    return launcher.of_job(2, None)


def test_the_far_end_has_our_environment_and_no_secret_is_on_a_command_line(reach, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "very secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    tell = "import os; print(os.getcwd(), os.environ['RAY_AUTH_TOKEN'], os.environ.get('CUDA_VISIBLE_DEVICES'), file=open('told', 'w'))"
    started = reach.start("localhost", [sys.executable, "-c", tell])
    assert started.wait(60) == 0
    assert (tmp_path / "told").read_text().split("\n")[0] == f"{tmp_path} very secret None"
    asked = (tmp_path / "bin/asked").read_text()
    assert asked.startswith("-o BatchMode=yes localhost cd ") and "very secret" not in asked
    assert reach.allocation()[0] == ["localhost", "me@localhost"] and reach.address("me@localhost") == "127.0.0.1"


WAITS = """
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))
open("ready", "w").write(str(__import__("os").getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize(("end", "code"), [("signal", 7), ("broken", None)])
def test_signals_arrive_and_a_broken_connection_ends_the_far_end(reach, tmp_path, end, code):
    started = reach.start("localhost", [sys.executable, "-c", WAITS])
    wait_for(lambda: (tmp_path / "ready").exists() and (tmp_path / "ready").read_text(), 60, "the far end")
    pid = int((tmp_path / "ready").read_text())
    if end == "signal":
        started.send_signal(signal.SIGUSR1)
        assert started.wait(30) == code
    else:
        started._process.stdin.close()
    wait_for(lambda: processes.start_time(pid) is None, 30, "its end")


def test_jobs_of_several_nodes_follow_each_other(reach, tmp_path):
    """The hosts are nobody's to share out."""
    hold = "import sys, time; sys.path.insert(0, 'SCRIPTS'); from mathrl.execution import launcher\n"
    hold += "with launcher.alone(launcher.Command([], '')): print('held', flush=True); time.sleep(1.5)"
    other = subprocess.Popen([sys.executable, "-c", hold.replace("SCRIPTS", str(launcher.SCRIPTS))], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    begin = time.monotonic()
    with launcher.alone(reach):
        assert time.monotonic() - begin > 1.0
    assert other.wait(30) == 0


def test_what_is_refused_is_one_line(reach, monkeypatch):
    with pytest.raises(UserError, match=r"launcher.hosts: no\.such\.host has no address"):
        reach.address("no.such.host")
    with pytest.raises(UserError, match=r"launcher\.command: no-such-program cannot be started"):
        launcher.Command(["a"], "no-such-program {host} {command}").start("a", ["true"])
    with pytest.raises(UserError, match=r"run wide wants 3 nodes and launcher\.hosts names 2; name more, or lower"):
        preflight.check_nodes({"run wide": 3}, False, 2)
    assert preflight.check_nodes({"run wide": 2}, False, 2) == []
    deaf = subprocess.run(
        [sys.executable, str(launcher.SCRIPT), "--serve", "--", "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert deaf.returncode == 2 and deaf.stderr.startswith("error: launcher.command: does not pass standard input on")
    for said in ("[]\n", '{"A": 1}\n'):  # a greeting of the host, say
        with pytest.raises(UserError, match=r"launcher\.command: does not pass standard input on"):
            launcher.serve(["true"], io.StringIO(said))
    with pytest.raises(UserError, match=r"launcher: /no/such/program cannot be started on "):
        launcher.serve(["/no/such/program"], io.StringIO("{}\n"))
    monkeypatch.setenv(launcher.OWN, "null")
    assert isinstance(launcher.of_job(None, 6), launcher.Srun)


def test_srun_is_asked_as_before(tmp_path, monkeypatch):
    """SLURM's own programs stand in as scripts; a step takes all CPUs and the GPUs of its node."""
    said = {"squeue": "n[1-2] 64 2", "scontrol": "n1\nn2", "srun": ""}
    for name, text in said.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} \"$@\" >> {tmp_path}/asked\nprintf '%s\\n' '{text}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    slurm = launcher.of_job(None, 6)
    assert slurm.allocation() == (["n1", "n2"], 32)
    assert slurm.start("n2", ["true"]).wait(30) == 0
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [
        "squeue --noheader --jobs 7 --format %N %C %D",
        "scontrol show hostnames n[1-2]",
        "srun --overlap --nodes=1 --ntasks=1 --cpus-per-task=32 --mem=0 --gres=gpu:6 --nodelist=n2 true",
    ]
