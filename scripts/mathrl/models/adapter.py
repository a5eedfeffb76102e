"""LoRA adapters: which layers have one, how many numbers that makes, and base and adapter summed into one model.

Every layer of a model is a name in its files (`q_proj`); PEFT puts an adapter on each layer of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mathrl.config.stage import Lora
from mathrl.core.files import UserError, read_json
from mathrl.models.records import ModelConfig
from mathrl.models.shape import DEEPSEEK_V3, shapes

MERGERS, FOLDER = "lora_adapter", "adapter"  # what verl's merger calls it below a model, and what we do
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LATENT = ("q_proj", "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj")  # DeepSeek-V3's attention
GATED = ("gate_proj", "up_proj", "down_proj")


def linear_layers(config: ModelConfig) -> dict[str, int]:
    """Inputs and outputs of the linear layers that may have an adapter, by name, all layers of that name together.

    Of a model with experts these are its attention's: experts are one tensor in transformers 5, and the router is no linear layer.
    """
    if config.get("model_type") == DEEPSEEK_V3:
        found: dict[str, int] = {}
        for name, shape in shapes(config).items():
            layer = name.removesuffix(".weight").rpartition(".")[2]
            if layer in LATENT and len(shape) == 2:
                found[layer] = found.get(layer, 0) + sum(shape)
        return found
    hidden, layers, heads = config["hidden_size"], config["num_hidden_layers"], config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    width, cached = heads * head, (config.get("num_key_value_heads") or heads) * head
    sums = dict(zip(ATTENTION, (hidden + width, hidden + cached, hidden + cached, hidden + width), strict=True))
    return {name: layers * numbers for name, numbers in (sums | dict.fromkeys(GATED, hidden + config["intermediate_size"])).items()}


def targets(lora: Lora, config: ModelConfig, model: str) -> str | list[str]:
    """The layers that get an adapter, as PEFT takes them: `all-linear`, or names.

    Raises:
        UserError: a name that no layer of the model has, or that PEFT cannot give an adapter.
    """
    if "hidden_size" not in config:  # not fetched yet: looked at again when it is
        return list(lora.targets) if isinstance(lora.targets, tuple) else lora.targets
    known = linear_layers(config)
    experts = config.get("model_type") == DEEPSEEK_V3
    if isinstance(lora.targets, str):
        return sorted(known) if experts else lora.targets
    for name in lora.targets:
        if name not in known:
            frozen = "; its experts and router stay as they are" if experts else ""
            raise UserError(
                f"config: training.lora.targets: {model} has no '{name}' that may have an adapter{frozen}; it has: {', '.join(known)}"
            )
    return list(lora.targets)


def numbers(lora: Lora, linear: Mapping[str, int]) -> int:
    """Trained numbers: A (rank × inputs) and B (outputs × rank) of each layer."""
    chosen = linear if isinstance(lora.targets, str) else {name: linear.get(name, 0) for name in lora.targets}
    return lora.rank * sum(chosen.values())


def fold(directory: Path) -> bool:
    """Add the adapter that verl's merger left below a model to its weights, file by file; whether there was one.

    The sum is taken in float32 and rounded once. The adapter stays beside it, in `adapter`, for the model that training began with.

    Raises:
        UserError: an adapter of a layer that the model does not have.
    """
    source = directory / MERGERS
    if not source.is_dir():
        return False
    import torch
    from safetensors.torch import load_file, save_file

    settings = read_json(source / "adapter_config.json")
    scale = settings["lora_alpha"] / settings["r"]
    halves = load_file(source / "adapter_model.safetensors")
    left = {name.removesuffix(".lora_A.weight") for name in halves if name.endswith(".lora_A.weight")}
    for file in sorted(directory.glob("*.safetensors")):
        tensors = load_file(file)
        mine = [layer for layer in left if f"{_plain(layer)}.weight" in tensors]
        for layer in mine:
            weight = tensors[f"{_plain(layer)}.weight"]
            first, second = (halves[f"{layer}.lora_{half}.weight"].to(torch.float32) for half in "AB")
            tensors[f"{_plain(layer)}.weight"] = (weight.to(torch.float32) + scale * (second @ first)).to(weight.dtype)
        if mine:
            save_file(tensors, file, metadata={"format": "pt"})
        left -= set(mine)
    if left:
        raise UserError(
            f"{source}: an adapter of {_plain(min(left))}, which {directory} does not have; was it merged from this checkpoint?"
        )
    source.rename(directory / FOLDER)
    return True


def _plain(layer: str) -> str:
    return layer.removeprefix("base_model.model.")
