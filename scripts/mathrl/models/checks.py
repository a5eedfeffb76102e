"""Is a directory a model? Said in one line before an engine or a trainer is started."""

from __future__ import annotations

from pathlib import Path

from mathrl.core.files import UserError
from mathrl.models import chat_template


def check_model(model: Path) -> None:
    """Refuse a directory that no model can be loaded from.

    Raises:
        UserError: config.json or the weights are missing, or its chat template does not end.
    """
    if not (model / "config.json").is_file():
        have = ", ".join(sorted(p.name for p in model.iterdir())[:8]) if model.is_dir() else "no such directory"
        raise UserError(f"{model}: is no Hugging Face model, config.json is missing ({have}); check base_model in the config")
    if not any(model.glob("*.safetensors")) and not any(model.glob("*.bin")):
        raise UserError(f"{model}: holds no weights (*.safetensors); fetch the model again")
    if template := chat_template.published(model):
        chat_template.check(template, str(model))
