"""The same seed gives the same bytes: finished studies in two folders, one of them killed on its way."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import polars
import psutil
import pytest
import yaml
from mathrl.execution import leftovers, processes
from mathrl.training import checkpoints
from support.same_bytes import results
from support.waiting import wait_for

from .conftest import Workflow

pytestmark = [pytest.mark.workflow, pytest.mark.full, pytest.mark.timeout(7200)]


class Moments:
    """When to kill: each waits until the workflow does what its name says."""

    def __init__(self, workflow: Workflow, process: subprocess.Popen, chance: random.Random) -> None:
        self.workflow, self.process, self.chance = workflow, process, chance
        self.begun = (workflow.directory / "workflow.log").stat().st_size

    def said(self) -> str:
        return (self.workflow.directory / "workflow.log").read_bytes()[self.begun :].decode(errors="replace")

    def until(self, happened, pause: float = 0.05) -> bool:
        """Whether it happened before the workflow ended."""
        wait_for(lambda: happened() or self.process.poll() is not None, 900, "the moment of a kill", pause=pause)
        return self.process.poll() is None

    def running(self, word: str) -> bool:
        return any(word in command for command in self.workflow.processes().values())

    def start(self) -> bool:
        return self.until(lambda: self.running("main_ppo")) and not time.sleep(self.chance.uniform(0, 25))

    def step(self) -> bool:
        steps = len(re.findall(r" step \d+ of ", self.said()))
        enough = steps + self.chance.randint(1, 4)
        return self.until(lambda: len(re.findall(r" step \d+ of ", self.said())) >= enough) and not time.sleep(self.chance.uniform(0, 3))

    def saving(self) -> bool:
        def writing():
            found = (self.workflow.directory / "checkpoints").glob("*/*/*/global_step_*/actor")
            return any(not (path.parent / checkpoints.MARK).exists() for path in found)

        return self.until(writing, pause=0.001)

    def weight_sync(self) -> bool:
        """verl moves new weights to its engine through a segment of shared memory, which is there meanwhile."""

        def moving():
            return {path.name for path in Path("/dev/shm").glob("verl_weights_*")}

        before = moving()
        return self.until(lambda: moving() - before, pause=0.001)

    def sampling(self) -> bool:
        def responses():
            return sum(path.stat().st_size for path in (self.workflow.directory / "checkpoints/samples").glob("*/*.jsonl"))

        seen = responses()
        return self.until(lambda: responses() > seen)

    def grading(self) -> bool:
        return self.until(lambda: self.running("grade_samples.py"))


def killed_at(workflow: Workflow, moments: list[str], chance: random.Random) -> list[tuple[str, str]]:
    """Start the study, kill one process of its tree at each moment, and start it again where it ended of that; (moment, who was killed)."""
    kills: list[tuple[str, str]] = []
    log = workflow.directory / "workflow.log"
    while len(kills) < len(moments):
        log.touch()
        process = workflow.start()
        while len(kills) < len(moments) and process.poll() is None:
            moment = moments[len(kills)]
            if not getattr(Moments(workflow, process, chance), moment)():
                break
            victims = workflow.processes() | {process.pid: "snakemake"}
            victim = chance.choice(sorted(victims))
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:  # it has just ended: the next one
                continue
            kills.append((moment, victims[victim]))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)  # some processes are missed by nobody, and the next moment may be short
        process.wait(timeout=1800)
        if process.returncode == 0:
            break
        recovered = workflow.run(".venv-driver/bin/python", "scripts/recover_workflow.py", "--directory", ".")
        assert recovered.returncode == 0, recovered.stdout
    return kills


def ends_a_hang(workflow: Workflow) -> Workflow:
    """verl's driver waits for ever for an engine that was killed; the monitor, which no result depends on, ends it sooner here."""
    overlay = workflow.directory / "profiles/demo/demo.yaml"
    config = yaml.safe_load(overlay.read_text())
    config["training"]["monitor"] = {"stall_minutes": 3}
    overlay.write_text(yaml.safe_dump(config, sort_keys=False))
    return workflow


def finish(workflow: Workflow) -> None:
    recovered = workflow.run(".venv-driver/bin/python", "scripts/recover_workflow.py", "--directory", ".")
    assert recovered.returncode == 0, recovered.stdout
    done = workflow.run("make", "demo", timeout=3600)
    assert done.returncode == 0, done.stdout[-6000:]


