"""Damaged files in the study report: of a finished study an error, of one that is at work or was killed a line on the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mathrl.core.files import UserError


@dataclass(frozen=True)
class Files:
    """Reads files of a study. Of a `partial` one that is at work or was killed, a damaged file is a line of `missing`."""

    missing: list[dict[str, str]]
    partial: bool = False

    def read(self, default: Any, read: Callable[..., Any], *arguments: Any) -> Any:
        """What `read` gives, or `default` where a file is damaged."""
        try:
            return read(*arguments)
        except UserError as error:
            if not self.partial:
                raise
            path, _, said = " ".join(str(error).split()).partition(": ")
            entry = {"what": f"a damaged file: {path} {said}", "path": path, "make": f"snakemake --cores all --force {path}"}
            if entry not in self.missing:
                self.missing.append(entry)
            return default
