"""The verifier `arithmetic`: a step is wrong where one of the equalities between numbers that it writes is false. No model.

It sees slips in plain arithmetic and nothing else: a step that writes no such equality counts as right.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mathrl.core.code_files import SCRIPTS
from mathrl.verifiers import equalities
from mathrl.verifiers.interface import code_sha256
from mathrl.verifiers.records import Identity


class Arithmetic:
    """0 for a step with a false equality, else 1."""

    def __init__(self) -> None:
        self.identity: Identity = {"kind": "arithmetic", "code": code_sha256(Path(equalities.__file__), SCRIPTS)}

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        """See `mathrl.verifiers.interface.Verifier`; the problem is not looked at."""
        return [[float(step.true == step.checked) for step in equalities.check_steps(list(steps)).steps] for steps in responses]
