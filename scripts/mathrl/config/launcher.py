"""The section `launcher`: how a run of several nodes gets onto them without SLURM. No fingerprint knows it."""

from __future__ import annotations

import shlex
from typing import Annotated

from pydantic import Field, StringConstraints

from mathrl.config.section import Distinct, Section, required
from mathrl.core.files import UserError

Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@:-]*$")]
"""A name, an address or user@name: neither an option of the command nor anything that a shell reads."""


class Launcher(Section):
    """Hosts of yours that see this directory at the same place, and a command that runs another there."""

    hosts: Annotated[Distinct[Host], Field(min_length=1)] = required(
        "names that resolve, the first for what a run does once; a run takes as many as its `nodes`"
    )
    command: Annotated[str, StringConstraints(pattern=r"\{command\}")] = required(
        "what runs a command on a host and passes standard input on, such as ssh -o BatchMode=yes {host} {command}"
    )


def check(launcher: Launcher | None) -> None:
    """Refuse a command that cannot be read as words, or that reaches one host where several are named.

    Raises:
        UserError: it is so.
    """
    if launcher is None:
        return
    where = f"config: launcher.command is {launcher.command!r}"
    try:
        shlex.split(launcher.command)
    except ValueError as error:
        raise UserError(f"{where}: it cannot be read as words ({error}); mend its quotes") from None
    if len(launcher.hosts) > 1 and "{host}" not in launcher.command:
        raise UserError(f"{where}: it reaches one host where launcher.hosts names {len(launcher.hosts)}; write {{host}} where a name goes")
