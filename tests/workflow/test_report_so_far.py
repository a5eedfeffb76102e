"""`make report` beside a Snakemake at work, after a killed one, and where it fails."""

import os
import signal

import pytest
from mathrl.core.files import write_text
from support.waiting import wait_for

pytestmark = pytest.mark.full

PAGE = "results/report-so-far.html"
CUT_OFF = ("results/audit.json", "results/figures/curves.json", "results/grpo/main/data.json")


def test_it_takes_no_lock_and_a_cut_off_file_is_a_line_of_the_page(make_workflow):
    """A Snakemake that is stopped holds its lock; then it is killed and leaves lock, incomplete outputs and files that are cut off."""
    workflow = make_workflow("report")
    folder = workflow.directory
    running = workflow.start("results/data/funnel.json")
    wait_for(lambda: any((folder / ".snakemake/locks").glob("*.lock")), 120, "the lock", pause=0.05)
    os.kill(running.pid, signal.SIGSTOP)
    locks = {path: path.read_bytes() for path in (folder / ".snakemake/locks").iterdir()}
    try:
        done = workflow.run("make", "--silent", "report", "PROFILE=profiles/demo", timeout=300)
        assert done.returncode == 0 and done.stdout.splitlines()[-1] == PAGE, done.stdout
        assert "funnel" in (folder / PAGE).read_text()
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    for name in CUT_OFF:
        write_text(folder / name, '{"steps": [{"st')
    done = workflow.run("make", "--silent", "report", "PROFILE=profiles/demo", timeout=300)
    page = (folder / PAGE).read_text()
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == PAGE, done.stdout
    assert [page.count(f"a damaged file: {name} ") for name in CUT_OFF] == [1] * len(CUT_OFF)
    assert {path: path.read_bytes() for path in (folder / ".snakemake/locks").iterdir()} == locks, "as the killed Snakemake left them"


def test_a_failure_is_none_of_success_beside_an_older_page(make_workflow):
    workflow = make_workflow("report")
    write_text(workflow.directory / PAGE, "old")
    done = workflow.run("make", "--silent", "report", "PROFILE=profiles/nowhere", timeout=300)
    assert done.returncode != 0 and PAGE not in done.stdout.splitlines() and (workflow.directory / PAGE).read_text() == "old"
