"""bundle.py ENVIRONMENT --out FOLDER [--part 60M] [--leave-out torch triton 'nvidia-*'] [--gpu 90]: an environment as files to carry.

For machines without a network (make bundle). The packages go into one compressed archive, cut into parts of at most `--part` bytes;
SHA256SUMS has the hash of each, and install.py beside them checks them and unpacks.

- The same environment gives the same bytes. What is installed but belongs to no package (caches, links) stays out.
- --leave-out: packages that the target has, by name or pattern. install.py finds them there and checks their versions.
- --gpu: compute capability of the target's GPUs, such as 90. Machine code for other GPUs is overwritten with zeros, which compress to
  nothing, and FlashInfer's files for them are left out.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import io
import json
import lzma
import os
import re
import shutil
import struct
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

HERE = Path(__file__).resolve().parent
ARCHIVE = "packages.tar.xz"
FATBIN, ENTRY = struct.Struct("<IHHQ"), struct.Struct("<HHIQ12xI")  # headers: of a fatbin, of one kernel in it (kind, …, architecture)
MAGIC, MACHINE_CODE = 0xBA55ED50, 2
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Parts(io.RawIOBase):
    """A file in parts of at most `size` bytes each, hashed as they are written."""

    def __init__(self, stem: Path, size: int) -> None:
        self.stem, self.size, self.left = stem, size, 0
        self.hashes: dict[str, str] = {}
        self.handle: io.BufferedWriter | None = None

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        rest = memoryview(data)
        while rest:
            if not self.left:
                self._next()
            piece = rest[: self.left]
            self.handle.write(piece)
            self.sha.update(piece)
            self.left -= len(piece)
            rest = rest[len(piece) :]
        return len(data)

    def _next(self) -> None:
        self._end()
        self.handle = open(f"{self.stem}.{len(self.hashes):03d}", "wb")  # noqa: SIM115 - closed by _end
        self.sha, self.left = hashlib.sha256(), self.size

    def _end(self) -> None:
        if self.handle:
            self.handle.close()
            self.hashes[Path(self.handle.name).name] = self.sha.hexdigest()
            self.handle = None

    def close(self) -> None:
        self._end()
        super().close()


def normal(name: str) -> str:
    """A package's name as locks write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def of_other_gpus(path: str, gpu: int) -> bool:
    """Whether a file of FlashInfer holds kernels for another generation of GPUs than `gpu`, as its name says."""
    named = {int(number) for number in re.findall(r"(?:sm|SM|Sm)_?(\d{2,3})", path.rpartition("/")[2])}
    return path.startswith("flashinfer_cubin/") and bool(named) and all(number // 10 != gpu // 10 for number in named)


def without_other_gpus(data: bytearray, gpu: int) -> int:
    """Overwrite machine code that a GPU of compute capability `gpu` cannot run; returns how many bytes.

    A GPU runs code of its own major version, of the same or a lower minor one. PTX stays, and so does a library that has nothing
    for this GPU. Kernels are found by the headers that nvcc writes; a header that fits no file is left alone.
    """
    found, place = [], data.find(FATBIN.pack(MAGIC, 1, 16, 0)[:8])
    while place >= 0:
        *_, size = FATBIN.unpack_from(data, place)
        end = place + 16 + size
        entry = place + 16
        while size and end <= len(data) and entry + ENTRY.size <= end:
            kind, _, header, payload, architecture = ENTRY.unpack_from(data, entry)
            if not header or entry + header + payload > end:
                break
            if kind == MACHINE_CODE:
                found.append((architecture, entry + header, payload))
            entry += header + payload
        place = data.find(FATBIN.pack(MAGIC, 1, 16, 0)[:8], place + 16)

    def runs(architecture: int) -> bool:
        return architecture // 10 == gpu // 10 and architecture <= gpu

    if not any(runs(architecture) for architecture, _, _ in found):
        return 0
    other = [(start, length) for architecture, start, length in found if not runs(architecture)]
    for start, length in other:
        data[start : start + length] = bytes(length)
    return sum(length for _, length in other)


def site_packages(environment: Path) -> Path:
    """The environment's packages.

    Raises:
        ValueError: it is none.
    """
    found = list(environment.glob("lib/python3*/site-packages"))
    if len(found) != 1:
        raise ValueError(f"{environment}: is no virtual environment; make it with: make env-cuda")
    return found[0]


def files(environment: Path, packages: list[Distribution]) -> Iterator[tuple[str, Path]]:
    """Names in the archive and files of these packages: `site/…` and `bin/…`, in the order of names."""
    site = site_packages(environment)
    found = {}
    for package in packages:
        for entry in package.files or []:
            path = Path(os.path.normpath(str(package.locate_file(entry))))
            if path.suffix == ".pyc" or not path.is_file():
                continue
            if path.is_relative_to(site):
                found[f"site/{path.relative_to(site)}"] = path
            elif path.is_relative_to(environment):
                found[str(path.relative_to(environment))] = path
    yield from sorted(found.items())


def write(environment: Path, out: Path, part: int, leave_out: list[str], gpu: int | None) -> dict:
    """Write the bundle into the folder `out`, which is made anew; returns what bundle.json says.

    Raises:
        ValueError: no environment, or a pattern that names no package.
    """
    site = site_packages(environment)
    there = {normal(package.name): package for package in distributions(path=[str(site)])}
    for pattern in leave_out:
        if not fnmatch.filter(there, pattern):
            raise ValueError(f"--leave-out {pattern}: no such package in {environment}")
    absent = {name: package.version for name, package in there.items() if any(fnmatch.fnmatch(name, pattern) for pattern in leave_out)}
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    zeroed, skipped = 0, 0
    with Parts(out / ARCHIVE, part) as parts:  # noqa: SIM117 - the archive must have ended before the last part is hashed
        with lzma.open(parts, "wb", preset=6) as packed, tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for name, path in files(environment, [package for key, package in there.items() if key not in absent]):
                if gpu and of_other_gpus(name.removeprefix("site/"), gpu):
                    skipped += 1
                    continue
                data = bytearray(path.read_bytes())
                if gpu and re.search(r"\.so(\.|$)", path.name):
                    zeroed += without_other_gpus(data, gpu)
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(data), 0o755 if path.stat().st_mode & 0o100 else 0o644
                archive.addfile(member, io.BytesIO(data))
    hashes = parts.hashes
    lock = environment / "lock"
    said = {
        "schema_version": 1,
        "environment": environment.name,
        "python": site.parent.name.removeprefix("python"),
        "lock": lock.read_text() if lock.exists() else "",
        "packages": {name: package.version for name, package in sorted(there.items()) if name not in absent},
        "left_out": dict(sorted(absent.items())),
        "gpu": gpu,
        "zeroed_bytes": zeroed,
        "skipped_files": skipped,
    }
    (out / "bundle.json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
    for name in ("install.py", "cuda_home.py", "kernel.cu"):
        shutil.copy(HERE / {"install.py": "install_bundle.py"}.get(name, name), out / name)
    for name in ("bundle.json", "install.py", "cuda_home.py", "kernel.cu"):
        hashes[name] = hashlib.sha256((out / name).read_bytes()).hexdigest()
    (out / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items())))
    return said


def size(text: str) -> int:
    """Bytes of `60M`, `2G`, `500K`."""
    match = re.fullmatch(r"(\d+)([KMG])", text)
    if not match or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text}: must be a number with K, M or G, such as 60M")
    return int(match[1]) * UNITS[match[2]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path, help="virtual environment, such as .venv-cuda")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle, replaced")
    parser.add_argument("--part", type=size, default=size("60M"), help="largest part, with K, M or G (default 60M)")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="PACKAGE", help="packages that the target has (default: none)")
    parser.add_argument("--gpu", type=int, help="compute capability of the target's GPUs, such as 90 for an H100 (default: all)")
    args = parser.parse_args()
    try:
        said = write(args.environment.resolve(), args.out, args.part, args.leave_out, args.gpu)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    parts = sorted(args.out.glob(f"{ARCHIVE}.*"))
    total = sum(path.stat().st_size for path in parts) / 1e6
    print(f"{args.out}: {len(said['packages'])} packages, {total:.0f} MB in {len(parts)} part(s); on the target: python3 install.py FOLDER")
    return 0


if __name__ == "__main__":
    sys.exit(main())
