"""What can be known to go wrong before the first job: images, GPUs, space, write access.

`check` is the whole; each part is a function of its own. A part returns notices (lines for the user) and raises
`UserError` where going on makes no sense. Nothing here takes longer than 0.2 s.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from mathrl.core.files import UserError, sha256_file
from mathrl.execution import compiler, gpus, nvidia, slurm
from mathrl.execution.processes import LONGEST_TMPDIR

LABEL = "org.mathrl.lock-sha256"  # hash of the envs/*.txt that an image was built from
REBUILD = "make containers"
PACKAGE = "polars"  # what a Python that can run our rules has
PATIENCE = 60.0  # seconds for it to answer; on a shared file system it takes a while
NAMED = "MATHRL_ENVIRONMENT"  # an environment of the user's choice: a folder, seen from the installation
ENVIRONMENTS = {"cpu": ".venv", "cuda": ".venv-cuda"}  # by accelerator, in the installation


@functools.cache
def say(notice: str) -> None:
    """Print a notice for the user, once: a workflow that uses rules of ours by several statements reads ours as often."""
    print(f"notice: {notice}", file=sys.stderr)


def put_first(directory: Path) -> None:
    """Let this process and its jobs find programs there first."""
    first = str(directory)
    os.environ["PATH"] = os.pathsep.join([first, *(path for path in os.get_exec_path() if path != first)])


def environment(root: Path, accelerator: str) -> Path:
    """The environment of jobs without containers: the one that MATHRL_ENVIRONMENT names, else the one of the accelerator's lock."""
    return root / (os.environ.get(NAMED) or ENVIRONMENTS[accelerator])


def use_environment(root: Path, accelerator: str) -> None:
    """Let jobs without containers run in their environment; in the CPU's where that is not made."""
    own = environment(root, accelerator)
    enter(own if own.is_dir() else root / ENVIRONMENTS["cpu"])


def enter(place: Path) -> None:
    """Let this process and what it starts find the programs of an environment, among them ninja, and the compiler that came with it.

    FlashInfer and Triton look for that by CUDA_HOME; a CUDA_HOME of the user's stays.
    """
    if (place / "bin").is_dir():
        put_first(place / "bin")
    if (place / "cuda").is_dir():
        os.environ.setdefault("CUDA_HOME", str(place / "cuda"))


def check_environment(root: Path, accelerator: str, dry_run: bool) -> list[str]:
    """Without containers the environment is there; that of CUDA, or one that is named, is of its lock as it is now.

    A Python of the user's own on the path is only asked whether it has a package that rules need; an environment that is named and
    that no lock of ours made is not looked at.

    Raises:
        UserError: jobs would run with the CPU's packages, or with those of another lock. In a dry run that is a notice.
    """
    own, wrong, named = environment(root, accelerator), None, os.environ.get(NAMED)
    if not named and accelerator == "cpu" and own.is_dir():
        return []
    record = own / "lock"  # as sha256sum writes it
    said = record.read_text(errors="replace").split() if record.exists() else []
    made, lock = said if len(said) == 2 and (root / said[1]).is_file() else ("", f"envs/{accelerator}.txt")  # a full disk leaves half of it
    make = f"make env-{Path(lock).stem}".removesuffix("-cpu" if lock == "envs/cpu.txt" else "")
    if named and not (own / "bin/python").exists():
        wrong = f"{NAMED}: {own} is no environment of Python; make it, or unset the variable"
    elif not own.is_dir() and (root / ENVIRONMENTS["cpu"]).is_dir():
        wrong = f"accelerator: cuda without containers, and .venv holds the CPU's packages; make CUDA's: {make}"
    elif not own.is_dir() and not _has_packages():
        wrong = (
            f"{own.name} is not there, and the Python on the path has no {PACKAGE}, which rules need; make the environment: {make}; "
            "with Apptainer: make containers, then Snakemake with --sdm apptainer"
        )
    elif own.is_dir() and (made or not named) and made != sha256_file(root / lock):
        wrong = f"{own.name} was not made from the present {Path(lock).name}; make it again: {make}"
    if wrong and not dry_run:
        raise UserError(wrong)
    return [wrong] if wrong else []


