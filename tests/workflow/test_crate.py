"""The finished demo as a crate, and its score table from it in another clone without network: the commands of the page."""

import shutil
import subprocess

import pytest
from support import pages

from .conftest import copy_demo, processor_seconds

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(3600)]  # the demo may be made for it
PAGE = "docs/how-to/send-a-study.md"
PACK, REBUILD = (block.text for block in pages.blocks(PAGE) if block.word == "minutes")
LIMIT = 60
"""Seconds of processor time that rebuilding may take (issue: a study that travels): on a busy machine a clock says more."""


def without_network(command):
    """The command where this host lets us take the network away."""
    away = ["unshare", "--net", "--map-root-user"]
    possible = shutil.which("unshare") and subprocess.run([*away, "true"], capture_output=True).returncode == 0
    return [*(away if possible else []), "bash", "-euc", command]


def test_a_study_travels(finished, make_workflow, tmp_path):
    here = copy_demo(finished, make_workflow("sender", tmp_path))
    done = here.run("bash", "-euc", PACK)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "conforms to the profile Provenance Run Crate 0.5" in done.stdout

    (tmp_path / "receiver").mkdir()
    there = make_workflow("receiver", tmp_path / "receiver")
    (there.directory / "results").mkdir()
    shutil.copy(here.directory / "results/crate.zip", there.directory / "results")
    before = processor_seconds()
    done = there.run(*without_network(REBUILD))
    seconds = processor_seconds() - before
    assert done.returncode == 0, done.stdout[-3000:]
    lines = done.stdout.splitlines()
    assert lines[0].startswith("graded 3000 samples again")
    assert lines[-1] == "identical: the score table, and every grade that it is made from"
    for name in ("scores.csv", "scores.md"):
        assert (there.directory / "results/rebuilt" / name).read_bytes() == (finished.directory / "results" / name).read_bytes()
    assert seconds < LIMIT
