"""What tests share: the repository's root, its two environments, and a configuration to change."""

import contextlib
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from support import ledger, real_data

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as rules/common.smk says; before anything imports torch
for _name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS"):  # of the `make test` above: a test's own `make` would name the folders it enters
    os.environ.pop(_name, None)
BENCHMARKS = ("aime24", "amc23", "gsm8k", "math500", "minerva_math", "olympiadbench")


# Files and rooms that take longest, in the order in which parallel workers take them; the demo, which one worker does alone, comes first.
# The short training begins once the demo has made a base model for it.
LONG = ("execution", "test_engine.py", "test_short_training.py", "test_search.py", "test_dag.py", "test_labelled.py", "verl")
LONG += ("test_stage.py", "test_semantic.py", "test_prepare.py", "test_packing.py")
# One process imports verl for all of that room; what clears up after jobs looks at the whole host.
TOGETHER = ("verl", "execution")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `-n 4 --dist loadgroup` one worker runs the demo and what reads it, the others the rest, file by file."""
    _choose_part(config, items)
    for item in items:
        of_demo = "finished" in getattr(item, "fixturenames", ())
        place = item.path.relative_to(ROOT / "tests")
        room = place.parent if place.parent.name in TOGETHER else place
        item.add_marker(pytest.mark.xdist_group("demo" if of_demo else str(room)))

    def turn(item: pytest.Item) -> int:
        if item.get_closest_marker("xdist_group").args == ("demo",):
            return 0
        return min((1 + LONG.index(name) for name in (item.path.name, item.path.parent.name) if name in LONG), default=len(LONG) + 1)

    items.sort(key=turn)  # stable: within a file the order stays


def _choose_part(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the long tests, those of part MATHRL_PART that have not passed on this code yet (tests/full.py)."""
    parts = {item: ledger.part_of(item.nodeid) for item in items if item.get_closest_marker("full")}
    lost = [item.nodeid for item, part in parts.items() if part is None]
    if lost:
        raise pytest.UsageError(f"tests/support/ledger.py: no part of make test-full names {', '.join(lost)}")
    wanted = os.environ.get("MATHRL_PART")
    if wanted:
        again = "MATHRL_AGAIN" in os.environ
        out = [item for item, part in parts.items() if part != wanted or (not again and ledger.has_passed(item.nodeid))]
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


_priority: list[int] = []  # of this worker, once it has begun


def pytest_runtest_setup(item: pytest.Item) -> None:
    """All wait for the demo at the end: a parallel worker that begins with something else leaves it the processors."""
    if "PYTEST_XDIST_WORKER" in os.environ and not _priority:
        _priority.append(os.nice(0 if item.nodeid.endswith("@demo") else 10))


_set_up: dict[str, float] = {}  # seconds of fixtures by test
_begun = time.monotonic()
_ended: dict[str, tuple[float, str]] = {}  # parallel worker → when its last test ended, and which


def pytest_terminal_summary(terminalreporter) -> None:
    """When each parallel worker was through: who looks for minutes begins with the one that ended last."""
    for worker, (seconds, test) in sorted(_ended.items()):
        terminalreporter.write_line(f"{worker} was through after {seconds:.0f} s, at last {test}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The bank remembers long tests that passed, one by one: a killed run costs the test at work only."""
    if getattr(report, "worker_id", None):
        _ended[report.worker_id] = time.monotonic() - _begun, report.nodeid
    if "MATHRL_PART" not in os.environ or "full" not in report.keywords:
        return
    if report.when == "setup":
        _set_up[report.nodeid] = report.duration
    elif report.when == "call" and report.passed:
        ledger.note_passed(report.nodeid, _set_up.get(report.nodeid, 0.0) + report.duration)


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def config() -> dict:
    """config.yaml as a mapping of its own."""
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.fixture
def stop_ray_agent():
    """Stop Ray's agent below a process as soon as it appears: Ray gives it 15 s, then ends itself."""

    def stop(pid: int, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(pid).children(recursive=True):
                    if any("dashboard/agent.py" in word for word in child.cmdline()[:4]):
                        return child.suspend()
            time.sleep(0.005)
        raise AssertionError("no agent came up")

    return stop


@pytest.fixture
def script(tmp_path):
    """Call an entry script in an empty directory; returns the finished process (text output)."""

    def call(name: str, *arguments, timeout: float = 120, **environment) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, ROOT / "scripts" / name, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **environment},
        )

    return call


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data: MATHRL_SHARED, or ../shared/data beside the checkout."""
    return real_data.path("benchmarks").parent


@pytest.fixture(scope="session")
def benchmarks(shared) -> dict:
    from mathrl.data.benchmarks import read_benchmark

    return {name: list(read_benchmark(shared / "benchmarks" / f"{name}.jsonl").values()) for name in BENCHMARKS}


@pytest.fixture(scope="session")
def problems(shared):
    """Read a real training set by name: a frame of id, problem, answer."""
    import polars as pl
    from support.cleaning import add_ids

    def read(*names: str):
        rows = []
        for name in names:
            path = shared / "train" / f"{name}.jsonl"
            with open(path) if path.exists() else gzip.open(f"{path}.gz", "rt") as lines:
                rows.extend(json.loads(line) for line in lines)
        return add_ids(pl.DataFrame({"problem": [row["problem"] for row in rows], "answer": [str(row["answer"]) for row in rows]}))

    return read
