"""Two demos at once, one of them where nobody would put it: the same tables."""

import os
import subprocess
from pathlib import Path

import pytest
from support.same_bytes import results

from .conftest import Workflow

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(7200)]


class Odd(Workflow):
    """A user with modules of their own on the path, a home that nobody can write, and a locale without UTF-8."""

    def environment(self) -> dict[str, str]:
        odd = {"PYTHONPATH": str(self.directory.parent / "mine"), "HOME": "/sys", "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}
        return super().environment() | odd


def started(workflow: Workflow) -> subprocess.Popen:
    return workflow.start_command("make", "demo")


def test_a_demo_in_an_odd_place_beside_another(finished, make_workflow, tmp_path):
    place, before = tmp_path / "it's a; test", set(os.listdir("/dev/shm"))
    place.mkdir()
    odd, beside = Odd(make_workflow("odd", place).directory), make_workflow("beside")
    mine = place / "mine"  # a module of the user's that a program of ours would notice
    mine.mkdir()
    (mine / "my_terms.py").write_text("NAME = 'mine'\n")
    with pytest.raises(OSError):
        Path("/sys/mathrl").mkdir()  # root, too, cannot write there
    ends = [process.wait(timeout=5400) for process in [started(odd), started(beside)]]
    for workflow, end in zip((odd, beside), ends, strict=True):
        assert end == 0, (workflow.directory / "workflow.log").read_text()[-6000:]
        assert not workflow.processes()
    assert results(odd.directory) == results(beside.directory) == results(finished.directory)
    tables = [(workflow.directory / "results/scores.md").read_text() for workflow in (odd, beside)]
    assert tables[0] == tables[1]
    assert set(os.listdir("/dev/shm")) <= before
