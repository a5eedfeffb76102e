"""The section `launcher`: how a run of several nodes gets onto them without SLURM. No fingerprint knows it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from mathrl.config.section import Distinct, Section, required


class Launcher(Section):
    """Hosts of yours that see this directory at the same place, and a command that runs another there."""

    hosts: Annotated[Distinct[Annotated[str, StringConstraints(pattern=r"^[^\s,]+$")]], Field(min_length=1)] = required(
        "names that resolve, the first for what a run does once; a run takes as many as its `nodes`"
    )
    command: Annotated[str, StringConstraints(pattern=r"\{command\}")] = required(
        "what runs a command on a host and passes standard input on, such as ssh -o BatchMode=yes {host} {command}"
    )
