"""Where a study keeps what its next start need not make again: compiled kernels, and what our Python files import.

Whoever writes kernels decides what a training runs: their folder belongs to this user alone, and is refused where it is anybody else's.
Another set of packages or another kind of GPU has another folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mathrl.core.files import UserError, sha256_json
from mathrl.execution.processes import own_directory

ROOT = ".snakemake/compiled"  # in the study's directory
# Of torch inductor, Triton, vLLM (its compiled graphs) and FlashInfer.
FOLDERS = {
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
    "VLLM_CACHE_ROOT": "vllm",
    "FLASHINFER_WORKSPACE_BASE": "flashinfer",
}


def variables(packages: Mapping[str, object], gpus: Sequence[str], user: int, root: Path | None = None) -> dict[str, str]:
    """Environment variables that name the caches, whose folders are made.

    Args:
        packages: versions of what compiles and of what is compiled.
        gpus: names of the GPUs.
        user: id of who runs the job.
        root: absolute; default below the working directory.

    Raises:
        UserError: the folder is somebody else's, or none can be made there.
    """
    key = sha256_json({"packages": dict(packages), "gpus": sorted(set(gpus))})[:12]
    folder = root or Path.cwd() / ROOT
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a link that leads nowhere, or a file
        raise UserError(f"{folder}: no folder for compiled kernels can be made here ({error.strerror}); remove what is there") from error
    if not os.access(folder, os.W_OK):  # another user's study: kernels are compiled at each start
        return {}
    place = own_directory(folder / f"{user}-{key}", "let its owner remove it")
    for name in FOLDERS.values():
        (place / name).mkdir(mode=0o700, exist_ok=True)
    return {variable: str(place / name) for variable, name in FOLDERS.items()}


def imports() -> Path:
    """The file of this user in which Snakemake's starts in the working directory remember what our Python files import."""
    return Path.cwd() / f".snakemake/imports-{os.getuid()}.json"
