"""What would go wrong hours later is said before the first job, in one line that names the remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from mathrl.core.files import UserError, sha256_file
from mathrl.execution import preflight

ROOT = Path(__file__).resolve().parents[2]

DEFINITION = """Bootstrap: scratch

%labels
    {label}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A workflow's root with a lock, six declared GPUs, and this as the working directory."""
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/cpu.txt").write_text("polars==2.1.0\n")
    (tmp_path / "envs/cuda.txt").write_text("torch==2.11.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MATHRL_GPUS", "6")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # a Python that has the packages
    for name in ("CUDA_VISIBLE_DEVICES", "MATHRL_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def build(path: Path, label: str) -> None:
    """A real image that holds nothing but its labels."""
    if not shutil.which("apptainer"):
        pytest.skip("needs Apptainer (tests/hpc/install.sh)")
    path.with_suffix(".def").write_text(DEFINITION.format(label=label))
    command = ["apptainer", "--silent", "build", "--force", str(path), str(path.with_suffix(".def"))]
    subprocess.run(command, check=True, capture_output=True)


def check(place: Path, **changes):
    """The check of a good CUDA run without containers, with changes."""
    arguments = {
        "accelerator": "cuda",
        "images": {"cpu": "cpu.sif"},
        "locks": {"cpu": "envs/cpu.txt", "cuda": "envs/cuda.txt"},
        "root": place,
        "containers": False,
        "dry_run": False,
        "cluster": False,
        "requests": {"runs.grpo": 6},
        "given": 6,
    }
    return preflight.check(**(arguments | changes))


@pytest.mark.parametrize(
    ("installation", "directory", "message"),
    [
        ("/its:name/mathrl", "/mine", r"the installation /its:name/mathrl: PATH .* rename it$"),
        ("/mathrl", "/my{x}dir/mine", r"the working directory /my\{x\}dir/mine: .* rename .*-d FOLDER$"),
    ],
)
def test_a_folder_whose_name_would_be_misread_is_refused(installation, directory, message):
    with pytest.raises(UserError, match=message):
        preflight.check_names(Path(installation), Path(directory))
    preflight.check_names(Path("/its {x} 'name'; a,b"), Path("/its:name, }"))


def test_a_good_run_passes_with_one_notice(place):
    notices = check(place)
    assert len(notices) == 1
    assert "without containers" in notices[0]
    assert "--sdm apptainer" in notices[0]


@pytest.mark.parametrize(
    ("changes", "message", "reason"),
    [
        ({"containers": True}, r"containers.cpu: cpu.sif is not there; build it: make containers", "missing image"),
        ({"given": 4}, r"runs.grpo asks for 6 GPU.* given 4; .*--resources gpu=6", "Snakemake would give it 4"),
        ({"requests": {"a": 2, "b": 8}, "given": None}, r"b asks for 8 GPU.* shows 6", "more than the host has"),
        ({"nodes": {"run a": 1, "run b": 2}}, r"run b wants 2 nodes, .*--profile profiles/slurm", "jobs stay on this host"),
    ],
)
def test_refused(place, changes, message, reason):
    with pytest.raises(UserError, match=message):
        check(place, **changes)


def test_a_host_without_gpu_names_the_laptop_profile(place, monkeypatch):
    monkeypatch.setenv("MATHRL_GPUS", "0")
    with pytest.raises(UserError, match=r"shows no GPU; .*profiles/demo"):
        check(place)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dry_run": True}, "a dry run on any machine"),
        ({"cluster": True}, "a login node"),
        ({"cluster": True, "nodes": {"run b": 2}}, "SLURM has several nodes"),
        ({"accelerator": "cpu", "requests": {}}, "a run on the CPU"),
    ],
)
def test_hosts_that_need_no_gpu(place, monkeypatch, changes, reason):
    monkeypatch.setenv("MATHRL_GPUS", "0")
    check(place, **changes)


def test_no_limit_given_is_no_refusal(place):
    check(place, given=None)


def test_a_dry_run_says_what_is_missing_and_goes_on(place):
    assert any("cpu.sif is not there" in line for line in check(place, containers=True, dry_run=True))


def test_an_image_built_from_the_lock_passes(place):
    build(place / "cpu.sif", f"{preflight.LABEL} {sha256_file('envs/cpu.txt')}")
    assert check(place, containers=True) == []


