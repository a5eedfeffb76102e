"""An environment as files to carry: the target gets what was there, and nothing that was damaged on the way."""

import importlib.util
import json
import shutil
import struct
import subprocess
import sys
import zipfile

import pytest

LOCK = "0123  envs/cuda.txt\n"


def wheel(folder, name, version, files, scripts=""):
    """A wheel of these files."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        if scripts:
            archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{scripts}\n")
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*archive.namelist(), f"{info}/RECORD"]))
    return path


def environment(folder, *wheels):
    """A virtual environment that holds these wheels."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "-qq", "--no-index", "--no-deps"]
    subprocess.run([*pip, *wheels], check=True)
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The environment that is bundled: a package with a program and data, one like torch, one of a namespace like NVIDIA's."""
    folder = tmp_path_factory.mktemp("made")
    fruit = {
        "apple/__init__.py": "import torch\ndef main(): print('apple with torch', torch.WHERE)\n",
        "apple/data/seeds.bin": bytes(range(256)) * 20,
    }
    wheels = [
        wheel(folder, "apple", "1.0", fruit, "apple = apple:main"),
        wheel(folder, "torch", "2.11.0", {"torch/__init__.py": "WHERE = 'bundle'\n"}),
        wheel(folder, "nvidia_some", "13.0", {"nvidia/some/lib.txt": "library\n"}),
    ]
    (environment(folder / "venv", *wheels) / "lock").write_text(LOCK)
    return folder / "venv"


@pytest.fixture
def bundle(root, made, tmp_path):
    """Make a bundle in parts of 1 KB, with further options; returns its folder."""

    def make(*options):
        out = tmp_path / "bundle"
        command = [sys.executable, root / "envs/bundle.py", made, "--out", out, "--part", "1K", *options]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        return out

    return make


def install(bundle, target, *options):
    """Run the bundle's installer."""
    return subprocess.run([sys.executable, bundle / "install.py", target, *map(str, options)], capture_output=True, text=True)


def refused(done, target, *words):
    """It said so in one line and left nothing behind."""
    assert done.returncode == 2 and done.stdout == "" and not target.exists()
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words), done.stderr


def test_the_target_has_what_was_bundled(bundle, made, tmp_path):
    folder, target = bundle(), tmp_path / "the target"
    assert len(list(folder.glob("packages.tar.xz.*"))) > 1
    done = install(folder, target, "--python", sys.executable)
    assert (done.returncode, done.stderr) == (0, "")
    assert subprocess.run([target / "bin/apple"], capture_output=True, text=True).stdout == "apple with torch bundle\n"
    site = made.glob("lib/python3*/site-packages").__next__().relative_to(made)
    for file in ("apple/data/seeds.bin", "nvidia/some/lib.txt", "apple-1.0.dist-info/METADATA"):
        assert (target / site / file).read_bytes() == (made / site / file).read_bytes()
    assert (target / "lock").read_text() == LOCK, "make env-cuda finds it made"


def test_the_same_environment_gives_the_same_bytes(bundle):
    first = (bundle() / "SHA256SUMS").read_text()
    assert (bundle() / "SHA256SUMS").read_text() == first


@pytest.mark.parametrize("name", ["packages.tar.xz.001", "bundle.json", "install.py"])
def test_a_damaged_file_is_refused(bundle, tmp_path, name):
    folder, target = bundle(), tmp_path / "target"
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1 if name != "install.py" else 0
    (folder / name).write_bytes(data + (b"\n" if name == "install.py" else b""))
    refused(install(folder, target, "--python", sys.executable), target, name, "is damaged")


@pytest.mark.parametrize("name", ["packages.tar.xz.000", "SHA256SUMS"])
def test_a_missing_file_is_refused(bundle, tmp_path, name):
    folder, target = bundle(), tmp_path / "target"
    (folder / name).unlink()
    refused(install(folder, target, "--python", sys.executable), target, name, "is missing")


def test_another_python_is_refused(bundle, tmp_path):
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho 3.9\n")
    other.chmod(0o755)
    refused(install(bundle(), tmp_path / "target", "--python", other), tmp_path / "target", "is Python 3.9, the bundle is for 3.")


