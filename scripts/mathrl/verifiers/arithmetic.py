"""The verifier `arithmetic`: a step is wrong where one of the equalities between numbers that it writes is false. No model.

It sees slips in plain arithmetic and nothing else: a step that writes no such equality counts as right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mathrl.core.code_files import SCRIPTS, closure
from mathrl.core.files import sha256_file, sha256_json
from mathrl.verifiers.equalities import check_steps


def code_sha256(file: str) -> str:
    """Hash of a file of ours below scripts/ and of all of ours that it imports."""
    return sha256_json(sorted(sha256_file(path) for path in closure([SCRIPTS / file], SCRIPTS)))


class Arithmetic:
    """0 for a step with a false equality, else 1."""

    def __init__(self) -> None:
        self.identity: Mapping[str, Any] = {"kind": "arithmetic", "code": code_sha256("mathrl/verifiers/equalities.py")}

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        """See `mathrl.verifiers.interface.Verifier`; the problem is not looked at."""
        return [[float(step.true == step.checked) for step in check_steps(list(steps)).steps] for steps in responses]