def test_every_rule_may_run_in_the_cuda_image_but_not_the_other_way_round(place):
    build(place / "cuda.sif", f"{preflight.LABEL} {sha256_file('envs/cuda.txt')}")
    build(place / "cpu.sif", f"{preflight.LABEL} {sha256_file('envs/cpu.txt')}")
    assert check(place, containers=True, images={"cpu": "cuda.sif", "cuda": "cuda.sif"}) == []
    with pytest.raises(UserError, match=r"containers.cuda: cpu.sif was built from another envs/cuda.txt"):
        check(place, containers=True, images={"cpu": "cpu.sif", "cuda": "cpu.sif"})


def test_a_stale_image_is_refused(place):
    build(place / "cpu.sif", f"{preflight.LABEL} {sha256_file('envs/cpu.txt')}")
    (place / "envs/cpu.txt").write_text("polars==2.2.0\n")
    with pytest.raises(UserError, match=r"cpu.sif was built from another envs/cpu.txt; build it again: make containers"):
        check(place, containers=True)


def test_an_image_of_somebody_else_is_refused(place):
    build(place / "cpu.sif", "maintainer nobody")
    with pytest.raises(UserError, match="does not say which lock"):
        check(place, containers=True)


def test_a_file_that_is_no_image_is_refused(place):
    if not shutil.which("apptainer"):
        pytest.skip("needs Apptainer (tests/hpc/install.sh)")
    (place / "cpu.sif").write_text("<html>not found</html>")
    with pytest.raises(UserError, match="is no image that apptainer can read"):
        check(place, containers=True)


def test_published_images(place):
    """By digest: nothing can go stale. By tag: it may change."""
    digest = "docker://registry.example.org/mathrl@sha256:" + "0" * 64
    assert check(place, containers=True, images={"cpu": digest}) == []
    tag = "docker://registry.example.org/mathrl:latest"
    assert any("not pinned by digest" in line for line in check(place, containers=True, images={"cpu": tag}))


def test_relative_images_lie_below_the_workflow():
    assert preflight.image_path("containers/cpu.sif", "/repository") == "/repository/containers/cpu.sif"
    assert preflight.image_path("/images/cpu.sif", "/repository") == "/images/cpu.sif"
    assert preflight.image_path("docker://a/b@sha256:0", "/repository") == "docker://a/b@sha256:0"