def _has_packages() -> bool:
    """Does the Python of rules, which the user chose, hold what each of them needs? One that does not start or end holds nothing."""
    code = f"import importlib.util as u; raise SystemExit(not u.find_spec('{PACKAGE}'))"
    quiet = subprocess.DEVNULL  # our output may be a graph for dot
    try:
        done = subprocess.run(["python", "-c", code], stdin=quiet, stdout=quiet, stderr=quiet, timeout=PATIENCE)
        return done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def check_compiler(root: Path, accelerator: str) -> None:
    """Without containers kernels are compiled by what a host with GPUs has itself; an environment without Python is not looked at."""
    python = environment(root, accelerator) / "bin/python"
    if accelerator == "cuda" and os.access(python, os.X_OK):
        compiler.check(python)


def bind(installation: Path) -> None:
    """Mount the installation into the containers of this process and its jobs, where the working directory does not hold it.

    Rules run scripts from there, and of the host Apptainer mounts the working directory and /tmp alone.
    """
    given = [path for path in os.environ.get("APPTAINER_BIND", "").split(",") if path]
    if not installation.is_relative_to(Path.cwd()) and str(installation) not in given:
        os.environ["APPTAINER_BIND"] = ",".join([*given, str(installation)])


def same_everywhere() -> None:
    """Let Snakemake and jobs read and write UTF-8 whatever the locale is, and keep caches elsewhere where the home cannot be written.

    Under LC_ALL=C with PYTHONUTF8=0 Python cannot even hand a command with an umlaut on. That is decided when Python starts, so
    Snakemake, which has locked nothing yet, starts once more.
    """
    os.environ["PYTHONUTF8"] = "1"
    if sys.getfilesystemencoding() != "utf-8" and "snakemake" in Path(sys.argv[0]).parts[-2:]:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    try:
        with tempfile.TemporaryFile(dir=os.path.expanduser("~")):
            pass
    except OSError:
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TRITON_HOME"):
            os.environ.setdefault(name, str(Path.cwd() / ".snakemake/cache"))


def check_names(installation: Path, directory: Path) -> None:
    """No colon in the path of the installation, whose environment goes into PATH, and no braces in that of the working directory.

    Snakemake would read the locks of every folder that fits the wildcard.
    """
    if ":" in str(installation):
        raise UserError(f"the installation {installation}: PATH cannot hold a folder with a colon in its name; rename it")
    if "{" in str(directory):
        raise UserError(
            f"the working directory {directory}: Snakemake takes braces in a path for a wildcard; rename the folder, or work in another: "
            "snakemake -s INSTALLATION/Snakefile -d FOLDER"
        )


def image_path(value: str, root: str | os.PathLike) -> str:
    """An image as a rule's `container:` wants it: a URL as it is, a file absolute (below `root` if it is relative).

    Snakemake itself resolves a relative path against the working directory.
    """
    return value if "://" in value else str(Path(root) / value)


