"""nvidia-smi's output, written after its manual and not recorded on a host, read by one parser; a program of that name stands on PATH."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mathrl.core.files import UserError
from mathrl.execution import nvidia

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/run_job.py"
H100 = """\
0, GPU-4f5e3f5a-0c6e-4b6d-9d54-1f0a6b1f7c11, NVIDIA H100 80GB HBM3, 580.65.06, Default, 81559, 4
1, GPU-9c0c2f37-7d0f-4c43-8a51-3a2c5d0e9b22, NVIDIA H100 80GB HBM3, 580.65.06, Default, 81559, 23114
"""
OLD = "0, GPU-11111111-2222-3333-4444-555555555555, NVIDIA A100-SXM4-40GB, 535.183.01, Default, 40960, 0\n"
EXCLUSIVE = "0, GPU-11111111-2222-3333-4444-555555555555, Tesla V100-PCIE-16GB, 580.95.05, Exclusive_Process, 16384, 0\n"
UNIFIED = "0, GPU-11111111-2222-3333-4444-555555555555, NVIDIA GB10, 580.95.05, Default, [N/A], [N/A]\n"  # memory is the host's
NVLINK = """\
\t\x1b[4mGPU0\tGPU1\tGPU2\tGPU3\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m
GPU0\t X \tNV18\tNV18\tNV18\tPIX\t0-51\t0\t\tN/A
GPU1\tNV18\t X \tNV18\tNV18\tSYS\t0-51\t0\t\tN/A
GPU2\tNV18\tNV18\t X \tNV18\tSYS\t52-103\t1\t\tN/A
GPU3\tNV18\tNV18\tNV18\t X \tSYS\t52-103\t1\t\tN/A
NIC0\tPIX\tSYS\tSYS\tSYS\t X \t\t\t\t

Legend:

  X    = Self
  SYS  = Connection traversing PCIe as well as the SMP interconnect between NUMA nodes (e.g., QPI/UPI)
  NV#  = Connection traversing a bonded set of # NVLinks
"""
PCIE = """\
\tGPU0\tGPU1\tCPU Affinity\tNUMA Affinity
GPU0\t X \tPHB\t0-31\t0
GPU1\tPHB\t X \t0-31\t0
"""


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Put an nvidia-smi on PATH that says this of its GPUs and of their links."""

    def make(gpus, links="", code=0):
        (tmp_path / "gpus").write_text(gpus)
        (tmp_path / "links").write_text(links)
        program = tmp_path / "bin/nvidia-smi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\ncase "$1" in --query-gpu=*) cat {tmp_path}/gpus;; topo) cat {tmp_path}/links;; esac\nexit {code}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return make


def test_what_the_driver_says_of_its_gpus():
    first, second = nvidia.parse_gpus(H100)
    assert (first.index, first.name, first.driver, first.mode) == ("0", "NVIDIA H100 80GB HBM3", "580.65.06", "Default")
    assert first.total == 81559 << 20 and second.used == 23114 << 20
    assert nvidia.parse_gpus(UNIFIED)[0].total == 0
    assert nvidia.parse_gpus("") == nvidia.parse_gpus("No devices were found\n") == []


def test_how_gpus_are_linked():
    links = nvidia.parse_links(NVLINK)
    assert len(links) == 6 and set(links.values()) == {"NV18"}, "network adapters are no GPUs"
    assert nvidia.parse_links(PCIE) == {(0, 1): "PHB"}
    assert nvidia.parse_links("") == {}


def test_good_gpus_pass_and_memory_that_somebody_holds_is_said(smi):
    smi(H100, PCIE)
    found = nvidia.gpus()
    nvidia.check(found)
    (line,) = nvidia.notices(found)
    assert line == "GPU 1 (NVIDIA H100 80GB HBM3): another process holds 24.2 of its 85.5 GB; nvidia-smi names it"
    assert nvidia.slowest_link(found) == "PHB" and nvidia.slowest_link(found[:1]) is None
    assert [gpu.index for gpu in nvidia.gpus(["GPU-9c0c2f37"])] == ["1"] and [gpu.index for gpu in nvidia.gpus(["0"])] == ["0"]


def test_the_slowest_link_of_the_job_counts(smi):
    smi(H100, NVLINK.replace("NV18\t X \tNV18", "NODE\t X \tNV18", 1).replace("X \tNV18\tNV18\tNV18\tPIX", "X \tNODE\tNV18\tNV18\tPIX", 1))
    assert nvidia.slowest_link(nvidia.gpus()) == "NODE"


@pytest.mark.parametrize(
    ("gpus", "code", "message"),
    [
        (OLD, 0, r"GPU 0 \(NVIDIA A100-SXM4-40GB\): its driver 535.183.01 is older than 580, which CUDA 13 of envs/cuda.txt needs"),
        (EXCLUSIVE, 0, r"compute mode Exclusive_Process, and trainer and engine share a GPU; as root: nvidia-smi -i 0 -c DEFAULT"),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
            9,
            r"fails on this host \(NVIDIA-SMI has failed",
        ),
    ],
    ids=["driver", "mode", "broken"],
)
def test_a_job_ends_at_once_where_no_training_starts(smi, gpus, code, message):
    """First thing in the job, on its node: the supervisor of every rule with GPUs, before it waits for one."""
    smi(gpus, code=code)
    with pytest.raises(UserError, match=message):
        nvidia.check(nvidia.gpus())
    done = subprocess.run([sys.executable, SCRIPT, "--gpus", "1", "--", "true"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_link_that_the_driver_does_not_tell_stops_nothing(smi, tmp_path):
    """A virtual machine may know its GPUs and not how they are linked."""
    smi(H100)
    program = tmp_path / "bin/nvidia-smi"
    program.write_text(program.read_text().replace("topo) ", "topo) echo Failed to run topology matrix; exit 255;; never) "))
    assert nvidia.slowest_link(nvidia.gpus()) is None


def test_a_host_without_nvidia_smi_is_not_judged(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia.gpus() == [] and nvidia.slowest_link([]) is None


def test_the_gpus_of_this_process():
    assert nvidia.own({}) is None
    assert nvidia.own({"CUDA_VISIBLE_DEVICES": "0, 3"}) == ["0", "3"]


def test_digits_that_are_no_numbers_are_none():
    row = "{}, GPU-1, NVIDIA X, ².1, Default, {}, 0\n"
    assert nvidia.parse_gpus(row.format("²", "80")) == []
    (gpu,) = nvidia.parse_gpus(row.format("0", "8²"))
    assert gpu.total == 0
    nvidia.check([gpu])
