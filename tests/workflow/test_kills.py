"""Kills of a demo that each wait for a further checkpoint: the long form of what `make test` does to the demo itself."""

import json
import os
import re
import signal
import subprocess

import pytest
from support.kills import TARGETS, saved

from .conftest import Workflow, copy_demo, wait_for

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(3600)]


def wait_for_checkpoint(workflow: Workflow, process: subprocess.Popen, seen: int) -> None:
    """Wait until training has saved one more checkpoint; fail if the workflow ends before."""
    wait_for(lambda: len(saved(workflow)) > seen or process.poll() is not None, 400, "a checkpoint")
    assert process.poll() is None, (workflow.directory / "workflow.log").read_text()[-4000:]


def test_kill_anything_and_type_the_same_command(finished, make_workflow):
    """kill -9 of Snakemake, of the trainer, of Ray: the same command goes on from the last checkpoint, data files stay the same."""
    killed = copy_demo(finished, make_workflow("killed"))
    overlay = killed.directory / "profiles/demo/demo.yaml"
    overlay.write_text(overlay.read_text().replace("steps: 60", "steps: 16").replace("save_every: 10", "save_every: 4"))
    for target in TARGETS:
        before = saved(killed)
        process = killed.start()
        wait_for_checkpoint(killed, process, len(before))
        if target == "Snakemake":
            os.kill(process.pid, signal.SIGKILL)
        else:
            victims = [pid for pid, command in killed.processes().items() if re.search(TARGETS[target], command)]
            assert victims, f"no process matches {target}: {killed.processes()}"
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
        process.wait(timeout=120)
        recovered = killed.run(".venv-driver/bin/python", "scripts/recover_workflow.py", "--directory", ".")
        assert recovered.returncode == 0, recovered.stdout
        wait_for(lambda: not killed.processes(), 60, "the end of every process")
        assert saved(killed)[: len(before)] == before, "a kill must not cost a finished checkpoint"
    last = saved(killed)[-1]
    done = killed.run("make", "demo")
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"goes on from step {last}" in done.stdout, done.stdout[-4000:]
    manifest = json.loads((killed.directory / "results/grpo/main/manifest.json").read_text())
    assert manifest["steps"] == 16 and killed.processes() == {}
    for path in ("results/data/problems.parquet", "results/data/matches.parquet", "results/grpo/main/train.parquet"):
        assert (killed.directory / path).read_bytes() == (finished.directory / path).read_bytes(), path
    curve = manifest["validation"]["demo_words"]
    assert float(curve["16"]) > float(curve["0"])