def test_a_folder_that_is_there_stays(bundle, tmp_path):
    (tmp_path / "target").mkdir()
    done = install(bundle(), tmp_path / "target")
    assert done.returncode == 2 and "is there already" in done.stderr and (tmp_path / "target").is_dir()


def test_what_is_left_out_comes_from_the_target(bundle, tmp_path):
    folder, target = bundle("--leave-out", "torch", "nvidia-*"), tmp_path / "target"
    said = json.loads((folder / "bundle.json").read_text())
    assert said["left_out"] == {"nvidia-some": "13.0", "torch": "2.11.0"} and said["packages"] == {"apple": "1.0"}
    own = environment(tmp_path / "own", wheel(tmp_path, "torch", "2.11.0+cu130", {"torch/__init__.py": "WHERE = 'target'\n"}))
    done = install(folder, target, "--python", own / "bin/python")
    assert done.returncode == 0
    assert done.stderr == "notice: nvidia-some: this Python has none, the lock has 13.0\n"
    assert subprocess.run([target / "bin/apple"], capture_output=True, text=True).stdout == "apple with torch target\n"


def test_another_torch_of_the_target_is_refused(bundle, tmp_path):
    folder, target = bundle("--leave-out", "torch"), tmp_path / "target"
    own = environment(tmp_path / "own", wheel(tmp_path, "torch", "2.12.0", {"torch/__init__.py": ""}))
    refused(install(folder, target, "--python", own / "bin/python"), target, "torch: this Python has 2.12.0, the lock has 2.11.0")


KEPT = ("jinja2", "markupsafe", "psutil", "pyyaml", "ruff")  # pure Python, compiled modules and a program


@pytest.mark.full
@pytest.mark.timeout(2400)
def test_packages_of_a_lock_work_where_no_network_is(root, tmp_path):
    """Some of .venv-driver: bundled, carried, installed into an empty environment and used, in a network namespace without devices."""
    made, alone = root / ".venv-driver", ["unshare", "--map-root-user", "--net"]
    if not (made / "lock").exists() or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("needs .venv-driver (make env) and a network namespace")
    folder, target = tmp_path / "carried", tmp_path / "the target"
    names = {metadata.parent.name.split("-")[0].replace("_", "-").lower() for metadata in made.glob("lib/*/site-packages/*/METADATA")}
    rest = sorted(names - set(KEPT))
    command = [sys.executable, root / "envs/bundle.py", made, "--out", folder, "--part", "2M", "--leave-out", *rest]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads((folder / "bundle.json").read_text())
    assert set(said["packages"]) == set(KEPT) and len(said["left_out"]) > 50 and said["lock"].endswith("envs/driver.txt\n")
    parts = sorted(folder.glob("packages.tar.xz.*"))
    assert len(parts) > 1 and all(path.stat().st_size <= 2 << 20 for path in parts)
    python = (made / "bin/python").resolve()
    done = subprocess.run([*alone, python, folder / "install.py", target, "--python", python], capture_output=True, text=True)
    assert done.returncode == 0 and all(line.startswith("notice: ") for line in done.stderr.splitlines()), done.stderr
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    found = subprocess.run([*alone, target / "bin/ruff", "--version"], env=clean, capture_output=True, text=True)
    assert found.stdout.split() == ["ruff", said["packages"]["ruff"]], found.stderr
    code = "import jinja2, psutil, yaml; print(jinja2.Template('{{ a }}').render(a=psutil.cpu_count() > 0), yaml.__with_libyaml__)"
    found = subprocess.run([*alone, target / "bin/python", "-c", code], env=clean, capture_output=True, text=True)
    assert found.stdout == "True True\n", found.stderr


