"""A checkpoint of verl as a Hugging Face directory that vLLM and transformers load, by verl's own merger."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mathrl.core.files import UserError, replaced_directory, write_json
from mathrl.core.hashes import NOTE, model_sha256
from mathrl.core.provenance import provenance
from mathrl.models import adapter
from mathrl.models.prepare import add_head


def export_checkpoint(
    checkpoint: Path, out: Path, environment: Mapping[str, str], said: Mapping[str, object], inputs: Mapping[str, Path]
) -> None:
    """Merge verl's `checkpoint` (a directory global_step_N) into the directory `out`, replaced as a whole.

    `environment` are the variables of verl's processes, `said` goes into the note, `inputs` are files that it hashes.

    Raises:
        UserError: no such checkpoint, or the merger failed.
    """
    # a supervised stage's checkpoint has no actor below it
    shards = checkpoint if (checkpoint / "huggingface").is_dir() else checkpoint / "actor"
    if not shards.is_dir():
        raise UserError(f"{shards}: no such checkpoint; it was removed after training, or was never there")
    with replaced_directory(out) as fresh:
        merge(shards, fresh, environment)
        adapter.fold(fresh)
        add_head(fresh)
        _note(fresh, said, inputs)


def export_model(model: Path, out: Path, said: Mapping[str, object], inputs: Mapping[str, Path]) -> None:
    """Copy the Hugging Face directory `model` to `out`, replaced as a whole: a stage may choose the model that it began with."""
    with replaced_directory(out) as fresh:
        shutil.copytree(model, fresh, ignore=shutil.ignore_patterns(NOTE, "README.md", adapter.FOLDER), dirs_exist_ok=True)
        _note(fresh, said, inputs)


def merge(shards: Path, target: Path, environment: Mapping[str, str]) -> None:
    """Run verl's merger on a directory of FSDP shards.

    Raises:
        UserError: it failed; its output is on stderr.
    """
    check_weights(shards)
    environment = {**environment, "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}  # verl's merger asks torch to run what a pickle says
    command = [sys.executable, "-m", "verl.model_merger", "merge", "--backend", "fsdp", "--local_dir", str(shards)]
    command += ["--target_dir", str(target), "--use_cpu_initialization"]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=sys.stderr)
    if done.returncode:
        raise UserError(f"{shards}: verl's merger ended with exit code {done.returncode}; its output is above")


def check_weights(shards: Path) -> None:
    """Refuse shards that hold anything but tensors and plain values: to load a pickle as it is runs the code in it.

    Raises:
        UserError: such a file, or one that is no checkpoint.
    """
    import torch
    import torch.distributed.tensor  # tells torch that sharded tensors are harmless

    for path in sorted(shards.glob("model_*.pt")):
        try:
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:
            said = re.search(r"(Unsupported (?:global|class|operand)[^\n]*|GLOBAL \S+)", str(error))
            why = said[1].rstrip(". ") if said else " ".join(str(error).split())[:200]
            raise UserError(
                f"{path}: holds more than weights, or is damaged ({why}); nothing of it was run. Use a checkpoint that verl saved"
            ) from None


def _note(directory: Path, said: Mapping[str, object], inputs: Mapping[str, Path]) -> None:
    found = {"schema_version": 1, "model_sha256": model_sha256(directory), "provenance": provenance(inputs)}
    write_json(directory / NOTE, found | dict(said))