def image_labels(path: str | os.PathLike) -> dict[str, str]:
    """Labels of an image file, by `apptainer inspect` (0.04 s). Raises `UserError` if it is no image."""
    done = subprocess.run(["apptainer", "inspect", "--labels", "--json", str(path)], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{path}: is no image that apptainer can read; build it again: {REBUILD}")
    return json.loads(done.stdout)["data"]["attributes"].get("labels") or {}


def check_images(
    images: Mapping[str, str], locks: Mapping[str, str | os.PathLike], root: str | os.PathLike, dry_run: bool = False
) -> list[str]:
    """Each image is there and was built from the lock that lies in the repository.

    `images`: name (cpu, cuda) → the config's value, only those that the run will use. `locks`: name → envs file. One
    by registry digest cannot go stale and is not looked at. In a dry run what is wrong is a notice, not an error.
    """
    notices = []
    for name, value in sorted(images.items()):
        if "://" in value:
            if "@sha256:" not in value:
                notices.append(f"containers.{name}: {value} is not pinned by digest (…@sha256:…); it may change under you")
            continue
        path = Path(image_path(value, root))
        # every rule may run in the CUDA image; rules that use a GPU only there
        allowed = set(locks.values()) if name == "cpu" else {locks[name]}
        wrong = None
        if not path.exists():
            wrong = f"containers.{name}: {value} is not there; build it: {REBUILD}"
        elif shutil.which("apptainer"):
            label = image_labels(path).get(LABEL)
            if label is None:
                wrong = f"containers.{name}: {value} does not say which lock it was built from; build it again: {REBUILD}"
            elif label not in {sha256_file(Path(root) / lock) for lock in allowed}:
                wrong = f"containers.{name}: {value} was built from another {locks[name]}; build it again: {REBUILD}"
        if wrong and not dry_run:
            raise UserError(wrong)
        if wrong:
            notices.append(wrong)
    return notices


def check_deployment(containers: bool) -> list[str]:
    """A notice if Snakemake runs without containers: it ignores `container:` silently then."""
    if containers:
        return []
    why = "add --sdm apptainer" if shutil.which("apptainer") else "install Apptainer, then add --sdm apptainer"
    return [f'rules run without containers and every result will say "no container"; for containers {why}']


def check_requests(requests: Mapping[str, int], given: int | None) -> None:
    """No run asks for more GPUs than `--resources gpu=N` gives: Snakemake would silently give it fewer.

    `requests`: who asks (`runs.grpo`) → GPUs a job of it needs, over all its nodes. `given` None: no limit was set.
    """
    for who, count in sorted(requests.items()):
        if given is not None and count > given:
            raise UserError(
                f"{who} asks for {count} GPU(s) and Snakemake was given {given}; "
                f"start it with --resources gpu={count} or more, or lower gpus in config.yaml"
            )


def check_host(requests: Mapping[str, int]) -> None:
    """This host, which will execute the jobs itself, has the GPUs that the largest of them needs."""
    largest = max(requests.values(), default=0)
    there = len(gpus.visible_devices())
    if largest and there:
        nvidia.check(nvidia.gpus(nvidia.own()))
    if largest and not there:
        raise UserError(
            "accelerator: cuda, and this host shows no GPU; run on a host with NVIDIA GPUs, through SLURM "
            "(--profile profiles/slurm), or on a laptop's CPU: snakemake --profile profiles/demo"
        )
    if largest > there:
        who = max(sorted(requests), key=lambda name: requests[name])
        raise UserError(f"{who} asks for {largest} GPU(s) and this host shows {there}; lower gpus in config.yaml")


def check_nodes(nodes: Mapping[str, int], dry_run: bool, hosts: int | None = None) -> list[str]:
    """No run wants several nodes where jobs stay on this host. `nodes`: who asks → hosts of one job of it; `hosts`: a launcher's."""
    for who, count in sorted(nodes.items()):
        if count > (hosts or 1):
            line = f"{who} wants {count} nodes and launcher.hosts names {hosts}; name more, or lower training.nodes"
            if hosts is None:
                line = f"{who} wants {count} nodes, which only SLURM or a launcher can give: --profile profiles/slurm, or training.nodes: 1"
            if not dry_run:
                raise UserError(line)
            return [line]
    return []


def check_queue() -> None:
    """No SLURM job of an earlier call is still queued or running for the working directory.

    A Snakemake that is killed leaves its SLURM jobs alive; the next call would start the same work beside them.
    """
    jobs = [job.number for job in slurm.jobs_from(Path(), 30.0) if job.comment.startswith(("rule_", "group_"))]
    if jobs:
        raise UserError(
            f"{len(jobs)} SLURM job(s) of an earlier call still work here ({', '.join(jobs[:10])}); "
            f"wait for them, or: scancel {' '.join(jobs)}"
        )


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def check_writable(directories: Iterable[str | os.PathLike]) -> None:
    """Files can be made in each directory (or in the nearest parent that exists)."""
    for directory in directories:
        place = _existing(Path(directory).absolute())
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            raise UserError(f"{directory}: cannot be written ({error.strerror}); make {place} writable or choose another place") from None


def check_limits(accelerator: str, shared: int = 64 << 20, place: str = "/dev/shm") -> None:
    """Processes of this host may have what a training needs: sockets in TMPDIR, address space, and `shared` bytes of shared memory.

    CUDA reserves address space for all GPUs and the host's memory together; Ray and vLLM on a CPU reserve some 30 GB.
    """
    temporary = tempfile.gettempdir()
    if len(os.fsencode(temporary)) > LONGEST_TMPDIR:
        raise UserError(f"TMPDIR {temporary}: is too long for the sockets in it; set TMPDIR to a folder of at most {LONGEST_TMPDIR} bytes")
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and (accelerator == "cuda" or limit < 64 << 30):
        raise UserError(
            f"ulimit -v: processes may map {limit / 1e9:.1f} GB each, too little for training; start it after: ulimit -v unlimited"
        )
    free = shutil.disk_usage(place).free
    if free < shared:
        raise UserError(
            f"{place}: {free / 1e6:.0f} MB are free and training needs {shared / 1e6:.0f} MB; remove what is left there, "
            "or give the container more (--shm-size)"
        )


def check_space(needs: Mapping[str, int]) -> list[str]:
    """Free bytes on the file system of each directory; `needs`: directory → bytes that the run will write there.

    Directories on one file system are added up. Too little is a notice (older files may make room), less than a tenth
    an error.
    """
    notices = []
    systems: dict[int, tuple[Path, int, list[str]]] = {}
    for directory, bytes_needed in needs.items():
        place = _existing(Path(directory).absolute())
        _, total, names = systems.get(place.stat().st_dev, (place, 0, []))
        systems[place.stat().st_dev] = (place, total + bytes_needed, [*names, str(directory)])
    for place, total, names in systems.values():
        free = shutil.disk_usage(place).free
        line = f"{', '.join(names)}: the run may write {total / 1e9:.1f} GB and {free / 1e9:.1f} GB are free"
        if free < total / 10:
            raise UserError(f"{line}; make room, or save fewer checkpoints (training.save_every)")
        if free < total:
            notices.append(f"{line}; make room before it fills up, or save fewer checkpoints (training.save_every)")
    return notices


def parameters(model: str | os.PathLike) -> int:
    """Parameters of a Hugging Face model directory, by the size of its weights; 0 while it is not there yet."""
    weights = sum(path.stat().st_size for path in Path(model).glob("*.safetensors"))
    try:
        config = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}
    published = 4 if "float32" in (config.get("dtype"), config.get("torch_dtype")) else 2  # bytes a parameter
    return weights // published


