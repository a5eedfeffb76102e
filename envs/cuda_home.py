"""cuda_home.py ENVIRONMENT [--check | --check-only]: make ENVIRONMENT/cuda, a CUDA_HOME out of the toolkit in NVIDIA's wheels.

The wheels hold all that a compiler of kernels needs, but not where it looks: FlashInfer links with -L$CUDA_HOME/lib64, -lcudart and
-lcuda. So `lib64` is made a link to `lib`, each libX.so.N gets its libX.so, and a library of empty functions stands in for the
driver's, which a host lends at run time only.

--check compiles envs/kernel.cu, with cub's and FlashInfer's headers, for H100 and B200, and links it as FlashInfer does.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ARCHITECTURES = ("90a", "100a")  # H100 and H200, B200
VERSION = re.compile(r"release (\d+\.\d+)")
HEADERS = re.compile(r"#define CUDART_VERSION\s+(\d+)")
KERNEL = Path(__file__).resolve().parent / "kernel.cu"


def packages(environment: Path) -> Path:
    """The environment's site-packages."""
    found = [path for path in environment.glob("lib/python3*/site-packages") if path.is_dir()]
    if len(found) != 1:
        raise ValueError(f"{environment}: is no virtual environment; make it with: make env-cuda")
    return found[0]


def make(environment: Path) -> Path:
    """Make ENVIRONMENT/cuda; returns it.

    Raises:
        ValueError: no toolkit in it, or compiler and headers are of different versions.
    """
    toolkit = packages(environment) / "nvidia/cu13"
    if not (toolkit / "bin/nvcc").exists():
        raise ValueError(f"{toolkit}: holds no compiler; the lock envs/cuda.txt names it as nvidia-cuda-nvcc")
    home = environment / "cuda"
    _link(home, os.path.relpath(toolkit, environment))
    _link(toolkit / "lib64", "lib")
    for library in sorted((toolkit / "lib").glob("lib*.so.*")):
        plain = library.with_name(library.name.partition(".so.")[0] + ".so")
        if not plain.exists():
            _link(plain, library.name)
    for program in (toolkit / "bin").iterdir():
        if program.is_file():
            program.chmod(program.stat().st_mode | 0o111)
    _stand_in_for_the_driver(toolkit)
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        print(f"no {header}: kernels cannot be compiled on this host; install Python's headers (python3-dev)", file=sys.stderr)
    compiler, headers = versions(home)
    if compiler != headers:
        raise ValueError(f"{toolkit}: nvcc is of CUDA {compiler}, its headers of {headers}; lock one version in envs/cuda.in")
    return home


def versions(home: Path) -> tuple[str, str]:
    """CUDA's version by the compiler and by the headers."""
    said = subprocess.run([home / "bin/nvcc", "--version"], capture_output=True, text=True, check=True).stdout
    number = int(HEADERS.search((home / "include/cuda_runtime_api.h").read_text())[1])
    return VERSION.search(said)[1], f"{number // 1000}.{number % 1000 // 10}"


def _link(place: Path, target: str) -> None:
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def _stand_in_for_the_driver(toolkit: Path) -> None:
    """lib/stubs/libcuda.so with every function of cuda.h: to link with, never to run with. Left out where there is no C compiler."""
    names = set(re.findall(r"\bcu[A-Z]\w*", (toolkit / "include/cuda.h").read_text()))
    stub = toolkit / "lib/stubs/libcuda.so"
    stub.parent.mkdir(exist_ok=True)
    source = "".join(f"void {name}(void) {{}}\n" for name in sorted(names))
    command = [os.environ.get("CC", "gcc"), "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-x", "c", "-", "-o", str(stub)]
    try:
        subprocess.run(command, input=source, text=True, check=True)
    except FileNotFoundError:
        print(f"no C compiler ({command[0]}): kernels cannot be compiled on this host; install gcc and g++", file=sys.stderr)


def check(environment: Path) -> None:
    """Compile and link envs/kernel.cu, once per architecture.

    Raises:
        CalledProcessError: the compiler refuses; what it says is on stderr.
    """
    home, headers = environment / "cuda", packages(environment) / "flashinfer/data"
    folders = ("cccl/cub", "cccl/libcudacxx/include", "cccl/thrust", "include", "cutlass/include", "spdlog/include")
    include = [f"-I{headers / name}" for name in folders]
    with tempfile.TemporaryDirectory() as folder:
        for architecture in ARCHITECTURES:
            kernel, library = Path(folder) / "kernel.o", Path(folder) / "kernel.so"
            compile_ = [home / "bin/nvcc", "-std=c++17", "--compiler-options=-fPIC", "--expt-relaxed-constexpr", f"-arch=sm_{architecture}"]
            subprocess.run([*compile_, *include, "-c", KERNEL, "-o", kernel], check=True)
            link = ["g++", kernel, "-shared", "-Wl,--no-undefined", f"-L{home}/lib64", f"-L{home}/lib64/stubs", "-lcudart", "-lcuda"]
            subprocess.run([*link, "-o", library], check=True)
    print(f"{home}: CUDA {versions(home)[0]} compiles and links for sm_{', sm_'.join(ARCHITECTURES)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path, help="virtual environment with the packages of envs/cuda.txt")
    parser.add_argument("--check", action="store_true", help="compile and link a kernel besides, one to two minutes")
    parser.add_argument("--check-only", action="store_true", help="the same, with the CUDA_HOME that is there")
    args = parser.parse_args()
    try:
        if not args.check_only:
            make(args.environment.resolve())
        if args.check or args.check_only:
            check(args.environment.resolve())
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"error: {Path(error.cmd[0]).name} ended with exit code {error.returncode}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
