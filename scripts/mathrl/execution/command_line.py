"""What the command line asks of Snakemake, as Snakemake itself reads it: profiles, short forms and all.

A workflow needs it before Snakemake tells: a dry run has no executor of its own, and the files asked for decide what is checked.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """One call of Snakemake."""

    targets: tuple[str, ...] = ()  # files and rules
    dry_run: bool = False
    no_lock: bool = False
    executor: str = "local"


def asked(arguments: Sequence[str]) -> Asked:
    """Read the arguments of a call; where they are not Snakemake's (its Python interface was used) nothing was asked."""
    from snakemake.cli import parse_args

    said = io.StringIO()  # which profiles it reads, for the second time
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            _, found = parse_args(list(arguments))
    except (SystemExit, Exception):  # Snakemake raises whatever a word of somebody else's runs into
        return Asked()
    return Asked(tuple(map(str, found.targets or ())), bool(found.dryrun), bool(found.nolock), found.executor or "local")


def ours() -> Asked:
    """The same of this process."""
    return asked(sys.argv[1:])
