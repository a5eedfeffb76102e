"""How Ray's processes are started."""

import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.core.files import UserError
from mathrl.execution.nodes import python_for_ray

WHERE = "import sys, polars; print(sys.executable, sys.prefix, polars.__file__)"


@pytest.mark.parametrize("name", ["plain", "a space", "it's a; test {x}"])
def test_ray_can_start_its_workers_wherever_the_environment_lies(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / ".venv").symlink_to(Path(sys.prefix))
    monkeypatch.setattr(sys, "executable", str(tmp_path / name / ".venv/bin" / Path(sys.executable).name))
    for _ in range(2):  # a second attempt finds the link
        python = python_for_ray(str(tmp_path / "job"))
        assert (python == sys.executable) == (name == "plain")
        done = subprocess.run(["bash", "-c", f'exec {python} -c "$0"', WHERE], capture_output=True, text=True)  # as Ray does
        assert done.returncode == 0, done.stderr
        root = tmp_path / ("plain/.venv" if name == "plain" else "job/environment")
        executable, prefix, library = done.stdout.split()
        assert executable == python and prefix == str(root) and library.startswith(str(root))


def test_without_a_directory_for_the_link_it_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "a space/python"))
    with pytest.raises(UserError, match=r"a space/python: Ray takes no such path .*run_job\.py"):
        python_for_ray(None)
