"""Keys and passwords that were written into a configuration: refused without repeating them, before any other message quotes a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mathrl.config.reading import Raw
from mathrl.core.files import UserError

NAMES = {"augmentation": ("key",), "verifiers": ("key_env",), "notices": ("webhook", "key")}
"""What holds the name of an environment variable, by section."""
OF_SERVERS = ("parameters", "options")  # fields whose names are others' own
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECRET = re.compile(r"(?i)(?:sk|pk|key|api)[-_][A-Za-z0-9_-]{8,}|[A-Za-z0-9_-]{32,}")


def check_secrets(config: Raw) -> None:
    """Refuse merged files that hold a secret, whatever else is wrong with them.

    Raises:
        UserError: what should be the name of an environment variable is none, or an address holds a password.
    """
    for section, names in NAMES.items():
        for name in names:
            _check(config.get(section), f"config: {section}", name)


def _check(value: Any, where: str, name: str) -> None:
    if isinstance(value, list):
        for number, item in enumerate(value):
            _check(item, f"{where}.{number}", name)
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        if not isinstance(item, str):
            if key not in OF_SERVERS:
                _check(item, f"{where}.{key}", name)
        elif key == name and (not _VARIABLE.match(item) or _SECRET.fullmatch(item)):
            example = "WEBHOOK_URL; a URL" if name == "webhook" else "OPENAI_API_KEY; a key"
            raise UserError(
                f"{where}.{key}: must be the name of an environment variable, such as {example} itself "
                "belongs into no file: export it and write the variable's name here"
            )
        elif key in ("address", "url") and "@" in item.partition("://")[2].partition("/")[0]:
            raise UserError(f"{where}.{key}: holds a password; use `{name}`, the name of an environment variable")
