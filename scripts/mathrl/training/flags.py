"""Flags of the monitor beside the checkpoints while a stage trains: the manifest, which holds them too, comes at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mathrl.core.files import UserError, read_checked_json, write_checked_json
from mathrl.training.records import Flag

FILE = "flags.json"


def note(directory: Path, flags: Sequence[Flag]) -> None:
    """Write the flags so far; nothing where none was ever raised."""
    path = directory / FILE
    if flags or path.exists():
        write_checked_json(path, {"schema_version": 1, "flags": list(flags)})


def noted(directory: Path) -> list[Flag]:
    """The flags of a stage as `collapse.describe` takes them; none where the file is missing or damaged."""
    try:
        return list(read_checked_json(directory / FILE)["flags"])
    except (UserError, OSError, KeyError, TypeError):
        return []
