"""The bank: finished trainings that the long tests share, one folder for each training and the code that it ran on.

`make test-full` names its folder as MATHRL_BANK. A test that only reads a training takes it from there, or trains it there first.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("scripts", "rules", "profiles", "envs/*.txt", "config.yaml", "pins.tsv", "Snakefile")
DONE = "banked"  # this file says that a training in the bank is whole


def folder() -> Path | None:
    """Where the bank lies, or None where each test trains for itself."""
    return Path(os.environ["MATHRL_BANK"]).resolve() if os.environ.get("MATHRL_BANK") else None


@functools.cache
def code_hash(*tests: str) -> str:
    """Hash of the contents of all code that a training runs, and of these test files."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", *CODE, *tests], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed.split("\0"))):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b"(gone)"
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:12]


def deposit(name: str, settings: str, make: Callable[[Path], None]) -> Path:
    """The folder of training `name` with these settings; `make` trains into it if the bank does not have it for this code.

    A training stays where it was made, because its manifest holds paths. What other code made of it is removed.
    """
    bank, code = folder(), code_hash()
    assert bank, "MATHRL_BANK is not set"
    stem = f"{name}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"
    place = bank / f"{stem}-{code}"
    if not (place / DONE).exists():
        for old in bank.glob(f"{stem}-*"):
            shutil.rmtree(old)
        place.mkdir(parents=True)
        make(place)
        (place / DONE).write_text(f"{settings}\n")
    return place
