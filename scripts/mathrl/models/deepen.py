"""A model with more layers that answers as before: block expansion (LLaMA Pro, arXiv 2401.02415).

A new layer is a copy of the last one whose two output projections are zero, so that it adds nothing until it is trained. A verifier
needs such layers where the policy's own compute a result: what must read that result comes after them.
"""

from __future__ import annotations

import re
from pathlib import Path

from mathrl.core.files import UserError, read_json, replaced_directory, write_json
from mathrl.core.hashes import model_files
from mathrl.data.fetch import link
from mathrl.models import tensors

ADDED = "added-layers.safetensors"
OUTPUTS = ("self_attn.o_proj", "mlp.down_proj")
_LAYER = re.compile(r"(?P<before>.*\blayers\.)(?P<number>\d+)\.(?P<within>.+)")


def deepen(model: Path, layers: int, out: Path) -> None:
    """Write the directory `out`: the model with `layers` more on top of its own.

    Raises:
        UserError: its last layer has not the two output projections of a dense model (a layer of experts has others).
    """
    import torch
    from safetensors.torch import load_file, save_file

    config = read_json(model / "config.json")
    have = tensors.read_checkpoint(model)
    own = config.get("num_hidden_layers")
    found = [(match, tensor) for name, tensor in have.items() if (match := _LAYER.fullmatch(name))]
    last = [(match, tensor) for match, tensor in found if isinstance(own, int) and int(match["number"]) == own - 1]
    within = {match["within"] for match, _ in last}
    if missing := [f"{name}.weight" for name in OUTPUTS if f"{name}.weight" not in within]:
        raise UserError(f"{model}: extra_layers: its last layer has no {' and no '.join(missing)}; only dense models can be deepened")
    loaded = {path: load_file(path) for path in {tensor.path for _, tensor in last}}
    added: dict[str, torch.Tensor] = {}
    for number in range(own, own + layers):
        for match, tensor in last:
            value = loaded[tensor.path][tensor.name]
            zero = match["within"].rpartition(".")[0] in OUTPUTS
            added[f"{match['before']}{number}.{match['within']}"] = torch.zeros_like(value) if zero else value.clone()
    config["num_hidden_layers"] = own + layers
    if isinstance(kinds := config.get("layer_types"), list):  # of attention, one a layer
        config["layer_types"] = [*kinds, *kinds[-1:] * layers]
    with replaced_directory(out) as fresh:
        for name, path in model_files(model).items():  # without Snakemake's time of a folder, which would be one for both
            if path.parent == model and path.suffix != ".safetensors" and name not in (tensors.INDEX, "config.json"):
                link(path, fresh / name)
        files: dict[str, dict[str, tensors.Tensor]] = {}
        for name, tensor in have.items():
            # transformers takes a file model.safetensors for the whole model
            files.setdefault(f"own-{tensor.path.name}", {})[name] = tensor
        for path in {tensor.path for tensor in have.values()}:
            link(path, fresh / f"own-{path.name}")
        save_file(added, fresh / ADDED, {"format": "pt"})
        tensors.write_index(fresh, files | {ADDED: tensors.read_header(fresh / ADDED)})
        write_json(fresh / "config.json", config)
