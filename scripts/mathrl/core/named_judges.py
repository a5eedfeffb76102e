"""Which judges golds may name, ours and the user's: from the configuration to each process that grades.

Apart from `mathrl.judges.protocols`, because each start of Snakemake sets it and must not import the grader.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from mathrl.core import users_code

OWN = {"reasoning-gym": "mathrl.judges.reasoning_gym:ReasoningGym"}
"""Judges of ours by name."""

NAMES = "MATHRL_GRADER_PROTOCOLS"
"""The environment variable: a JSON mapping from names to the user's FILE.py:Class."""


def configure(judges: Mapping[str, str]) -> None:
    """Set for this process and those that it starts which there are, FILE.py:Class by name."""
    os.environ.pop(NAMES, None)
    if judges:
        os.environ[NAMES] = json.dumps({name: users_code.absolute(judge) for name, judge in judges.items()}, sort_keys=True)


def known() -> dict[str, str]:
    """Those that were set."""
    return json.loads(os.environ.get(NAMES) or "{}")
