"""Weights as bytes: safetensors headers, and new files put together from ranges of old ones.

Nothing is decoded, so every kept tensor is bit-identical, any data type passes, and a few megabytes of memory are enough.
Format: 8 bytes length N (little endian), N bytes JSON {name: {dtype, shape, data_offsets}}, data.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mathrl.core.files import UserError, atomic_path, read_json, write_json

INDEX = "model.safetensors.index.json"
WIDTH = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1}
FUSED = re.compile(r"(?P<experts>.*\.mlp\.experts)\.(?P<what>gate_up_proj|down_proj)(\.weight)?")
_BLOCK = 1 << 24


@dataclass(frozen=True)
class Tensor:
    """Where a tensor's bytes lie: `size` bytes from `start` of the file `path`."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        return math.prod(self.shape) * WIDTH[self.dtype]


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of one file.

    Raises:
        UserError: the file is no safetensors file, or shorter than its header says.
    """
    length = path.stat().st_size
    try:
        with open(path, "rb") as handle:
            (header_bytes,) = struct.unpack("<Q", handle.read(8))
            if header_bytes > length:
                raise ValueError("its header is cut off")
            header = json.loads(handle.read(header_bytes))
        data = 8 + header_bytes
        found = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            if entry["dtype"] not in WIDTH:
                raise ValueError(f"{name} has the unknown type {entry['dtype']}")
            begin, end = entry["data_offsets"]
            tensor = Tensor(path, entry["dtype"], tuple(entry["shape"]), data + begin)
            if end - begin != tensor.size:
                raise ValueError(f"{name} has {end - begin} bytes, its shape {list(tensor.shape)} needs {tensor.size}")
            if data + end > length:
                raise ValueError(f"it ends after {length} bytes, inside {name}")
            found[name] = tensor
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: is no whole safetensors file ({error}); fetch the model again") from None
    return found


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
    intermediate); each expert's part is a range of its bytes.
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
        step = math.prod(shape) * WIDTH[tensor.dtype]
        for expert in range(experts):
            for place, part in enumerate(parts):
                start = tensor.start + (expert * len(parts) + place) * step
                result[f"{match['experts']}.{expert}.{part}.weight"] = Tensor(tensor.path, tensor.dtype, shape, start)
    return result


def same_bytes(first: Tensor, second: Tensor) -> bool:
    """Do two tensors hold the same values, bit by bit?"""
    if (first.dtype, first.shape) != (second.dtype, second.shape):
        return False
    with open(first.path, "rb") as one, open(second.path, "rb") as two:
        one.seek(first.start)
        two.seek(second.start)
        left = first.size
        while left:
            count = min(_BLOCK, left)
            if one.read(count) != two.read(count):
                return False
            left -= count
    return True


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to a new safetensors file, whole or not at all; the same tensors give the same bytes."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [place, place + tensor.size]}
        place += tensor.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_path(path) as temporary, open(temporary, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            _copy(tensor, out)


def _copy(tensor: Tensor, out: BinaryIO) -> None:
    with open(tensor.path, "rb") as source:
        source.seek(tensor.start)
        left = tensor.size
        while left:
            block = source.read(min(_BLOCK, left))
            if not block:
                raise UserError(f"{tensor.path}: ends too early; fetch the model again")
            out.write(block)
            left -= len(block)


def write_index(folder: Path, files: Mapping[str, Mapping[str, Tensor]]) -> None:
    """The index beside shards: which tensor lies in which file."""
    weights = {name: file for file, tensors in files.items() for name in tensors}
    size = sum(tensor.size for tensors in files.values() for tensor in tensors.values())
    write_json(folder / INDEX, {"metadata": {"total_size": size}, "weight_map": weights})