def checkpoint_bytes(model: str | os.PathLike, saves: int, width: int = 4, frozen: bool = False) -> int:
    """Bytes of `saves` training checkpoints of a Hugging Face model directory; 0 while the model is not there yet.

    A checkpoint holds weights and Adam's two moments, each of `width` bytes a parameter, and where these are `frozen` (LoRA) the weights
    alone; two more are a margin, for an adapter with its moments too.
    """
    return saves * parameters(model) * ((1 if frozen else 3) * width + 2)


def serve_megabytes(count: int) -> int:
    """Memory in MB of the server of a verifier with so many parameters on a CPU: packages, a cache of vLLM's, weights in float32."""
    return 2500 + 4 * count // 1_000_000


def merge_megabytes(count: int) -> int:
    """Memory in MB that verl's merger takes at most for a checkpoint of so many parameters; 8000 for a small one.

    It holds the float32 shards (4 bytes a parameter), their bfloat16 copies (2) and those put together (2), and its packages take
    2 GB. Measured: 11.2 GiB for OpenSeek's 1.4 billion, where this asks for 13.2 GB; 7.6 billion make 63 GB.
    """
    return max(8000, 2000 + 8 * count // 1_000_000)


def check(
    *,
    accelerator: str,
    images: Mapping[str, str],
    locks: Mapping[str, str | os.PathLike],
    root: str | os.PathLike,
    containers: bool,
    dry_run: bool,
    cluster: bool,
    requests: Mapping[str, int],
    given: int | None,
    nodes: Mapping[str, int] | None = None,
    hosts: int | None = None,
    needs: Mapping[str, int] | None = None,
    directories: Iterable[str | os.PathLike] = ("resources", "results", "checkpoints", "logs"),
) -> list[str]:
    """Everything before the first job; returns notices, raises `UserError` with one line.

    `containers`: Snakemake was told --sdm apptainer. `cluster`: jobs go to an executor elsewhere, so this host may lack
    GPUs; the images are checked here (shared file system). A dry run is never refused for what this host lacks.
    """
    notices = check_deployment(containers)
    if containers:
        notices += check_images(images, locks, root, dry_run)
    if not cluster:
        notices += check_nodes(nodes or {}, dry_run, hosts)
    if accelerator == "cuda":
        check_requests(requests, given)
        if not dry_run and not cluster:
            check_host(requests)
    if not containers:
        notices += check_environment(Path(root), accelerator, dry_run)
        if not dry_run and not cluster:
            check_compiler(Path(root), accelerator)
    if not dry_run:
        if cluster:
            check_queue()
        else:
            check_limits(accelerator)
        check_writable(directories)
        notices += check_space(needs or {})
    return notices