@pytest.mark.parametrize("options", [["--leave-out", "tork"], ["--part", "60"], ["--part", "0M"]])
def test_bad_options_are_refused(root, made, tmp_path, options):
    command = [sys.executable, root / "envs/bundle.py", made, "--out", tmp_path / "bundle", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and options[1] in done.stderr and not (tmp_path / "bundle").exists()


@pytest.fixture
def module(root):
    """envs/bundle.py as a module."""
    spec = importlib.util.spec_from_file_location("bundle", root / "envs/bundle.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def fatbin(*kernels):
    """Kernels (kind, architecture, payload) in the form in which nvcc puts them into a library."""
    body = b"".join(
        struct.pack("<HHIQIIIIIIQQQ", kind, 0x101, 64, len(payload), 0, 0, 0, architecture, 64, 0, 0, 0, 0) + payload
        for kind, architecture, payload in kernels
    )
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def test_kernels_of_other_gpus_become_zeros(module):
    """A GPU runs code of its own major version up to its own minor one, and PTX."""
    kernels = [(2, 80, b"A" * 64), (2, 89, b"B" * 64), (2, 90, b"C" * 64), (1, 90, b"D" * 64), (2, 100, b"E" * 64)]
    data = bytearray(b"ELF" + fatbin(*kernels) + b"rest" + fatbin((2, 80, b"F" * 32), (2, 90, b"G" * 32)))
    before = bytes(data)
    assert module.without_other_gpus(data, 90) == 3 * 64 + 32
    assert len(data) == len(before)
    left = {letter for letter in b"ABCDEFG" if bytes([letter]) * 32 in data}
    assert left == set(b"CDG")
    assert (
        before.replace(b"A" * 64, bytes(64)).replace(b"B" * 64, bytes(64)).replace(b"E" * 64, bytes(64)).replace(b"F" * 32, bytes(32))
        == data
    )


def test_a_library_without_code_for_the_gpu_stays(module):
    data = bytearray(fatbin((2, 80, b"A" * 64), (1, 80, b"P" * 64)))
    assert module.without_other_gpus(data, 120) == 0 and b"A" * 64 in data


def test_headers_that_fit_no_file_are_left_alone(module):
    data = bytearray(fatbin((2, 80, b"A" * 64), (2, 90, b"B" * 64))[:-1])
    before = bytes(data)
    assert module.without_other_gpus(data, 90) == 0 and data == before


def test_what_nvcc_writes_is_read(module, tmp_path):
    """The real compiler's library for two GPUs: the code for one is gone, that for the other as it was."""
    compiler = shutil.which("nvcc")
    if not compiler:
        pytest.skip("needs nvcc")
    (tmp_path / "k.cu").write_text("__global__ void k(float *x) { x[threadIdx.x] *= 2.f; }\n")
    build = [compiler, "-shared", "-Xcompiler", "-fPIC", "-cudart", "none", "-gencode", "arch=compute_90,code=sm_90"]
    build += ["-gencode", "arch=compute_100,code=sm_100", "k.cu", "-o", "k.so"]
    subprocess.run(build, cwd=tmp_path, check=True)
    data = bytearray((tmp_path / "k.so").read_bytes())
    before = bytes(data)
    zeroed = module.without_other_gpus(data, 90)
    assert 0 < zeroed < len(data) and len(data) == len(before)
    assert module.without_other_gpus(bytearray(before), 100) > 0
    changed = [place for place, (old, new) in enumerate(zip(before, data, strict=True)) if old != new]
    assert all(data[place] == 0 for place in changed) and changed[-1] - changed[0] < zeroed


@pytest.mark.parametrize(
    ("path", "gpu", "other"),
    [
        ("flashinfer_cubin/cubins/x/fmhaSm100fKernel.cubin", 90, True),
        ("flashinfer_cubin/cubins/x/fmhaSm100fKernel.cubin", 100, False),
        ("flashinfer_cubin/cubins/x/fmhaSm100fKernel.cubin", 103, False),
        ("flashinfer_cubin/cubins/x/kernel_sm90a.cubin", 90, False),
        ("flashinfer_cubin/cubins/checksums.txt", 90, False),
        ("vllm/_C_sm100.so", 90, False),
    ],
)
def test_files_of_other_gpus(module, path, gpu, other):
    assert module.of_other_gpus(path, gpu) is other
