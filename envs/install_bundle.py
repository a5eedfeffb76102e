"""install.py FOLDER [--python PYTHON]: make the environment FOLDER from the bundle that this file lies in. It needs no network.

Every part is checked against SHA256SUMS first. Packages that the bundle left out are taken from PYTHON's own (python3's, if none is
named), by a .pth file: a PYTHONPATH of the user's would come before the bundle. Nothing is left behind where it fails.
In a clone of the workflow, FOLDER is .venv-cuda or .venv-driver: make and the rules find it there.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

BUNDLE = Path(__file__).resolve().parent
ARCHIVE = "packages.tar.xz"
PATHS = "import sys; print('\\n'.join(p for p in sys.path if p.endswith('-packages')))"
VERSIONS = (
    "import importlib.metadata as m, json, sys\n"
    "found = {}\n"
    "for name in json.loads(sys.argv[1]):\n"
    "    try: found[name] = m.version(name)\n"
    "    except m.PackageNotFoundError: found[name] = None\n"
    "print(json.dumps(found))"
)


class Joined(io.RawIOBase):
    """Parts read as one file."""

    def __init__(self, parts: list[Path]) -> None:
        self.handles = [open(part, "rb") for part in parts]  # noqa: SIM115 - closed as they end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while self.handles:
            read = self.handles[0].readinto(buffer)
            if read:
                return read
            self.handles.pop(0).close()
        return 0


def check() -> list[Path]:
    """The archive's parts, after every file was checked against its hash.

    Raises:
        ValueError: a file is missing or damaged.
    """
    sums = BUNDLE / "SHA256SUMS"
    if not sums.exists():
        raise ValueError(f"{sums}: is missing; copy the bundle again")
    named = {name: digest for digest, name in (line.split("  ", 1) for line in sums.read_text().splitlines())}
    for name, digest in sorted(named.items()):
        path = BUNDLE / name
        if not path.exists():
            raise ValueError(f"{path}: is missing; copy it again")
        with open(path, "rb") as handle:
            if hashlib.file_digest(handle, "sha256").hexdigest() != digest:
                raise ValueError(f"{path}: is damaged, its SHA-256 is not the one in SHA256SUMS; copy it again")
    return [BUNDLE / name for name in sorted(named) if name.startswith(ARCHIVE)]


def run(*command: str | Path) -> str:
    """What a program prints.

    Raises:
        ValueError: it fails.
    """
    try:
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise ValueError(f"{command[0]}: no such program; name a Python with --python") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip() or error.stdout.strip()).splitlines()[-1:]
        raise ValueError(f"{command[0]} failed: {''.join(last)}") from None


def unpack(parts: list[Path], folder: Path, site: Path) -> None:
    """Unpack the archive into an environment, whose programs then start its own Python."""
    with tarfile.open(fileobj=io.BufferedReader(Joined(parts), 1 << 20), mode="r|xz") as archive:
        for member in archive:
            inside = member.name.startswith("site/")
            place = site if inside else folder
            member = member.replace(name=member.name.removeprefix("site/"))
            archive.extract(member, place, filter="data")
            program = place / member.name
            if not inside and program.parent == folder / "bin" and program.read_bytes()[:2] == b"#!":
                first, _, rest = program.read_bytes().partition(b"\n")
                if b"python" in first:
                    program.write_bytes(starts(folder / "bin/python") + rest)


def starts(python: Path) -> bytes:
    """The first lines of a program that this Python runs; where its path is long or has a space, a shell starts it, as pip has it."""
    if " " not in str(python) and len(str(python)) < 120:
        return f"#!{python}\n".encode()
    return f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n".encode()


def check_left_out(python: Path, left_out: dict[str, str]) -> list[str]:
    """Notices about packages that the target was to have.

    Raises:
        ValueError: torch or triton is missing, or of another version: vLLM is compiled for one.
    """
    found, notices = json.loads(run(python, "-c", VERSIONS, json.dumps(list(left_out)))), []
    for name, version in left_out.items():
        there = found[name] and found[name].partition("+")[0]
        if there == version.partition("+")[0]:
            continue
        line = f"{name}: this Python has {found[name] or 'none'}, the lock has {version}"
        if name in ("torch", "triton"):
            raise ValueError(f"{line}; name a Python that has it (--python), or make the bundle without leaving it out")
        notices.append(line)
    return notices


def install(folder: Path, python: str) -> list[str]:
    """Make the environment; returns notices.

    Raises:
        ValueError: a bad part, another Python, a folder that is taken, or packages that the target lacks.
    """
    if folder.exists():
        raise ValueError(f"{folder}: is there already; remove it, or name another")
    parts, said = check(), json.loads((BUNDLE / "bundle.json").read_text())
    version = run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    if version != said["python"]:
        raise ValueError(f"{python} is Python {version}, the bundle is for {said['python']}; name one with --python")
    try:
        run(python, "-m", "venv", "--without-pip", folder)
        site = folder / f"lib/python{version}/site-packages"
        unpack(parts, folder, site)
        notices = []
        if said["left_out"]:
            (site / "target.pth").write_text(run(python, "-c", PATHS))
            notices = check_left_out(folder / "bin/python", said["left_out"])
        if (site / "nvidia/cu13/bin/nvcc").exists():
            run(sys.executable, BUNDLE / "cuda_home.py", folder)
        (folder / "lock").write_text(said["lock"])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return notices


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the environment, which must not be there yet")
    parser.add_argument("--python", default="python3", help="Python of the target (default python3)")
    args = parser.parse_args()
    try:
        for notice in install(args.folder.resolve(), args.python):
            print(f"notice: {notice}", file=sys.stderr)
    except (ValueError, OSError, tarfile.TarError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{args.folder}: ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
