"""The compiler in NVIDIA's wheels, where what compiles kernels looks for it."""

import os
import re
import subprocess
import sys

import pytest

CUDA_H = """#define cuMemAlloc cuMemAlloc_v2
CUresult CUDAAPI cuInit(unsigned int Flags);
CUresult CUDAAPI cuMemAlloc(CUdeviceptr *p, size_t n);
"""
WHEELS = ["nvidia-cuda-nvcc", "nvidia-cuda-crt", "nvidia-cuda-cccl", "nvidia-cuda-runtime", "nvidia-nvvm"]
MORE = ["nvidia-curand", "flashinfer-python"]


@pytest.fixture
def environment(tmp_path):
    """A virtual environment with a toolkit as the wheels unpack it: no lib64, no libcudart.so."""
    toolkit = tmp_path / "lib/python3.11/site-packages/nvidia/cu13"
    for folder in ("bin", "include", "lib"):
        (toolkit / folder).mkdir(parents=True)
    (toolkit / "bin/nvcc").write_text("#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n")
    (toolkit / "include/cuda_runtime_api.h").write_text("#define CUDART_VERSION  13000\n")
    (toolkit / "include/cuda.h").write_text(CUDA_H)
    (toolkit / "lib/libcudart.so.13").write_bytes(b"library")
    return tmp_path


def call(root, environment):
    """Run the program."""
    return subprocess.run([sys.executable, root / "envs/cuda_home.py", environment], capture_output=True, text=True)


def test_everything_lies_where_flashinfer_links_from(root, environment):
    for _ in range(2):  # again on what is there
        assert call(root, environment).returncode == 0
    assert (environment / "cuda/lib64/libcudart.so").read_bytes() == b"library"
    assert os.access(environment / "cuda/bin/nvcc", os.X_OK)
    assert not os.path.isabs(os.readlink(environment / "cuda")), "the environment may be moved"
    symbols = subprocess.run(["nm", "-D", environment / "cuda/lib64/stubs/libcuda.so"], capture_output=True, text=True, check=True).stdout
    assert {line.split()[-1] for line in symbols.splitlines() if " T " in line} == {"cuInit", "cuMemAlloc", "cuMemAlloc_v2"}
    dynamic = subprocess.run(["readelf", "-d", environment / "cuda/lib64/stubs/libcuda.so"], capture_output=True, text=True).stdout
    assert "[libcuda.so.1]" in dynamic, "what is linked with it asks for the driver's"


def test_compiler_and_headers_of_different_versions_are_refused(root, environment):
    (environment / "lib/python3.11/site-packages/nvidia/cu13/include/cuda_runtime_api.h").write_text("#define CUDART_VERSION 13020\n")
    done = call(root, environment)
    assert done.returncode == 2 and "nvcc is of CUDA 13.0, its headers of 13.2" in done.stderr and done.stderr.count("\n") == 1


def test_no_environment_and_no_compiler(root, environment):
    assert "make env-cuda" in call(root, environment / "lib").stderr
    (environment / "lib/python3.11/site-packages/nvidia/cu13/bin/nvcc").unlink()
    done = call(root, environment)
    assert done.returncode == 2 and "holds no compiler" in done.stderr


def test_one_version_is_locked(root):
    """Compiler, its headers, the runtime's and CUB's are all of torch's CUDA."""
    lock = (root / "envs/cuda.txt").read_text()
    found = {name: re.search(rf"^{name}==(\S+)", lock, re.M)[1] for name in WHEELS}
    assert {version.rsplit(".", 1)[0] for version in found.values()} == {"13.0"}, found
    assert re.search(r"^cuda-toolkit==13\.0\.", lock, re.M)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_the_locks_compiler_makes_kernels(root, tmp_path):
    """The wheels that the lock names compile and link a kernel with cub and FlashInfer's headers (needs the package index)."""
    lock = (root / "envs/cuda.txt").read_text()
    blocks = [re.search(rf"^{name}==.*?(?=^\S)", lock, re.M | re.S)[0] for name in WHEELS + MORE]
    (tmp_path / "wanted.txt").write_text("".join(blocks))
    site = tmp_path / "lib/python3.11/site-packages"
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--require-hashes", "--target", site, "-r", tmp_path / "wanted.txt"]
    subprocess.run(pip, check=True)
    done = subprocess.run([sys.executable, root / "envs/cuda_home.py", tmp_path, "--check"], capture_output=True, text=True)
    assert done.returncode == 0 and "CUDA 13.0 compiles and links for sm_90a, sm_100a" in done.stdout, done.stderr
