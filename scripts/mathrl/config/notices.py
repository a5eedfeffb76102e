"""The section `notices`: who is told when a study ends, fails or collapses. None of it is trained, so no fingerprint knows it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from mathrl.config.section import Section, Several, key

Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Notices(Section):
    """Told at the end of a call of Snakemake, at its failure, and when the monitor of a training flags a collapse."""

    command: Annotated[Several[str], Field(min_length=1)] | None = key(
        None, "program with its arguments that gets each notice as text on its standard input; null for none"
    )
    webhook: Variable | None = key(
        None, "environment variable that holds the URL to which each notice is posted as JSON, as such a URL is a secret; null for none"
    )
    key: Variable | None = key(None, "environment variable that holds a bearer token for the webhook; null for none")