def abandoned() -> list[str]:
    """Directories in /tmp of jobs whose supervisor is gone: the next job of this user removes them."""
    found = Path("/tmp").glob(f"mathrl-ray-*/{leftovers.JOB_FILE}")
    return [str(path.parent) for path in found if path.exists() and processes.supervisor_is_gone(path.read_text())]


def elsewhere(folder: Path) -> list[int]:
    """Processes that work in other folders: what they have in /dev/shm is theirs. One that hides its environment still has its folder."""
    found = []
    for pid in processes.pids():
        with contextlib.suppress(OSError):
            if not Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(folder.resolve()):
                found.append(pid)
    return found


def nothing_is_left(workflow: Workflow, before: set[str]) -> None:
    wait_for(lambda: not workflow.processes(), 60, "the end of every process")
    assert abandoned() == []
    left = set(os.listdir("/dev/shm")) - before
    left -= {Path(path).name for path in processes.shared_memory(elsewhere(workflow.directory))}
    assert left == set()
    sockets = [line for line in Path("/proc/net/unix").read_text().splitlines() if str(workflow.directory) in line]
    assert sockets == []


def test_a_demo_killed_five_times_is_the_one_that_nobody_disturbed(finished, make_workflow):
    workflow, before = ends_a_hang(make_workflow("killed")), set(os.listdir("/dev/shm"))
    kills = killed_at(workflow, ["start", "saving", "step", "sampling", "grading"], random.Random(5))
    assert len(kills) == 5, kills
    finish(workflow)
    nothing_is_left(workflow, before)
    assert results(workflow.directory) == results(finished.directory), kills


# Every script that a rule of the demo runs, with how often it is killed.
TWICE = ("generate_samples", "merge_samples", "grade_samples", "train_policy")


def scripts(finished: Workflow) -> dict[str, int]:
    """The scripts of all rules that the demo ran, and how often each is to be killed."""
    rules = sorted(path.name for path in (finished.directory / "logs").iterdir() if any(path.rglob("*.log")))
    return {rule.replace("decontaminate_problems", "decontaminate"): 2 if rule in TWICE else 1 for rule in rules}


SUPERVISOR = "scripts/run_job.py"
UNOWNED_SECONDS = 10


def unowned(workflow: Workflow) -> dict[int, str]:
    """Processes that work for this folder and have no supervisor above them, but Snakemake's own."""
    working = workflow.processes()
    found = {}
    for pid, command in working.items():
        above = [command]
        with contextlib.suppress(psutil.Error):
            above += [" ".join(parent.cmdline()) for parent in psutil.Process(pid).parents()]
        if psutil.pid_exists(pid) and not any(SUPERVISOR in line or "snakemake" in line for line in above):
            found[pid] = command
    return found


