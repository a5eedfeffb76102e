"""Where the same seed gives the same bytes (docs/reference/training.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mathrl.core.files import UserError


def is_deterministic(stage: Mapping[str, Any], accelerator: str) -> bool:
    """Whether a stage is to be deterministic; where nothing is said, wherever it costs little: on a CPU in float32.

    Args:
        stage: its merged `training` mapping.
        accelerator: `cuda` or `cpu`.

    Raises:
        UserError: it is asked for where it cannot be had.
    """
    engines = stage["gpus"] * stage["nodes"] // stage["tensor_parallel"]
    if accelerator == "cuda":
        return bool(stage["deterministic"])
    possible = stage["dtype"] == "float32" and engines == 1
    if stage["deterministic"] and not possible:
        raise UserError(
            f"deterministic: true, with dtype {stage['dtype']} and {engines} engine(s): on a CPU it takes float32 and one engine "
            "(gpus = tensor_parallel); change them, or set deterministic: false"
        )
    return possible and stage["deterministic"] is not False
