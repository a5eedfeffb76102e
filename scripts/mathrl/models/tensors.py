"""Weights in safetensors files: what is in them, and new files put together from tensors of old ones.

The library maps files into memory and writes from there: nothing is decoded, every kept tensor is bit-identical, and a model of any
size takes no memory of its own.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathrl.core.files import UserError, atomic_path, read_json, write_json

if TYPE_CHECKING:
    import torch

INDEX = "model.safetensors.index.json"
FUSED = re.compile(r"(?P<experts>.*\.mlp\.experts)\.(?P<what>gate_up_proj|down_proj)(\.weight)?")


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file, by its `name` there, or a part of one: some rows of one expert of a fused tensor."""

    path: Path
    name: str
    dtype: str  # as in the file: BF16, F32 …
    shape: tuple[int, ...]
    expert: int | None = None
    first_row: int = 0


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of one file.

    Raises:
        UserError: the file is no safetensors file, or shorter than its header says.
    """
    with _opened(path, "numpy") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - the handle is no mapping
        return {name: Tensor(path, name, part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}


@contextlib.contextmanager
def _opened(path: Path, framework: str) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        handle = safe_open(path, framework=framework)
    except SafetensorError as error:
        raise UserError(f"{path}: is no whole safetensors file ({error}); fetch the model again") from None
    with handle as file:
        yield file


def read_checkpoint(folder: Path) -> dict[str, Tensor]:
    """All tensors of a model directory, one file or shards with an index, in the order of names.

    Raises:
        UserError: no weights, a shard that is missing, or an index that does not fit the files.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(f"{folder}: holds no weights (*.safetensors); fetch the model again")
    if (folder / INDEX).is_file():
        index = read_json(folder / INDEX)
        named = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(named, dict):
            raise UserError(f"{folder / INDEX}: has no weight_map; fetch the model again")
        for file in sorted(set(named.values())):
            if not (folder / file).is_file():
                raise UserError(f"{folder}: {file}, which {INDEX} names, is missing; fetch the model again")
        files = [folder / file for file in sorted(set(named.values()))]
    found: dict[str, Tensor] = {}
    for file in files:
        for name, tensor in read_header(file).items():
            if name in found:
                raise UserError(f"{folder}: {name} lies in {found[name].path.name} and in {file.name}; keep one of them")
            found[name] = tensor
    return dict(sorted(found.items()))


def unfuse(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Experts one tensor each, as published checkpoints have them and vLLM reads them; transformers 5 fuses them as it loads.

    A fused `…experts.gate_up_proj` has shape (experts, 2 × intermediate, hidden), `…experts.down_proj` (experts, hidden,
    intermediate).
    """
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        match = FUSED.fullmatch(name)
        if match is None or len(tensor.shape) != 3:
            result[name] = tensor
            continue
        experts, rows, columns = tensor.shape
        parts = ["gate_proj", "up_proj"] if match["what"] == "gate_up_proj" else ["down_proj"]
        shape = (rows // len(parts), columns)
        for expert in range(experts):
            for place, part in enumerate(parts):
                own = replace(tensor, shape=shape, expert=expert, first_row=place * shape[0])
                result[f"{match['experts']}.{expert}.{part}.weight"] = own
    return result


@contextlib.contextmanager
def _views(tensors: Iterable[Tensor]) -> Iterator[list[torch.Tensor]]:
    """The tensors' values, each a view of its mapped file."""
    with contextlib.ExitStack() as stack:
        files: dict[Path, Any] = {}
        views = []
        for tensor in tensors:
            if tensor.path not in files:
                files[tensor.path] = stack.enter_context(_opened(tensor.path, "pt"))
            view = files[tensor.path].get_tensor(tensor.name)
            if tensor.expert is not None:
                view = view[tensor.expert, tensor.first_row : tensor.first_row + tensor.shape[0]]
            views.append(view)
        yield views


def same_bytes(first: Tensor, second: Tensor) -> bool:
    """Do two tensors hold the same values, bit by bit?"""
    import torch

    if (first.dtype, first.shape) != (second.dtype, second.shape):
        return False
    with _views((first, second)) as (one, other):
        return torch.equal(*(view.reshape(-1).view(torch.uint8) for view in (one, other)))


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to a new safetensors file, whole or not at all; the same tensors give the same bytes."""
    from safetensors import TensorSpec, serialize_file

    with _views(tensors.values()) as views, atomic_path(path) as temporary:
        specs = {
            name: TensorSpec(dtype=str(view.dtype).removeprefix("torch."), shape=view.shape, data_ptr=view.data_ptr(), data_len=view.nbytes)
            for name, view in zip(tensors, views, strict=True)
        }
        serialize_file(specs, temporary, {"format": "pt"})


def write_index(folder: Path, files: Mapping[str, Mapping[str, Tensor]]) -> None:
    """The index beside shards: which tensor lies in which file."""
    weights = {name: file for file, tensors in files.items() for name in tensors}
    with _views(tensor for tensors in files.values() for tensor in tensors.values()) as views:
        size = sum(view.nbytes for view in views)
    write_json(folder / INDEX, {"metadata": {"total_size": size}, "weight_map": weights})