def snakemake_of(process: subprocess.Popen) -> int:
    """The pid of Snakemake itself, which `make` starts: a killed `make` leaves it at its work."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return next(one.pid for one in family if any(os.path.basename(part) == "snakemake" for part in one.cmdline()[:2]))


def kill_at_a_rule(workflow: Workflow, process: subprocess.Popen, left: dict[str, int], chance: random.Random) -> tuple[str, str] | None:
    """Wait for a job of a rule that still is to be killed, and kill one process of it, its supervisor, or Snakemake."""
    while process.poll() is None:
        for pid, command in workflow.processes().items():
            name = next((name for name, kills in left.items() if kills and f"scripts/{name}.py" in command and SUPERVISOR in command), None)
            if name is None:
                continue
            time.sleep(chance.choice([0, 0.2, 1]) if name != "train_policy" else chance.uniform(0, 120))
            try:
                victims = {pid: command, snakemake_of(process): "snakemake"}
            except (psutil.Error, StopIteration):  # it has just ended
                continue
            with contextlib.suppress(psutil.Error):
                victims |= {child.pid: " ".join(child.cmdline()) for child in psutil.Process(pid).children(recursive=True)}
            victim = chance.choice(sorted(victims))
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:  # it has just ended: the next one
                continue
            left[name] -= 1
            return name, victims[victim][:200]
        time.sleep(0.01)
    return None


def test_a_demo_killed_at_every_rule_is_the_one_that_nobody_disturbed(finished, make_workflow):
    """The next command is a plain `snakemake` or `make demo`, in turn; nobody works unowned for more than ten seconds.

    A rule whose job was over before anybody saw it runs again.
    """
    workflow, before = ends_a_hang(make_workflow("killed")), set(os.listdir("/dev/shm"))
    left = scripts(finished)
    rules, chance, kills = set(left), random.Random(11), []
    again: list[str] = []
    for attempt in range(3 * sum(left.values())):
        if attempt % 2 and not again:
            process = workflow.start_command("make", "demo")
        else:
            workflow.run("snakemake", "--profile", "profiles/demo", "--unlock")
            process = workflow.start(*again)
        while process.poll() is None and (kill := kill_at_a_rule(workflow, process, left, chance)) is not None:
            kills.append(kill)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)  # some processes are missed by nobody
        process.wait(timeout=1800)
        if process.returncode == 0 and not (missed := [name for name in left if name not in {name for name, _ in kills}]):
            break
        again = (
            ["--forcerun", *(name.replace("decontaminate", "decontaminate_problems") for name in missed)] if process.returncode == 0 else []
        )
        wait_for(lambda: not unowned(workflow), UNOWNED_SECONDS, f"an owner of {unowned(workflow)} after {kills[-1:]}")
    assert {name for name, _ in kills} == rules, (kills, left)
    nothing_is_left(workflow, before)
    assert results(workflow.directory) == results(finished.directory), kills


def taught_before(workflow: Workflow, finished: Workflow) -> Workflow:
    """The demo's problems and base model, and a study of two short stages: worked solutions first, then GRPO.

    The second is long enough that all moments of a training come before its end.
    """
    shutil.copytree(finished.directory / "resources", workflow.directory / "resources", symlinks=True)
    train = polars.read_parquet(finished.directory / "results/grpo/main/train.parquet")
    problems = [info["original_problem"] for info in train["extra_info"].to_list()]
    answers = [info["ground_truth"] for info in train["reward_model"].to_list()]
    given = [f"The answer is \\boxed{{{answer}}}." for answer in answers]
    polars.DataFrame({"problem": problems[:256], "solution": given[:256]}).write_parquet(workflow.directory / "solutions.parquet")
    overlay = workflow.directory / "profiles/demo/demo.yaml"
    config = yaml.safe_load(overlay.read_text())
    batch = {"train_batch_size": 16, "mini_batch_size": 16, "micro_batch_size": 16}
    taught = {"name": "taught", "algorithm": "supervised", "solutions": "solutions.parquet", "steps": 16, **batch}
    config["runs"]["grpo"] = {"save_every": 2, "keep_last": 2, "stages": [taught, {"name": "main", "steps": 30, "start_from": "previous"}]}
    overlay.write_text(yaml.safe_dump(config, sort_keys=False))
    return ends_a_hang(workflow)


@pytest.mark.parametrize("chosen", ["first", "second"])
def test_kills_at_anytime_of_a_study_with_a_supervised_stage(finished, make_workflow, chosen, untouched):
    workflow, before = taught_before(make_workflow("killed"), finished), set(os.listdir("/dev/shm"))
    # The base model may be sampled at any time, the trained one at the end: a kill while sampling comes after all of training.
    first = ["start", "step", "saving", "step", "saving", "start", "step", "saving", "weight_sync", "sampling", "sampling", "grading"]
    second = ["saving", "step", "step", "start", "saving", "saving", "weight_sync", "start", "weight_sync", "saving"]
    moments = {"first": first, "second": second}[chosen]
    kills = killed_at(workflow, moments, random.Random(chosen))
    assert len(kills) == len(moments), kills
    finish(workflow)
    nothing_is_left(workflow, before)
    assert results(workflow.directory) == results(untouched.directory), kills
    for stage in ("taught", "main"):  # two newest, the best, two around the beginning of the monitor's window
        assert len(list((workflow.directory / f"checkpoints/grpo/{stage}").glob("*/global_step_*"))) <= 5


@pytest.fixture(scope="module")
def untouched(finished, make_workflow):
    workflow = taught_before(make_workflow("untouched"), finished)
    finish(workflow)
    return workflow
