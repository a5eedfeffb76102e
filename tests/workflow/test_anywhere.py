"""One installation, many users: another folder, another mount path, read-only, as a module of another workflow.

The data rules of the demo stand for all others: they are cheap, and every rule takes code, pins and paths by the same helpers.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest
from mathrl.data import downloads
from mathrl.execution import preflight, processes

from .conftest import DRIVER, ROOT, job_counts, wait_for

CHAIN = ("results/data/problems.parquet", "results/data/funnel.json")
RULES = {"make_demo_problems", "fetch_dataset", "clean_problems"}
MODULE = """
module mathrl:
    snakefile: "{installation}/Snakefile"
    config: config

use rule * from mathrl

use rule plot_funnel from mathrl with:
    log: "logs/mine/funnel.log",

onstart:
    mathrl.onstart()

SAID = "mine"
shell.prefix("echo {{SAID}} ${{{{MATHRL_IN_SUPERVISOR-outside}}}} >> prefix.log; ")
"""


def snakemake(folder: Path, *arguments: str, before: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess:
    """Call Snakemake in a folder; output is text, both streams together."""
    return subprocess.run(
        [*before, str(DRIVER / "snakemake"), *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )


def study(installation: Path, folder: Path, *arguments: str) -> list[str]:
    """The arguments of a demo study in a folder of its own."""
    demo = str(installation / "profiles/demo")
    return ["-s", str(installation / "Snakefile"), "-d", str(folder), "--profile", demo, "--cores", "2", *arguments]


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    done = snakemake(folder, "-n", *arguments)
    assert done.returncode == 0, done.stdout
    return job_counts(done.stdout)


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Each file below a folder with its size and time."""
    found = ((path, path.lstat()) for path in folder.rglob("*"))
    return {str(path.relative_to(folder)): (info.st_size, info.st_mtime_ns) for path, info in found}


@pytest.fixture(scope="module")
def installation(make_workflow) -> Path:
    return make_workflow("installation").directory


