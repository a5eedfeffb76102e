"""What a model is called: a name in the table of downloads, `organisation/name@commit` of a hub, or a directory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from mathrl.config.reading import NAME
from mathrl.config.records import PinRow
from mathrl.core.files import UserError

HUB = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]*/[\w.-]+)@(?P<commit>[0-9a-f]{40})")
BRANCH = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w.-]*)?")


def place(value: str) -> str:
    """Name of the model's folder below resources/models: a plain name stays; another spelling becomes one that nothing else has."""
    if NAME.fullmatch(value):
        return value
    hub = HUB.fullmatch(value)
    if hub:
        return f"{hub['id'].replace('/', '--').lstrip('._-')}-{hub['commit'][:8]}"
    path = value.rstrip("/")
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '-', Path(path).name).lstrip('._-') or 'model'}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


def on_a_hub(value: str, table: Mapping[str, PinRow]) -> str:
    """organisation/name of a model, by itself or by its row in the table of downloads; nothing where it has none."""
    hub = HUB.fullmatch(value)
    return hub["id"] if hub else table[value]["id"] if value in table else ""


def is_named_by_itself(value: str, key: str) -> bool:
    """Whether a value needs no row of the table of downloads: a commit of a hub, or a directory that holds a model.

    Raises:
        UserError: a hub's model without a commit, or a directory that is none or holds no model.
    """
    if NAME.fullmatch(value):
        return False
    if HUB.fullmatch(value):
        return True
    if Path(value).is_dir():
        path = Path(value)
        if not (path / "config.json").is_file() or not [*path.glob("*.safetensors"), *path.glob("*.bin")]:
            raise UserError(f"config: {key}: {value} is no Hugging Face model; config.json or the weights (*.safetensors) are missing")
        return True
    if BRANCH.fullmatch(value):
        raise UserError(
            f"config: {key}: '{value}' is no directory, and of a hub it names no commit; write organisation/name@ and all 40 digits of one"
        )
    raise UserError(f"config: {key}: '{value}' is no directory, no organisation/name@commit and no name in the table of downloads")
