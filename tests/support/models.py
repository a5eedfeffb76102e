"""Model directories for tests: one without a tensor, and a copy of a model whose weights are all zero."""

import shutil
from pathlib import Path

NO_WEIGHTS = (2).to_bytes(8, "little") + b"{}"  # a safetensors file of no tensor


def zeroed(model: Path, place: Path) -> Path:
    """A copy of a model with all its files, what is said of it included; only each weight is zero."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, place)
    for path in place.glob("*.safetensors"):
        tensors = {name: tensor * 0 for name, tensor in load_file(path).items()}
        path.unlink()
        save_file(tensors, path, {"format": "pt"})
    return place
