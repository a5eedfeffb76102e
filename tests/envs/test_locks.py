"""What is installed: every package by hash, nothing for CUDA on a laptop, no index named but PyTorch's own."""

import re

import pytest

FORBIDDEN = re.compile(r"^(nvidia|cuda|triton|torchvision|torchaudio|torchcodec|flash.?attn|cupy)", re.I)


def requirements(text):
    """Requirement lines of a lock with the number of hashes of each."""
    blocks = re.split(r"\n(?=\S)", text.strip())
    return {block.split()[0]: block.count("--hash=sha256:") for block in blocks if not block.startswith("#")}


@pytest.mark.parametrize("name", ["cpu", "driver", "cuda"])
def test_every_package_is_pinned_by_hash(root, name):
    found = requirements((root / f"envs/{name}.txt").read_text())
    assert len(found) > 50
    assert [line for line, hashes in found.items() if "==" not in line or not hashes] == []


@pytest.mark.parametrize("name", ["cpu", "driver"])
def test_nothing_for_cuda_on_a_laptop(root, name):
    assert [line for line in requirements((root / f"envs/{name}.txt").read_text()) if FORBIDDEN.match(line)] == []


def test_torch_has_the_wheels_of_both_pythons(root):
    found = requirements((root / "envs/cpu.txt").read_text())
    assert found["torch==2.13.0+cpu"] == 2, "CPython 3.11 and 3.12"


def test_what_is_asked_for_is_locked(root):
    for name in ("cpu", "driver", "cuda"):
        asked = re.findall(r"^([A-Za-z0-9_.-]+)", (root / f"envs/{name}.in").read_text(), re.M)
        locked = {line.split("==")[0].lower().replace("_", "-") for line in requirements((root / f"envs/{name}.txt").read_text())}
        assert [package for package in asked if package.lower().replace("_", "-") not in locked] == []
