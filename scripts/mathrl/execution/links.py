"""Links in the working directory that stand for paths which Snakemake cannot take: with a space as an image, with braces as an input."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

BRACED = Path(".snakemake/braces")


def made(link: Path, target: str) -> str:
    """The link, made or turned in one step: other processes of this workflow read it."""
    if not link.is_symlink() or os.readlink(link) != target:
        link.parent.mkdir(parents=True, exist_ok=True)
        new = link.with_name(f"{link.name}.{os.getpid()}")
        new.symlink_to(target)
        new.replace(link)
    return str(link)


def without_braces(path: str | os.PathLike[str]) -> str:
    """The same file by a path without braces, which Snakemake would take for a wildcard; any other path as it is.

    The last folder with a brace is a link, whose name goes with the folder's path: the links of another installation stay.
    """
    if "{" not in str(path):
        return str(path)
    whole = Path(path).absolute()
    braced = next(place for place in (whole, *whole.parents) if "{" in place.name)
    suffix = whole.suffix if braced == whole and "{" not in whole.suffix else ""
    link = BRACED / f"{hashlib.sha256(os.fsencode(braced)).hexdigest()[:12]}{suffix}"
    return str(Path(made(link, str(braced)), whole.relative_to(braced)))