def test_space(place):
    free = shutil.disk_usage(place).free
    assert preflight.check_space({"checkpoints": free // 2}) == []
    assert "may write" in preflight.check_space({"checkpoints": free * 3 // 4, "results": free // 2})[0], "one disk"
    with pytest.raises(UserError, match=r"checkpoints: the run may write .* GB are free; make room"):
        preflight.check_space({"checkpoints": free * 20})


def test_no_write_access_is_said():
    """/proc refuses files to root as well."""
    with pytest.raises(UserError, match=r"/proc/results: cannot be written .*; make /proc writable"):
        preflight.check_writable(["/proc/results"])


def test_checkpoints_of_a_model(tmp_path):
    """Weights, two moments in 32 bits and a margin: 14 bytes a parameter."""
    (tmp_path / "model.safetensors").write_bytes(b"0" * 2000)
    assert preflight.checkpoint_bytes(tmp_path, 3) == 3 * 1000 * 14


def snakemake(*arguments: str) -> subprocess.CompletedProcess:
    """A dry run of this workflow as on a bare machine: no Apptainer, no SLURM, no GPU on the PATH."""
    executable = ROOT / ".venv-driver/bin/snakemake"
    if not executable.exists():
        pytest.skip("needs .venv-driver (make env)")
    environment = {k: v for k, v in os.environ.items() if k not in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID")}
    environment["PATH"] = os.pathsep.join([str(executable.parent), "/usr/bin", "/bin"])
    command = [str(executable), "--dry-run", "--quiet", "host", "--nolock", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--cores", "all", "--resources", "gpu=6"),
        ("--profile", "profiles/local", "--cores", "all"),
        ("--profile", "profiles/slurm", "--config", "training={nodes: 2}"),
    ],
)
def test_profiles_resolve_anywhere(arguments):
    done = snakemake(*arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "train" in done.stdout + done.stderr
    assert "only SLURM can give" not in done.stdout + done.stderr, "a dry run hides the executor that was asked for"


def test_the_demo_is_not_caught_by_the_default_profile():
    """Snakemake lays profiles/default over every other profile; this one steps aside."""
    done = snakemake("--profile", "profiles/demo", "--sdm", "conda")  # any value but apptainer: shows what is merged
    assert done.returncode == 0, done.stderr[-2000:]
    assert "--nv" not in done.stderr


@pytest.mark.parametrize("name", ["default", "local", "slurm", "demo"])
def test_a_profile_is_short_and_says_what_to_edit(name):
    lines = (ROOT / "profiles" / name / "config.yaml").read_text().splitlines()
    assert len(lines) <= 30
    assert sum("# edit" in line for line in lines) <= 4


def test_the_script(place):
    """By hand: one line and exit code 2."""
    (place / "config.yaml").write_text("accelerator: cpu\ncontainers: {cpu: cpu.sif, cuda: cuda.sif}\ntraining: {gpus: 6, nodes: 1}\n")
    command = [sys.executable, str(ROOT / "scripts/check_host.py"), "--config", "config.yaml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "is not there; build it: make containers" in done.stderr


@pytest.mark.parametrize(
    ("kilobytes", "accelerator", "refused"), [(8_000_000, "cpu", True), (90_000_000, "cpu", False), (90_000_000, "cuda", True)]
)
def test_a_limit_on_address_space_is_one_line_before_anything_starts(kilobytes, accelerator, refused):
    code = f"from mathrl.execution import preflight; preflight.check_limits('{accelerator}', 0)"
    command = ["bash", "-c", 'ulimit -v "$0" && exec "$@"', str(kilobytes), sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")}, capture_output=True, text=True)
    assert (done.returncode != 0) == refused, done.stderr
    if refused:
        assert done.stderr.splitlines()[-1].endswith("too little for training; start it after: ulimit -v unlimited")


@pytest.mark.parametrize(("size", "fits"), [(75, True), (76, False)])
def test_a_folder_that_no_socket_fits_in_is_said(tmp_path, size, fits):
    """As multiprocessing finds out, which starts its workers through one."""
    folder = tempfile.mkdtemp(dir="/tmp")
    long = Path(folder, "x" * (size - len(folder) - 1))
    long.mkdir()
    code = """
import multiprocessing
from mathrl.execution import preflight
try:
    preflight.check_limits("cpu", 0)
finally:
    worker = multiprocessing.get_context("forkserver").Process(target=print)
    worker.start()
    worker.join()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "TMPDIR": str(long)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    shutil.rmtree(folder)
    assert done.returncode == (0 if fits else 1), done.stderr
    if not fits:
        assert "AF_UNIX path too long" in done.stderr
        assert f"TMPDIR {long}: is too long for the sockets in it; set TMPDIR to a folder of at most 75 bytes" in done.stderr


def test_full_shared_memory_is_said(tmp_path):
    preflight.check_limits("cpu", 0, str(tmp_path))
    with pytest.raises(UserError, match=r"MB are free and training needs \d+ MB; remove what is left there"):
        preflight.check_limits("cpu", 1 << 60, str(tmp_path))


def test_a_home_that_cannot_be_written_moves_the_caches(tmp_path, monkeypatch):
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TRITON_HOME", "PYTHONUTF8"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    preflight.same_everywhere()
    assert os.environ["PYTHONUTF8"] == "1" and "XDG_CACHE_HOME" not in os.environ
    monkeypatch.setenv("HOME", "/proc")
    monkeypatch.setenv("XDG_CACHE_HOME", "/mine")
    preflight.same_everywhere()
    assert os.environ["XDG_CACHE_HOME"] == "/mine" and os.environ["TRITON_HOME"] == str(tmp_path / ".snakemake/cache")


@pytest.fixture
def path(monkeypatch):
    """PATH and CUDA_HOME as they were, put back at the end."""
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.delenv("CUDA_HOME", raising=False)


def make_environment(place, name, lock="", cuda=False):
    """An environment as make leaves it."""
    (place / name / "bin").mkdir(parents=True)
    if lock:
        (place / name / "lock").write_text(f"{sha256_file(lock)}  {lock}\n")
    if cuda:
        (place / name / "cuda").mkdir()


@pytest.mark.parametrize(
    ("accelerator", "there", "chosen"),
    [("cpu", [".venv", ".venv-cuda"], ".venv"), ("cuda", [".venv", ".venv-cuda"], ".venv-cuda"), ("cuda", [".venv"], ".venv")],
)
def test_jobs_run_in_the_environment_of_their_accelerator(place, path, accelerator, there, chosen):
    for name in there:
        make_environment(place, name, cuda=name == ".venv-cuda")
    preflight.use_environment(place, accelerator)
    assert os.get_exec_path()[0] == str(place / chosen / "bin")
    assert os.environ.get("CUDA_HOME") == (str(place / ".venv-cuda/cuda") if chosen == ".venv-cuda" else None)


def test_a_cuda_home_of_the_users_stays(place, path, monkeypatch):
    monkeypatch.setenv("CUDA_HOME", "/opt/mine")
    make_environment(place, ".venv-cuda", cuda=True)
    preflight.use_environment(place, "cuda")
    assert os.environ["CUDA_HOME"] == "/opt/mine"


def test_a_gpu_with_the_cpus_packages_is_refused(place):
    make_environment(place, ".venv")
    with pytest.raises(UserError, match=r"\.venv holds the CPU's packages; make CUDA's: make env-cuda"):
        check(place)
    assert any("make env-cuda" in notice for notice in check(place, dry_run=True))
    assert not any("env-cuda" in notice for notice in check(place, accelerator="cpu"))
    make_environment(place, ".venv-cuda", "envs/cuda.txt")
    assert not any("env-cuda" in notice for notice in check(place))


@pytest.mark.parametrize(("accelerator", "make"), [("cpu", "make env;"), ("cuda", "make env-cuda;")])
def test_snakemakes_own_python_is_no_environment_of_rules(place, monkeypatch, accelerator, make):
    """`make driver containers` makes no environment, and the profile of the demo takes no containers by itself."""
    monkeypatch.setenv("PATH", f"{ROOT}/.venv-driver/bin")
    with pytest.raises(UserError, match=rf"no polars, which rules need; make the environment: {make} with Apptainer: .* --sdm apptainer"):
        check(place, accelerator=accelerator)
    assert any(make in notice for notice in check(place, accelerator=accelerator, dry_run=True))


@pytest.mark.parametrize(
    "text",
    ["", "#!/no/such/python\n", "#!/bin/sh\nexec /bin/sleep 30\n", "#!/bin/sh\necho said; echo 'no such version' >&2; exit 1\n", None],
    ids=["no program", "without its interpreter", "silent", "loud", "none"],
)
def test_a_python_that_does_not_work_has_no_packages_and_says_nothing(place, monkeypatch, capfd, text):
    """One line, not a traceback; Snakemake's output may be a graph."""
    folder = place / "my programs"
    folder.mkdir()
    if text is not None:
        (folder / "python").write_text(text)
        (folder / "python").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(preflight, "PATIENCE", 0.5)
    with pytest.raises(UserError, match="has no polars, which rules need"):
        preflight.check_environment(place, "cpu", dry_run=False)
    assert capfd.readouterr() == ("", "")


def test_a_lock_that_a_full_disk_left_half_written_is_another_one(place):
    make_environment(place, ".venv-cuda", "envs/cuda.txt")
    for half in (b"", b"0123abcd", b"0123abcd  envs/cu", b"\xff\0"):
        (place / ".venv-cuda/lock").write_bytes(half)
        with pytest.raises(UserError, match=r"was not made from the present cuda\.txt; make it again: make env-cuda"):
            preflight.check_environment(place, "cuda", dry_run=False)


def test_an_environment_of_another_lock_is_refused(place):
    make_environment(place, ".venv-cuda", "envs/cuda.txt")
    (place / "envs/cuda.txt").write_text("torch==2.12.0\n")
    with pytest.raises(UserError, match=r"\.venv-cuda was not made from the present cuda.txt; make it again: make env-cuda"):
        check(place)


def test_an_environment_that_is_named_comes_first(place, path, monkeypatch):
    make_environment(place, ".venv")
    make_environment(place, ".venv-cuda-on-cpu")
    monkeypatch.setenv("MATHRL_ENVIRONMENT", ".venv-cuda-on-cpu")
    preflight.use_environment(place, "cpu")
    assert os.get_exec_path()[0] == str(place / ".venv-cuda-on-cpu/bin")
    monkeypatch.setenv("MATHRL_ENVIRONMENT", str(place / ".venv"))
    preflight.use_environment(place, "cuda")
    assert os.get_exec_path()[0] == str(place / ".venv/bin")


def test_a_named_environment_is_there_and_of_its_lock(place, monkeypatch):
    make_environment(place, ".venv")
    monkeypatch.setenv("MATHRL_ENVIRONMENT", ".venv-cuda-on-cpu")
    with pytest.raises(UserError, match=r"MATHRL_ENVIRONMENT: .*\.venv-cuda-on-cpu is no environment of Python; make it, or unset"):
        check(place, accelerator="cpu")
    (place / "envs/cuda-on-cpu.txt").write_text("torch==2.11.0\n")
    make_environment(place, ".venv-cuda-on-cpu", "envs/cuda-on-cpu.txt")
    (place / ".venv-cuda-on-cpu/bin/python").touch()
    assert not any("env-cuda" in notice for notice in check(place, accelerator="cpu"))
    (place / "envs/cuda-on-cpu.txt").write_text("torch==2.12.0\n")
    again = r"cuda-on-cpu was not made from the present cuda-on-cpu.txt; make it again: make env-cuda-on-cpu"
    with pytest.raises(UserError, match=again):
        check(place, accelerator="cpu")
    assert any("make env-cuda-on-cpu" in notice for notice in check(place, accelerator="cpu", dry_run=True))


def test_an_environment_of_the_users_own_is_not_looked_at(place, monkeypatch, tmp_path_factory):
    own = tmp_path_factory.mktemp("own")
    make_environment(own, "mine")
    (own / "mine/bin/python").touch()
    monkeypatch.setenv("MATHRL_ENVIRONMENT", str(own / "mine"))
    assert not any("mine" in notice for accelerator in ("cpu", "cuda") for notice in check(place, accelerator=accelerator))


def test_a_merge_asks_for_what_the_weights_take(tmp_path):
    """OpenSeek's merge was measured at 11.2 GiB; a small model's request stays as it was."""
    assert preflight.parameters(tmp_path / "none") == 0
    (tmp_path / "config.json").write_text('{"torch_dtype": "bfloat16"}')
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.truncate(2_800_000_000)  # sparse
    assert preflight.parameters(tmp_path) == 1_400_000_000
    assert 11.2 * 2**30 / 1e6 < preflight.merge_megabytes(1_400_000_000) < 1.2 * 11.2 * 2**30 / 1e6
    assert preflight.merge_megabytes(1_000_000) == 8000


@pytest.mark.parametrize(
    ("comment", "where", "refused"),
    [
        ("rule_train_policy_wildcards_grpo_main", ".", True),
        ("rule_grade_grade_samples", ".", True),  # a group: its name is its id and its rules
        ("rule_4b8f2c66-9d4e-5d0c-8f4e-0c6f7b1d2a33_grade_samples", ".", True),
        ("group_grade_samples", ".", True),
        ("rule_train_policy", "elsewhere", False),
        ("(null)", ".", False),  # a job of the user's own
        ("a|b|rule_x", ".", False),
    ],
)
def test_jobs_of_an_earlier_call_that_slurm_still_has_are_named(place, monkeypatch, comment, where, refused):
    """Beside them the same work would be done twice; a grouped job counts as any other."""
    for name in ("bin", "elsewhere"):
        (place / name).mkdir()
    asked = "--me --noheader --format %i|%T|%Z|%k"
    (place / "bin/squeue").write_text(f'#!/bin/sh\n[ "$*" = "{asked}" ] && echo "17|PENDING|{place / where}|{comment}"\n')
    (place / "bin/squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place / 'bin'}:{os.environ['PATH']}")
    if not refused:
        return preflight.check_queue()
    with pytest.raises(UserError, match=r"^1 SLURM job\(s\) of an earlier call still work here \(17\); wait for them, or: scancel 17$"):
        preflight.check_queue()
    return None
