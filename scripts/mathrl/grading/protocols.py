r"""Golds that another judge than ours decides on: more than one answer is right, or the answer is no mathematics.

Such a gold is text like any other, so that reward, filter, solve rates and evaluation pass it on and get the same verdict:
`{"protocol": "reasoning-gym", "answer": "81 + 75 - 9", …}`. The box is found by our rules, only its content goes to the protocol.
A protocol is one of `OWN`, or `module:Class` of the user's in a file below scripts/ with the functions of `Protocol`.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from typing import Protocol as Interface

from mathrl.core.code_files import SCRIPTS, module_files
from mathrl.core.files import sha256_file

OWN = {"reasoning-gym": "mathrl.grading.generated:ReasoningGym"}
MARK = '{"protocol": '
Gold = Mapping[str, Any]


class Protocol(Interface):
    """Decides on the content of a box, which is hostile: it must never be evaluated in this process."""

    is_grader_protocol: bool  # True: a gold can name no other class

    def right(self, extracted: str, gold: Gold) -> bool:
        """Is this answer right?"""
        ...

    def version(self) -> str:
        """What changes where a verdict can change."""
        ...


def gold_text(protocol: str, answer: str, **more: Any) -> str:
    """A gold for a protocol; `answer` is one right answer, as people read it."""
    return json.dumps({"protocol": protocol, "answer": answer, **more}, ensure_ascii=False)


@lru_cache(maxsize=4096)
def gold_of(answer: str) -> dict[str, Any] | None:
    """The gold that a text holds, or None where our own rules decide."""
    if not answer.startswith(MARK):
        return None
    try:
        gold = json.loads(answer)
    except ValueError:
        return None
    return gold if isinstance(gold.get("answer"), str) and isinstance(gold["protocol"], str) and load(gold["protocol"]) else None


def shown(answer: str) -> str:
    """What a response would have to box: the gold itself, or the answer inside one for a protocol."""
    gold = gold_of(answer)
    return gold["answer"] if gold else answer


def right(extracted: str, gold: Gold) -> bool:
    """The protocol's verdict."""
    found = load(gold["protocol"])
    return found is not None and found.right(extracted, gold)


@lru_cache(maxsize=16)
def load(name: str) -> Protocol | None:
    """The protocol of this name, or None: a data set must not be able to name just any code."""
    module, _, attribute = OWN.get(name, name).partition(":")
    if name not in OWN and (module.split(".")[0] == "mathrl" or not attribute or not module_files(module, SCRIPTS)):
        return None
    kind = getattr(importlib.import_module(module), attribute, None)
    return kind() if getattr(kind, "is_grader_protocol", False) is True else None


def versions(answers: Iterable[str]) -> dict[str, str]:
    """The protocols that these golds ask for, with their versions: part of fingerprints and evaluations."""
    names = {gold["protocol"] for answer in answers if (gold := gold_of(answer))}
    return {name: _version(name) for name in sorted(names)}


def _version(name: str) -> str:
    found = load(name)
    assert found is not None
    files = [] if name in OWN else sorted(module_files(name.partition(":")[0], SCRIPTS))
    return " ".join([found.version(), *(sha256_file(file) for file in files)])
