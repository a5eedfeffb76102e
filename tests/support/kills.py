"""Kill a running demo at work, part after part, and write down what was seen: the tests read the notes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from mathrl.execution import leftovers, processes

from support.waiting import wait_for

# what is killed, in turn: the processes below the job by their command line, or Snakemake itself
TARGETS = {"Snakemake": "", "the trainer": "main_ppo", "Ray": "gcs_server|raylet"}
OF_DEMO = ("Snakemake", "Ray")  # the trainer's kill costs one more whole start (test_kills.py)
WORKER = "ray::TaskRunner"  # Ray is up and verl starts on it; a process renames itself, which hides its environment
STEP = re.compile(r" step (\d+) of ")
DATA = ("results/data/problems.parquet", "results/data/matches.parquet", "results/grpo/main/train.parquet")


@dataclass
class Kill:
    """What one kill met and left."""

    target: str
    before: list[int]  # steps of complete checkpoints when the call began
    after: list[int]  # and when nothing of it ran any more
    reached: int  # the last step that it had said
    said: str  # all lines of this call
    code: int  # of Snakemake
    recovered: str  # what recover_workflow.py said, if it failed
    manifest: bool  # whether one was written
    places: list[str]  # what its jobs had in /tmp and /dev/shm
    left: list[str]  # and what of it was there when nothing of it ran any more


@dataclass
class Chain:
    """The kills of one demo and the bytes that no kill may change."""

    kills: dict[str, Kill] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)


def saved(workflow) -> list[int]:
    """Steps with a complete checkpoint."""
    found = (workflow.directory / "checkpoints/grpo/main").glob("*/global_step_*/whole.json")
    return sorted(int(path.parent.name.removeprefix("global_step_")) for path in found)


def _ray_has_work(workflow) -> bool:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:1] and process.cmdline()[0].startswith(WORKER) and Path(process.cwd()) == workflow.directory.resolve():
                return True
    return False


def places(pids: set[int]) -> list[str]:
    """What these processes have beside the study: their jobs' directories, temporary files and shared memory."""
    jobs = {processes.environment(pid).get("RAY_TMPDIR") for pid in pids} - {None}
    temporary = {os.path.realpath(Path(job, leftovers.TEMPORARY)) for job in jobs}
    return sorted(jobs | temporary | processes.shared_memory(pids))


def kill_in_turn(workflow) -> Chain:
    """Start the demo and kill it, once for each target, each time while its training job runs."""
    chain = Chain()
    for target in OF_DEMO:
        chain.kills[target] = _kill(workflow, target)
        if not chain.data:
            chain.data = {path: (workflow.directory / path).read_bytes() for path in DATA}
    return chain


def _kill(workflow, target: str) -> Kill:
    log = workflow.directory / "workflow.log"
    seen = log.stat().st_size if log.exists() else 0
    before = saved(workflow)
    process = workflow.start()

    def said() -> str:
        return log.read_bytes()[seen:].decode(errors="replace")

    def steps() -> list[int]:
        assert process.poll() is None, f"the demo ended before {target} was killed: {said()[-4000:]}"
        return [int(step) for step in STEP.findall(said())]

    # Snakemake is gone at the first step. Ray is gone while verl's processes start on it: in the middle of steps (test_kills.py) it would
    # cost another whole start.
    if target == "Snakemake":
        wait_for(steps, 1800, "a step")
    else:
        wait_for(lambda: steps() or _ray_has_work(workflow), 1800, "a process of verl on Ray")
    reached = max(steps(), default=0)
    used = places(processes.descendants(process.pid))
    if target == "Snakemake":
        os.kill(process.pid, signal.SIGKILL)
    else:
        victims = [pid for pid, command in workflow.processes().items() if re.search(TARGETS[target], command)]
        assert victims, f"no process matches {TARGETS[target]}: {workflow.processes()}"
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
    code = process.wait(timeout=180)
    if target == "Snakemake":  # its job sees that, saves after the step at work, and ends
        wait_for(lambda: not workflow.processes(), 120, "the end of every process")
    left = [path for path in used if os.path.lexists(path)]
    done = workflow.run(".venv-driver/bin/python", "scripts/recover_workflow.py", "--directory", ".")
    wait_for(lambda: not workflow.processes(), 60, "the end of every process")
    manifest = (workflow.directory / "results/grpo/main/manifest.json").exists()
    return Kill(target, before, saved(workflow), reached, said(), code, done.stdout if done.returncode else "", manifest, used, left)
