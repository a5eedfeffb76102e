"""The start and the end of a server: with who started it, in a polite end of the job, and where it cannot start."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mathrl.config.verifier import Verifiers
from mathrl.core.files import UserError
from mathrl.execution import processes
from mathrl.verifiers import server_start
from mathrl.verifiers.served import Served

from .test_server import PLAIN, processes_command, section_of, setting_of


def test_a_server_ends_with_who_started_it(tmp_path):
    """However that one dies: a job that is killed leaves none behind."""
    code = f"""
import os, sys
sys.path[:0] = [{str(server_start.SCRIPT.parent)!r}]
from pathlib import Path
from typing import ClassVar
from mathrl.config.verifier import Verifiers
from mathrl.verifiers import server_start
section = Verifiers.model_validate({PLAIN!r})
setting = server_start.Setting(section, "cpu", 0.0, {{}}, Path({str(tmp_path)!r}), {{}})
with server_start.started(("v",), setting, "test") as places:
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "RAY_TMPDIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL and "verifier v is served" in done.stderr, done.stderr
    until = time.monotonic() + 60
    while left := [pid for pid in processes.pids() if str(tmp_path) in processes_command(pid)]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def test_a_polite_end_of_the_job_ends_no_server_before_it_is_over(tmp_path):
    """SLURM tells every process; the step at work is still scored before it is saved."""
    with server_start.started(("v",), setting_of(Verifiers.model_validate(PLAIN), tmp_path), "test") as places:
        path = places["v"].socket
        (pid,) = [pid for pid in processes.pids() if path in processes_command(pid)]
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
        time.sleep(0.2)
        assert Served(places["v"], 10).score(["p"], [["1 + 1 = 2"]]) == [[1.0]]
        os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 60
        while "its server ended" not in Path(places["v"].log).read_text():
            assert time.monotonic() < until
            time.sleep(0.02)
        why = "its last words: verifier v: is served / verifier v: its server ended: killed by SIGKILL; its log"
        with pytest.raises(UserError, match=why):
            Served(places["v"], 10)
    assert not Path(path).parent.exists(), "nothing of it is left"


def test_a_server_that_does_not_come_up_is_told_with_its_last_words(tiny, tmp_path):
    for file in tiny.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    why = r"^verifier v: its server did not come up \(exit code \d\); its last words: .*; its log is "
    served = server_start.started(("v",), setting_of(section_of(tmp_path), tmp_path), "test")
    with pytest.raises(UserError, match=why) as error, served:
        pytest.fail("nobody is served")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("temporary", "logs", "why"),
    [
        ("x" * 90, "", r"^RAY_TMPDIR .*: is too long, a socket's path may have 107 bytes; name a shorter folder"),
        ("nowhere", "", r"^RAY_TMPDIR .*nowhere: No such file or directory, .*; make it, or name another"),
        ("", "nowhere", r"verifier-v.log: No such file or directory; make its folder"),
    ],
    ids=["too long", "no folder for sockets", "no folder for logs"],
)
def test_a_place_for_sockets_or_logs_that_is_none_is_one_line(tmp_path, monkeypatch, temporary, logs, why):
    (tmp_path / ("x" * 90)).mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / temporary))
    setting = setting_of(Verifiers.model_validate(PLAIN), tmp_path / logs)
    if not temporary:
        monkeypatch.delenv("RAY_TMPDIR")
    with pytest.raises(UserError, match=why), server_start.started(("v",), setting, "test"):
        pytest.fail("nobody is served")
    assert not list(tmp_path.rglob("verifiers-*")), "nothing is left"


def test_a_further_attempt_keeps_the_log_and_quotes_its_own_words(tmp_path):
    log = tmp_path / "verifier-v.log"
    log.write_text("of the attempt before\n")
    with server_start.started(("v",), setting_of(Verifiers.model_validate(PLAIN), tmp_path), "test") as places:
        assert places["v"].last_words() == "verifier v: is served"
    assert log.read_text() == "of the attempt before\nverifier v: is served\n"


def test_a_server_that_takes_too_long_is_ended(tmp_path):
    served = server_start.started(("v",), setting_of(Verifiers.model_validate(PLAIN), tmp_path, start=0.1), "test")
    with pytest.raises(UserError, match=r"did not come up within 0.1 s; its last words: nothing; its log is"), served:
        pytest.fail("nobody is served")
    assert not [pid for pid in processes.pids() if str(tmp_path) in processes_command(pid)]
