"""A copy of the workflow in a directory of its own, so that a test never runs in the repository."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from mathrl.config import reading
from mathrl.execution import links
from support import bank, kills
from support.settings import stage_of
from support.waiting import wait_for as wait_for

ROOT = Path(__file__).resolve().parents[2]
DRIVER = ROOT / ".venv-driver/bin"
SOURCES = ("Snakefile", "config.yaml", "pins.tsv", "Makefile", "pyproject.toml", "envs", "rules", "scripts", "profiles", "recipes")
SOURCES += ("containers",)


class Workflow:
    """Commands in a copy of the workflow."""

    chain: "kills.Chain | None" = None  # how it was killed on its way
    output = ""  # of the last `make demo`

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def environment(self) -> dict[str, str]:
        return os.environ | {"PATH": f"{DRIVER}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *command: str, timeout: float = 1500) -> subprocess.CompletedProcess:
        """Run a command to its end; output is text, both streams together."""
        return subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
        )

    def snakemake(self, *arguments: str, timeout: float = 1500) -> subprocess.CompletedProcess:
        return self.run("snakemake", "--profile", "profiles/demo", *arguments, timeout=timeout)

    def planned(self, *arguments: str) -> dict[str, int]:
        """Rules that a dry run would run, with their numbers of jobs."""
        done = self.run("snakemake", "-n", "--profile", "profiles/demo", *arguments)
        assert done.returncode == 0, done.stdout
        return job_counts(done.stdout)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake in a process group of its own; its output goes to `workflow.log`."""
        return self.start_command("snakemake", "--profile", "profiles/demo", *arguments)

    def start_command(self, *command: str) -> subprocess.Popen:
        with open(self.directory / "workflow.log", "ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.directory,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def processes(self) -> dict[int, str]:
        """Everything that works for this directory: pid → command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                variables = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if f"MATHRL_WORKDIR={self.directory}\0".encode() in variables and command:
                found[int(entry.name)] = command
        return found


def processor_seconds() -> float:
    """Processor time of all finished child processes, user and system: it does not grow when the machine is busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def job_counts(output: str) -> dict[str, int]:
    """The job table that Snakemake prints, as rule → jobs."""
    counts = {}
    lines = iter(output.splitlines())
    for line in lines:
        if line.strip().startswith("Job stats"):
            break
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[-1].isdigit():
            if words[0] == "total":
                break
            counts["_".join(words[:-1])] = int(words[-1])
    return counts


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def make_workflow(tmp_path_factory):
    """Copy the sources into a new directory; both environments are those of the repository."""
    if not (DRIVER / "snakemake").exists():
        pytest.fail("make env first: .venv-driver is missing")

    def make(name: str, place: Path | None = None) -> Workflow:
        directory = (place or tmp_path_factory.mktemp(name, numbered=True)) / "workflow"
        directory.mkdir()
        for source in SOURCES:
            origin = ROOT / source
            if origin.is_dir():
                shutil.copytree(origin, directory / source, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.sif"))
            elif origin.exists():
                shutil.copy2(origin, directory / source)
        for environment in (".venv", ".venv-driver"):
            (directory / environment).symlink_to(ROOT / environment)
        return Workflow(directory)

    return make


def _place_of_the_demo(tmp_path_factory) -> Path:
    """A link that all parallel workers know: to the demo's folder, once a worker has begun it."""
    return tmp_path_factory.getbasetemp().parent / "demo"


@pytest.fixture(scope="session")
def begun(request, tmp_path_factory):
    """The demo once its base model and its training's rows are there. The parallel worker that makes it goes on: only read them."""
    made_beside = any("finished" in getattr(item, "fixturenames", ()) for item in request.session.items)
    if "PYTEST_XDIST_WORKER" not in os.environ or "MATHRL_FINISHED_DEMO" in os.environ or bank.folder() or not made_beside:
        return request.getfixturevalue("finished")
    place = _place_of_the_demo(tmp_path_factory)
    parts = ("resources/models/demo-base/model.safetensors", "results/grpo/main/train.parquet", "results/grpo/main/val.parquet")
    wait_for(lambda: all((place / part).exists() for part in parts), 900, "the base model and rows of the demo")
    return Workflow(place.resolve())


@pytest.fixture(scope="session")
def finished(make_workflow, tmp_path_factory):
    """The demo, run to its end for all tests that look at its results.

    `make test` kills it twice on its way (`finished.chain` has what was seen), and the same command ends it. With MATHRL_BANK,
    which `make test-full` sets, it is the bank's: nobody killed it, so that its times can be compared.
    MATHRL_FINISHED_DEMO names the directory of one that ran before, to try a single test.
    """
    if "MATHRL_FINISHED_DEMO" in os.environ:
        return Workflow(Path(os.environ["MATHRL_FINISHED_DEMO"]).resolve())
    if bank.folder():

        def make(place: Path) -> None:
            done = make_workflow("demo", place).run("make", "demo")
            assert done.returncode == 0, done.stdout[-6000:]
            (place / "output").write_text(done.stdout)

        place = bank.deposit("demo", "", make)
        workflow = Workflow(place / "workflow")
        workflow.output = (place / "output").read_text()
        return workflow
    workflow = make_workflow("demo")
    if "PYTEST_XDIST_WORKER" in os.environ:
        # turned, where a worker takes over from one that died, or begins another demo without `--dist loadgroup`
        links.made(_place_of_the_demo(tmp_path_factory), str(workflow.directory))
    workflow.chain = kills.kill_in_turn(workflow)
    done = workflow.run("make", "demo")
    workflow.output = done.stdout
    assert done.returncode == 0, done.stdout[-6000:]
    return workflow


def copy_demo(finished: Workflow, workflow: Workflow, *more: str) -> Workflow:
    """Copy what a finished demo has made into another workflow, its checkpoints only where `more` names them."""
    return _copy(finished, workflow, "resources", "results", "logs", ".snakemake", *more)


def copy_data(finished: Workflow, workflow: Workflow) -> Workflow:
    """Copy the data, the base model and its samples into another workflow, for a study that trains by itself."""
    parts = ("resources", "results/data", "results/base", "checkpoints/samples", ".snakemake")
    return _copy(finished, workflow, *(part for part in parts if (finished.directory / part).exists()))


def _copy(finished: Workflow, workflow: Workflow, *parts: str) -> Workflow:
    for made in parts:
        shutil.copytree(finished.directory / made, workflow.directory / made, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(workflow.directory / ".snakemake/locks", ignore_errors=True)
    return workflow


class ShortTraining:
    """A short training by scripts/train_policy.py, from the demo's base model on the demo's problems."""

    SMALL = {  # noqa: RUF012
        "steps": 4,
        "train_batch_size": 8,
        "mini_batch_size": 4,  # two updates a step, so that a ratio can differ from 1
        "rollout_n": 4,
        "micro_batch_size": 16,
        "micro_batch_size_log_prob": 16,
        "validate_every": 4,
        "save_every": 4,
    }

    def __init__(self, demo: Workflow, place: Path) -> None:
        self.demo, self.place = demo, place
        self.root = place / "checkpoints"

    def stage(self, run: str = "grpo", stage: str = "main", **changes) -> dict:
        """The merged configuration of a stage of the demo, cut small."""
        config = reading.merge(yaml.safe_load((ROOT / "config.yaml").read_text()), self.overlay())
        return reading.merge(stage_of(config, run, stage).plain(), {**self.SMALL, **changes})

    @staticmethod
    def overlay() -> dict:
        return yaml.safe_load((ROOT / "profiles/demo/demo.yaml").read_text())

    def command(
        self,
        stage: dict,
        run: str = "grpo",
        model: Path | None = None,
        before: Sequence[str] = (),
        verifiers: dict | None = None,
        rows: Path | None = None,
    ) -> list[str]:
        demo = self.demo.directory
        return [
            *(sys.executable, str(ROOT / "scripts/run_job.py"), "--grace", "60", "--", *before),
            *(sys.executable, str(ROOT / "scripts/train_policy.py"), "--run", run, "--accelerator", "cpu"),
            *(
                "--config",
                json.dumps(stage),
                "--verifiers",
                json.dumps(verifiers or {}),
                "--model",
                str(model or demo / "resources/models/demo-base"),
            ),
            *(
                "--train",
                str(rows or demo / "results/grpo/main/train.parquet"),
                "--validation",
                str(demo / "results/grpo/main/val.parquet"),
            ),
            *("--checkpoints", str(self.root), "--log", str(self.place / "verl.log"), "--manifest", str(self.place / "manifest.json")),
        ]

    def start(self, stage: dict, environment: dict[str, str] | None = None, **more) -> subprocess.Popen:
        """Start training; its lines go to `lines`."""
        with open(self.place / "lines", "ab") as lines:
            streams = {"stdout": lines, "stderr": lines, "env": {**os.environ, **(environment or {})}}
            return subprocess.Popen(self.command(stage, **more), cwd=self.place, start_new_session=True, **streams)

    def reached(self) -> int:
        """The last step that the compact lines name."""
        steps = [line.split(" step ")[1].split()[0] for line in self.said().splitlines() if line.startswith("train ") and " step " in line]
        return int(steps[-1]) if steps else 0

    def train(self, stage: dict, code: int = 0, **more) -> dict:
        """Train to the end; the manifest."""
        assert self.start(stage, **more).wait(timeout=900) == code, self.said() + self.log()[-3000:]
        return self.manifest() if code == 0 else {}

    def banked(self, stage: dict, run: str = "grpo", **more) -> dict:
        """Train to the end for a test that only reads the result: once for all tests, where there is a bank. The manifest."""
        if not bank.folder():
            return self.train(stage, run=run, **more)

        def make(place: Path) -> None:
            type(self)(self.demo, place).train(stage, run=run, **more)

        self.place = bank.deposit(f"short-{run}", json.dumps(stage, sort_keys=True), make)
        self.root = self.place / "checkpoints"
        return self.manifest()

    def manifest(self) -> dict:
        return json.loads((self.place / "manifest.json").read_text())

    def said(self) -> str:
        return (self.place / "lines").read_text() if (self.place / "lines").exists() else ""

    def log(self) -> str:
        return "".join(log.read_text(errors="replace") for log in sorted(self.root.glob("*/main/*/verl.log")))

    def directory(self) -> Path:
        """The one checkpoint directory."""
        (found,) = self.root.glob("*/main/*/fingerprint.json")
        return found.parent


@pytest.fixture
def short(finished, tmp_path):
    """A short training in a directory of its own."""
    return ShortTraining(finished, tmp_path)