@pytest.fixture(scope="module")
def made(installation, tmp_path_factory) -> Path:
    """A study's folder with the first data made, by `-s` and `-d` from a third folder."""
    place = tmp_path_factory.mktemp("users")
    before = contents(installation)
    done = snakemake(place, *study(installation, Path("mine"), "--", *CHAIN), PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 0, done.stdout
    assert set(job_counts(done.stdout)) == RULES
    assert contents(installation) == before, "nothing is written into the installation"
    return place / "mine"


def test_a_study_lies_in_its_own_folder(made):
    assert {path.name for path in made.iterdir()} == {".snakemake", "checkpoints", "logs", "resources", "results"}
    assert [path.name for path in (made / "checkpoints").iterdir()] == ["endpoints.jsonl"], "the study's endpoint is registered"
    assert all((made / path).is_file() for path in CHAIN)
    assert (made / ".snakemake/owner").is_file(), "its lock and its owner are its own"
    assert json.loads((made / CHAIN[1]).read_text())["schema_version"] >= 1


def test_another_mount_path_and_new_file_times_rerun_nothing(made, installation, tmp_path):
    moved = tmp_path / "its {x} place/mathrl"  # braces, which Snakemake takes for a wildcard
    shutil.copytree(installation, moved, symlinks=True, copy_function=shutil.copyfile)  # files of now
    shutil.copytree(made, tmp_path / "mine")
    assert planned(tmp_path, *study(moved, tmp_path / "mine", "--", *CHAIN)) == {}
    with open(moved / "scripts/clean_problems.py", "a") as script:
        script.write("# an edit\n")
    assert planned(tmp_path, *study(moved, tmp_path / "mine", "--", *CHAIN)) == {"clean_problems": 1}


def test_as_a_module_of_another_workflow(made, installation, tmp_path):
    """The same study, driven from a Snakefile of the user's; a rule of it is changed there."""
    folder = tmp_path / "mine"
    shutil.copytree(made, folder)
    (folder / "Snakefile").write_text(MODULE.format(installation=installation))
    demo = ("--profile", str(installation / "profiles/demo"), "--cores", "2")
    done = snakemake(folder, *demo, "--", *CHAIN, "results/data/funnel.svg")
    assert done.returncode == 0, done.stdout
    assert job_counts(done.stdout) == {"plot_funnel": 1}, "what `-s` and `-d` made is up to date"
    assert (folder / "logs/mine/funnel.log").exists()
    assert (folder / "prefix.log").read_text().splitlines() == ["mine outside", "mine 1"], "the user's prefix, and our supervisor behind it"
    assert done.stdout.count("rules run without containers") == 1, "notices come once, however many statements use the module"


def test_a_module_without_any_configuration_is_the_finalists_experiment(installation, tmp_path):
    (tmp_path / "Snakefile").write_text(MODULE.format(installation=installation))
    jobs = planned(tmp_path, "--cores", "2", "--resources", "gpu=6")
    assert (jobs["train_policy"], jobs["generate_samples"], jobs["grade_samples"]) == (1, 12, 24)


def test_a_configuration_and_pins_of_the_users_come_first(installation, tmp_path):
    (tmp_path / "config.yaml").write_text("pins: pins.tsv\nselect: [dapo]\nbenchmarks: [gsm8k, mine]\n")
    row = "mine\tbenchmark\tfile\tmine.jsonl" + "\t" * 7 + "\n"
    (tmp_path / "pins.tsv").write_text((installation / "pins.tsv").read_text() + row)
    (tmp_path / "mine.jsonl").write_text("{}\n")
    options = ("-n", "-s", str(installation / "Snakefile"), "--cores", "2", "--resources", "gpu=6", "--workflow-profile", "none", "-p")
    done = snakemake(tmp_path, *options)
    assert done.returncode == 0, done.stdout
    assert "--pins pins.tsv --name mine" in done.stdout and "--run dapo" in done.stdout
    done = snakemake(tmp_path, *options, "--config", "pins=nowhere.tsv")
    assert done.returncode == 2 and f"{installation}/nowhere.tsv: no such file" in done.stdout


def test_the_lock_of_a_shared_table_is_the_users(tmp_path, monkeypatch):
    shared, mine = tmp_path / "shared", tmp_path / "mine"
    mine.mkdir()
    monkeypatch.chdir(mine)
    pin = downloads.Pin("thing", "dataset", downloads.Origin("http", "x"))
    written = downloads.write_lock(shared / "pins.tsv", pin, pin.origin, {"a": "1" * 64, "b": "2" * 64}, None)
    assert written.absolute() == mine / "pins.lock/thing.json" and not shared.exists()
    lock = shared / "pins.lock/thing.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"sha256": {"a": "3" * 64}}))
    assert downloads.read_lock(shared / "pins.tsv", pin) == {"a": "3" * 64, "b": "2" * 64}, "the installation's own is enforced"
    assert downloads.lock_path(mine / "more/pins.tsv", "thing") == mine / "more/pins.lock/thing.json"


# In a mount namespace of its own: the installation read-only, and Python where another user may not see it in sight; then become that user.
AS_USER = """
shared=$1 python=$2 closed=$3 hold=$4; shift 4
mount --bind "$shared" "$shared" && mount -o remount,ro,bind "$shared" || exit 1
if [ -n "$closed" ]; then
    mount --bind "$python" "$hold" && mount -t tmpfs -o mode=755 tmpfs "$closed" || exit 1
    mkdir -p "$python" && mount --bind "$hold" "$python" || exit 1
fi
exec setpriv "$@"
"""


def test_two_users_at_once_of_an_installation_that_neither_can_write(installation):
    """Users without rights on it, and the file system mounted read-only for them."""
    if os.getuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("needs root, who may mount and become another user")
    python = Path(sys.base_prefix)
    closed = next((str(path) for path in reversed(python.parents) if not path.stat().st_mode & 1), "")
    if closed and ROOT.is_relative_to(closed):
        pytest.skip(f"{ROOT} is closed to other users")
    with tempfile.TemporaryDirectory(prefix="mathrl-users-") as name:  # pytest's own folders are closed to other users
        place = Path(name)
        place.chmod(0o755)
        shared, hold = place / "mathrl", place / "python"
        hold.mkdir()
        shutil.copytree(installation, shared, symlinks=True)
        processes = {}
        for user in (65531, 65532):
            folder = place / str(user)
            folder.mkdir(mode=0o700)
            os.chown(folder, user, user)
            rights = [f"--reuid={user}", f"--regid={user}", "--clear-groups", "--", str(DRIVER / "snakemake")]
            command = ["unshare", "-m", "sh", "-c", AS_USER, "sh", *map(str, (shared, python, closed, hold)), *rights]
            processes[folder] = subprocess.Popen(
                [*command, *study(shared, folder, "--", *CHAIN)],
                cwd=folder,
                env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(folder), "USER": f"user-{user}"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        said = {folder: process.communicate(timeout=600)[0] for folder, process in processes.items()}
        for folder, process in processes.items():
            assert process.returncode == 0, said[folder]
            assert all((folder / path).stat().st_uid == folder.stat().st_uid for path in CHAIN)
            assert (folder / ".cache/snakemake").is_dir(), "caches are the user's own"
        first, second = processes
        assert (first / CHAIN[0]).read_bytes() == (second / CHAIN[0]).read_bytes()


FAKE = """#!/bin/sh
# Stands for Apptainer: notes what is mounted, then runs the command on the host.
case "$*" in
    --version) echo "apptainer version 1.4.5" ;;
    inspect*) echo '{"data": {"attributes": {"labels": {"org.mathrl.lock-sha256": "LOCK"}}}}' ;;
    *) echo "$APPTAINER_BIND" >> "$BOUND"; for last; do :; done; exec bash -c "$last" ;;
esac
"""


def test_containers_see_the_installation(made, installation, tmp_path):
    folder, program = tmp_path / "mine", tmp_path / "bin/apptainer"
    shutil.copytree(made, folder)
    program.parent.mkdir()
    lock = preflight.sha256_file(installation / "envs/cpu.txt")
    program.write_text(FAKE.replace("LOCK", lock))
    program.chmod(0o755)
    image = tmp_path / "my {x} images/cpu.sif"  # a path that Snakemake refuses
    image.parent.mkdir()
    image.write_text("")
    environment = {"PATH": f"{program.parent}:{DRIVER.parent.parent / '.venv/bin'}:{os.environ['PATH']}", "BOUND": str(tmp_path / "bound")}
    options = ("--sdm", "apptainer", "--config", f"containers={{cpu: '{image}'}}", "--", "results/data/funnel.svg")
    done = snakemake(tmp_path, *study(installation, folder, *options), APPTAINER_BIND="/data", **environment)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "bound").read_text().splitlines()[-1] == f"/data,{installation}"


def test_the_target_data_trains_nothing_whatever_a_run_is_called(installation, tmp_path):
    setting = ("--config", "runs={data-raw: {data: raw}}", "select=[grpo,data-raw]")
    jobs = planned(tmp_path, *study(installation, tmp_path / "mine", *setting, "--", "data"))
    assert jobs["format_training_data"] == 2 and not {"train_policy", "export_model", "generate_samples"} & set(jobs)
    jobs = planned(tmp_path, *study(installation, tmp_path / "mine", *setting, "--", "train"))
    assert (jobs["train_policy"], jobs["export_model"]) == (2, 2) and "generate_samples" not in jobs


def test_a_folder_a_home_and_a_locale_as_they_are(make_workflow, tmp_path):
    """A space, a quote and a semicolon in the path, ASCII only, no home, the user's own PYTHONPATH, braces in the instruction."""
    place = tmp_path / "it's a; test"
    place.mkdir()
    workflow = make_workflow("odd", place)
    mine = {"prompt": {"instruction": "Put it into \\boxed{answer} …", "separator": " "}}
    (workflow.directory / "mine.yaml").write_text(json.dumps(mine))
    options = ("--profile", "profiles/demo", "--cores", "1", "--configfile", "profiles/demo/demo.yaml", "mine.yaml")
    odd = {"LC_ALL": "C", "PYTHONUTF8": "0", "HOME": "/proc", "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
    made = "results/grpo/main/train.parquet"
    done = snakemake(workflow.directory, *options, "--", made, **odd)
    assert done.returncode == 0, done.stdout
    prompts = pl.read_parquet(workflow.directory / made)["prompt"].list.first().struct.field("content")
    assert prompts.str.starts_with("Put it into \\boxed{answer} … ").all()


@pytest.mark.parametrize("name", ["my{x}dir", "{1}"])  # of the second Snakemake's own words are a traceback
def test_a_working_directory_with_braces_is_refused_in_one_line(installation, tmp_path, name):
    done = snakemake(tmp_path, *study(installation, tmp_path / name))
    said = [line for line in done.stdout.splitlines() if "directory" in line and not line.startswith("Creating")]
    assert done.returncode == 2 and len(said) == 1, done.stdout
    assert said[0].startswith(f"error: the working directory {tmp_path}/{name}: ") and said[0].endswith("-d FOLDER")
    assert "Traceback" not in done.stdout and not (tmp_path / name / "checkpoints").exists()


@pytest.mark.full
def test_a_job_that_a_killed_snakemake_left_is_ended_by_plain_snakemake(installation, tmp_path):
    """A rule that no supervisor runs: a second copy would run beside the first."""

    def call(*options: str) -> list[str]:
        return study(installation, tmp_path / "mine", *options, "--", *CHAIN)

    first = subprocess.Popen([str(DRIVER / "snakemake"), *call()], cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True)

    def orphans() -> list[int]:
        tagged = processes.tagged(processes.WORKDIR, str(tmp_path / "mine"))
        return [pid for pid in tagged if "python" in processes.command_line(pid)]

    wait_for(orphans, 60, "a job")
    left = orphans()
    processes.send(left, signal.SIGSTOP)  # a slow one
    first.kill()
    first.wait()
    assert all(processes.start_time(pid) for pid in left)
    done = snakemake(tmp_path, *call("--rerun-incomplete"))
    assert done.returncode == 0 and "lock file(s) of a Snakemake that is gone" in done.stdout, done.stdout
    assert all(f"ended orphan {pid} " in done.stdout and not processes.start_time(pid) for pid in left), done.stdout
