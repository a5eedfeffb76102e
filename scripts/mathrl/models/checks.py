"""Is a directory a model? Said in one line before an engine or a trainer is started."""

from __future__ import annotations

import json
from pathlib import Path

from mathrl.core.files import UserError, check_unchanged, read_json
from mathrl.models import chat_template

INDEX = "model.safetensors.index.json"


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
        raise UserError(f"{model}: is no Hugging Face model, config.json is missing ({have}); check base_model in the config")
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
