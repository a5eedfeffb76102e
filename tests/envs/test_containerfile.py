"""containers/cuda.Containerfile installs what containers/cuda.def installs. tests/hpc/build_oci.sh builds it, which is not done here."""

import re
import subprocess

import pytest


@pytest.fixture
def recipe(root):
    """Instructions of the Containerfile in order: name and what follows, continued lines joined, comments left out."""
    lines = [line for line in (root / "containers/cuda.Containerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines() if line.strip()]


@pytest.fixture
def definition(root):
    return (root / "containers/cuda.def").read_text()


def words(pattern, text):
    (found,) = re.findall(pattern, re.sub(r"\s*\\\n\s*", " ", text))
    return found.split()


def test_it_is_a_recipe(recipe):
    names = [name for name, _ in recipe]
    assert set(names) <= {"FROM", "ARG", "COPY", "RUN", "ENV", "LABEL"} and names[0] == "FROM" and names.count("FROM") == 1
    for name, rest in recipe:
        assert rest.strip() and rest.count('"') % 2 == 0, (name, rest)
        for command in rest.split(" && ") if name == "RUN" else []:
            assert command.strip(), "an empty command between two &&"


def test_base_files_and_packages_are_those_of_the_definition(recipe, definition, root):
    (base,) = re.findall(r"from=(\S+)", definition)
    assert dict(recipe)["FROM"] == f"docker.io/library/{base}"
    copied = [tuple(rest.split()) for name, rest in recipe if name == "COPY"]
    assert copied == [tuple(line.split()) for line in re.findall(r"%files\n((?:    .*\n)+)", definition)[0].splitlines()]
    assert all((root / source).is_file() for source, _ in copied)
    text = "\n".join(rest for name, rest in recipe if name == "RUN")
    packages = r"install --yes --no-install-recommends ([a-z0-9+ -]+?)(?= &&|\n| rm )"
    assert words(packages, text) == words(packages, definition) and "libibverbs1" in words(packages, text)


def test_python_packages_come_from_the_same_lock_by_hash(recipe, definition):
    text = "\n".join(rest for name, rest in recipe if name == "RUN")
    ours, theirs = (words(r"-m pip install ([^&\n]+)", one) for one in (text, definition))
    assert ours == [word for word in theirs if word not in ("--no-index", "--find-links", "/mnt")]
    assert {"--no-deps", "--require-hashes", "/opt/lock.txt"} <= set(ours)
    assert '"$(sha256sum /opt/lock.txt | cut -d\' \' -f1)" = "$lock"' in text, "another lock than the label says is refused"


def test_labels_variables_and_checks_are_those_of_the_definition(recipe, definition):
    labels = {pair.partition("=")[0] for name, rest in recipe if name == "LABEL" for pair in rest.split()}
    assert labels == {line.split()[0] for line in re.findall(r"%labels\n((?:    .*\n)+)", definition)[0].splitlines()}
    set_here = set(re.findall(r"([A-Z_]+)=", next(rest for name, rest in recipe if name == "ENV")))
    block = re.findall(r"%environment\n((?:    .*\n)+)", definition)[0]
    exported = {name for line in block.splitlines() if "export " in line for name in re.findall(r"([A-Z_]+)=", line)}
    assert set_here == exported
    checks = "\n".join(rest for name, rest in recipe if name == "RUN")
    for check in ("/opt/cuda_home.py /opt/venv --check-only", "import torch, transformers, tensordict, ray, vllm, verl, transfer_queue"):
        assert check in checks and check in definition


def test_make_containers_builds_each_image_of_the_configuration(root, config):
    """It called the script without a name for a week, which ended in its usage."""
    said = subprocess.run(["make", "-n", "containers"], cwd=root, capture_output=True, text=True, check=True).stdout
    built = [f"containers/{name}.sif" for name in re.findall(r"^containers/build.sh (\S+)$", said, re.M)]
    assert built == list(config["containers"].values())
