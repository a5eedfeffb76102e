"""Is a directory a model? Said in one line before an engine or a trainer is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError, check_unchanged, read_json
from mathrl.models import chat_template
from mathrl.models.records import ModelConfig

INDEX = "model.safetensors.index.json"
CPU_HEADS = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
"""Sizes of attention heads for which vLLM has kernels on a CPU (its CPUAttentionBackend); it finds out after a minute of starting."""


def check_chat_template(model: Path) -> None:
    """Refuse a model without a chat template where a prompt goes through it.

    Raises:
        UserError: there is none.
    """
    file = model / "tokenizer_config.json"
    if not file.is_file() or chat_template.published(model) is not None:
        return
    settings = read_json(file)
    if not isinstance(settings, dict) or not settings.get("chat_template"):  # several by name are a list
        raise UserError(
            f"config: base_model: {model} has no chat template, and the training prompt goes through one; put a chat_template.jinja "
            "there, or name the instruction-tuned model"
        )


def check_model(model: Path) -> None:
    """Refuse a directory that no model can be loaded from.

    Raises:
        UserError: a file is not as it was written, config.json or the weights are missing, a file of weights is not complete, or
            the chat template does not end.
    """
    check_unchanged(model)
    if not (model / "config.json").is_file():
        have = ", ".join(sorted(p.name for p in model.iterdir())[:8]) if model.is_dir() else "no such directory"
        raise UserError(
            f"{model}: is no Hugging Face model, config.json is missing ({have}); "
            "check the name in the config (base_model, or model of a verifier)"
        )
    if not isinstance(read_json(model / "config.json"), dict):
        raise UserError(f"{model / 'config.json'}: is no object; fetch or copy the model again")
    if not any(model.glob("*.safetensors")) and not any(model.glob("*.bin")):
        raise UserError(f"{model}: holds no weights (*.safetensors); fetch the model again")
    if template := chat_template.published(model):
        chat_template.check(template, str(model))
    index = model / INDEX
    named = set(read_json(index)["weight_map"].values()) if index.is_file() else set()
    for name in sorted(named - {path.name for path in model.glob("*.safetensors")}):
        raise UserError(f"{model}: {name}, which {INDEX} names, is missing; fetch or copy the model again")
    for path in sorted(model.glob("*.safetensors")):
        check_length(path)


def check_heads(model: str | Path, accelerator: str) -> None:
    """Refuse a model whose attention heads vLLM cannot compute. One that is not there yet is not looked at.

    Raises:
        UserError: on a CPU, heads of a size for which vLLM has no kernel there.
    """
    file = Path(model) / "config.json"
    if accelerator != "cpu" or not file.is_file():
        return
    head = _head(read_json(file))
    if head is not None and head not in CPU_HEADS:
        sizes = ", ".join(map(str, CPU_HEADS))
        raise UserError(f"{model}: its attention heads have size {head}; on a CPU vLLM has kernels for {sizes}; take another model")


def _head(shape: Any) -> int | None:
    """Size of a head by a config.json; None where its layout is not one that we know, and vLLM will say."""
    shape = shape.get("text_config", shape) if isinstance(shape, dict) else {}
    sizes = {key: value for key, value in shape.items() if type(value) is int and value > 0} if isinstance(shape, dict) else {}
    if "kv_lora_rank" in sizes:  # latent attention, which is computed as usual attention there
        return sizes["qk_nope_head_dim"] + sizes["qk_rope_head_dim"] if {"qk_nope_head_dim", "qk_rope_head_dim"} <= set(sizes) else None
    if "head_dim" in sizes:
        return sizes["head_dim"]
    hidden, heads = (sizes.get(ours, sizes.get(older)) for ours, older in (("hidden_size", "n_embd"), ("num_attention_heads", "n_head")))
    return hidden // heads if hidden and heads else None


def check_parallel(sizes: ModelConfig, parallel: int, gpus: int, model: str, name: str) -> None:
    """Refuse an engine over so many GPUs that vLLM cannot divide the model's attention among. Of unknown sizes nothing is said.

    Args:
        sizes: the model's config.json.
        parallel: GPUs of an engine.
        gpus: of the training, in which engines must go too.
        model, name: of the model, and of the stage, for the message.

    Raises:
        UserError: heads are left over; the message has the numbers that work.
    """
    if divides(sizes, parallel):
        return
    heads, groups = sizes["num_attention_heads"], _groups(sizes)
    what = f"{heads} attention heads" + (f" ({groups} of keys and values)" if groups != heads else "")
    fitting = [number for number in range(1, gpus + 1) if gpus % number == 0 and divides(sizes, number)]
    raise UserError(
        f"config: {name}: the {what} of {model} do not divide among engines of tensor_parallel {parallel}; "
        f"with {gpus} GPU(s) these do: {', '.join(map(str, fitting))}"
    )


def divides(sizes: ModelConfig, parallel: int) -> bool:
    """Whether vLLM can divide a model's attention among so many GPUs: all heads evenly; those of keys and values evenly, or copied."""
    heads = sizes.get("num_attention_heads")
    if not isinstance(heads, int):
        return True
    groups = _groups(sizes)
    return heads % parallel == 0 and (groups % parallel == 0 or parallel % groups == 0)


def _groups(sizes: ModelConfig) -> int:
    """Heads of keys and values; latent attention has one cache for all, of which each GPU has a copy."""
    groups = sizes.get("num_key_value_heads") or sizes["num_attention_heads"]
    return sizes["num_attention_heads"] if sizes.get("kv_lora_rank") else groups


def check_length(path: Path) -> None:
    """Refuse a safetensors file that is shorter or longer than its header says.

    Raises:
        UserError: half of it is missing, or it is another kind of file.
    """
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(min(size, path.stat().st_size)))
            end = 8 + size + max((tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"), default=0)
        except (ValueError, KeyError, TypeError, AttributeError):
            end = -1
    if end != path.stat().st_size:
        raise UserError(f"{path}: is no whole safetensors file; fetch or copy the model again")
