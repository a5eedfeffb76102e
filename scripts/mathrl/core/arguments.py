"""Options of the form NAME=VALUE, which many scripts take: read once, refused in one line.

`parser.add_argument("--benchmark", action=NamedFiles, nargs="+", …)` collects `--benchmark a=1.jsonl b=2.jsonl` and a repeated
option alike into one dict, in the order given.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mathrl.core.files import UserError


class Help(argparse.RawDescriptionHelpFormatter):
    """Help that says of each option whether it is required, or what its default is."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        if action.required:
            return f"{text} (required)"
        if "default" in text or action.nargs == 0 or not action.option_strings:
            return text
        return text + (" (default: none)" if action.default is None or action.default == {} else " (default: %(default)s)")


def split_pair(text: str, option: str, form: str = "NAME=FILE") -> tuple[str, str]:
    """Both sides of the first equals sign.

    Raises:
        UserError: there is none, or a side is empty.
    """
    name, _, value = text.partition("=")
    if not name or not value:
        raise UserError(f"{option} {text}: must be {form}")
    return name, value


class Named(argparse.Action):
    """Collects NAME=VALUE into {name: value as text}; a name that comes twice is refused."""

    form: str = "NAME=VALUE"

    def __init__(self, option_strings: Sequence[str], dest: str, **given: Any) -> None:
        super().__init__(option_strings, dest, **{"metavar": self.form, "default": {}, **given})

    def value(self, text: str, option: str) -> Any:
        """What stands behind the equals sign, as the script wants it."""
        return text

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        found = dict(getattr(namespace, self.dest))
        for text in [values] if isinstance(values, str) else values:
            name, value = split_pair(text, str(option), self.form)
            if name in found:
                raise UserError(f"{option} {text}: '{name}' is given twice")
            found[name] = self.value(value, f"{option} {text}")
        setattr(namespace, self.dest, found)


class NamedFiles(Named):
    """NAME=FILE → {name: path}."""

    form = "NAME=FILE"

    def value(self, text: str, option: str) -> Path:
        return Path(text)


class NamedSettings(Named):
    """KEY=VALUE → {key: the value as YAML reads it}."""

    form = "KEY=VALUE"

    def value(self, text: str, option: str) -> Any:
        import yaml

        return yaml.safe_load(text)


class NamedLists(Named):
    """NAME=PART,PART → {name: [part, …]}; `form` says what the parts are, as in RUN=STAGE,STAGE."""

    def __init__(self, option_strings: Sequence[str], dest: str, form: str, **given: Any) -> None:
        self.form = form
        super().__init__(option_strings, dest, **given)

    def value(self, text: str, option: str) -> list[str]:
        parts = text.split(",")
        if not all(parts):
            raise UserError(f"{option}: must be {self.form}")
        return parts
