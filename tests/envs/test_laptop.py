"""A machine that cannot run the demo is refused in one line, before anything is installed."""

import os
import shutil
import subprocess
import sys

import pytest

GIB = 1024**3


@pytest.fixture
def check(root, tmp_path):
    """Run the check on a machine of our own: what uname prints, its memory, the limits of its control groups."""

    def run(system="Linux", machine="x86_64", total=15.5 * GIB, groups="0::/\n", limits=None, **environment):
        (tmp_path / "bin").mkdir()
        uname = tmp_path / "bin/uname"
        uname.write_text(f"#!/bin/sh\n[ $1 = -s ] && echo {system} || echo {machine}\n")
        uname.chmod(0o755)
        if system == "Linux":
            (tmp_path / "proc/self").mkdir(parents=True)
            (tmp_path / "proc/meminfo").write_text(f"MemTotal:       {total / 1024:.0f} kB\nMemFree:        1000 kB\n")
            (tmp_path / "proc/self/cgroup").write_text(groups)
        for name, value in (limits or {}).items():
            path = tmp_path / "sys/fs/cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n")
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", root / "envs/check_laptop.sh", tmp_path], capture_output=True, text=True, env={"PATH": path} | environment, timeout=60
        )

    return run


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"system": "Darwin", "machine": "arm64"}, "found Darwin on arm64"),
        ({"system": "Darwin", "machine": "x86_64"}, "found Darwin on x86_64"),
        ({"machine": "aarch64"}, "found Linux on aarch64"),
        ({"total": 7.6 * GIB}, "found 7.6 GiB of memory, and the demo needs 12 GB"),
        ({"limits": {"memory.max": 8 * GIB}}, "found 8.0 GiB"),
        (
            {"groups": "0::/user.slice/me\n", "limits": {"user.slice/memory.max": 6 * GIB, "user.slice/me/memory.max": "max"}},
            "found 6.0 GiB",
        ),
        ({"PYTHON": "false"}, "found no Python.h for false"),
        ({"groups": "4:memory:/job\n", "limits": {"memory/job/memory.limit_in_bytes": 4 * GIB}}, "found 4.0 GiB"),
    ],
    ids=["apple-silicon", "intel-mac", "arm", "8-gb", "container", "slice", "headers", "cgroup-v1"],
)
def test_too_small_or_foreign_a_machine_is_refused(check, machine, message):
    done = check(**machine)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}") and done.stderr.endswith("(to try all the same: make demo ANYWAY=1)\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "machine",
    [
        {"total": 11.4 * GIB},
        {"total": 10.9 * GIB},
        {"limits": {"memory.max": "max"}},
        {"groups": "4:memory:/\n", "limits": {"memory/memory.limit_in_bytes": 9223372036854771712}},
    ],
    ids=["12-gib", "12-gb", "no-limit", "no-limit-v1"],
)
def test_a_machine_of_12_gb_passes(check, machine):
    done = check(PYTHON=sys.executable, **machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_whoever_insists_is_warned(check):
    done = check(total=8 * GIB, ANYWAY="1")
    assert (done.returncode, done.stderr) == (0, "warning: found 8.0 GiB of memory, and the demo needs 12 GB\n")


def test_make_stops_before_it_installs(root, tmp_path):
    """`make demo` on a machine that is refused leaves no environment behind, and runs no Python."""
    for name in ("Makefile", "envs"):
        (shutil.copytree if (root / name).is_dir() else shutil.copy)(root / name, tmp_path / name)
    (tmp_path / "envs/check_laptop.sh").write_text("#!/bin/sh\necho 'error: too small' >&2\nexit 2\n")
    done = subprocess.run(["make", "demo"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "error: too small" in done.stderr
    assert [path.name for path in tmp_path.glob(".venv*")] == []


def test_a_host_with_images_or_cuda_needs_no_packages_of_the_cpu(root, tmp_path):
    for name in ("Makefile", "envs"):
        (shutil.copytree if (root / name).is_dir() else shutil.copy)(root / name, tmp_path / name)

    def asks(*words):
        done = subprocess.run(["make", "-n", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        return "envs/check_laptop.sh" in done.stdout

    calls = [(name,) for name in ("forecast", "report", "crate", "verifiers")]
    assert all(asks(*call) for call in calls)
    (tmp_path / "containers").mkdir()
    (tmp_path / "containers/cuda.sif").touch()
    assert not any(asks(*call) for call in calls) and asks("verifiers", "PROFILE=profiles/demo") and asks("demo")
