"""Where a command of ours starts Snakemake: the program, and the directory that it works in."""

from __future__ import annotations

from pathlib import Path

from mathrl.core.code_files import ROOT
from mathrl.core.files import UserError


def snakemake() -> str:
    """The Snakemake of `make driver`, or the one that PATH finds."""
    own = ROOT / ".venv-driver/bin/snakemake"
    return str(own) if own.exists() else "snakemake"


def working_directory(path: Path, key: str = "--directory") -> Path:
    """The absolute path of a directory to work in; `UserError` for a file, and for what can be no path."""
    try:
        found = path.resolve()
        is_file = found.exists() and not found.is_dir()
    except (OSError, RuntimeError) as error:  # a name that is too long, a link to itself
        raise UserError(f"{key}: {path}: {error}; give another one") from None
    if is_file:
        raise UserError(f"{key}: {path} is a file; give a directory")
    return found
