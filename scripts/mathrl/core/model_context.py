"""How many tokens a model reads at once, as its config.json says."""

from __future__ import annotations

from pathlib import Path

from mathrl.core.files import read_json

UNSTRETCHED = (None, "default", "llama3", "longrope", "mrope")  # kinds of rope scaling that max_position_embeddings counts already


def context(model: Path) -> int | None:
    """`max_position_embeddings` of a Hugging Face directory, tokens; None where it is not there, or stretched by rope scaling."""
    file = model / "config.json"
    if not file.is_file():
        return None
    given = read_json(file)
    if not isinstance(given, dict):
        return None
    shape = given["text_config"] if isinstance(given.get("text_config"), dict) else given
    scaling = shape.get("rope_scaling") or shape.get("rope_parameters") or {}
    longest = shape.get("max_position_embeddings")
    stretched = isinstance(scaling, dict) and scaling.get("rope_type", scaling.get("type")) not in UNSTRETCHED
    return longest if isinstance(longest, int) and not stretched else None
