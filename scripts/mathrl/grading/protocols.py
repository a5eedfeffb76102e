r"""Golds that another judge than ours decides on: more than one answer is right, or the answer is no mathematics.

Such a gold is text like any other, so that reward, filter, solve rates and evaluation pass it on and get the same verdict:
`{"protocol": "reasoning-gym", "answer": "81 + 75 - 9", …}`. The box is found by our rules, only its content goes to the protocol.
A protocol is one of `OWN`, or `module:Class` of the user's in a file below scripts/ with the functions of `Protocol`.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from typing import Protocol as Interface

from mathrl.core.code_files import SCRIPTS, module_file, module_files
from mathrl.core.files import JsonObject, UserError, parse_json, sha256_file

OWN = {"reasoning-gym": "mathrl.grading.generated:ReasoningGym"}
MARK = '{"protocol": '
FLAG = "is_grader_protocol"
_NAME = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)", re.ASCII)
Gold = JsonObject


class Protocol(Interface):
    """Decides on the content of a box, which is hostile: it must never be evaluated in this process.

    `needs`, where a class has it, names further keys of its golds that must hold a text.
    """

    is_grader_protocol: bool  # True, in the class's own body: a gold can name no other class

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
def gold_of(answer: str) -> JsonObject | None:
    """The gold that a text holds, or None where our own rules decide."""
    if not answer.startswith(MARK):
        return None
    try:
        gold = parse_json(answer)
    except ValueError:
        return None
    if not isinstance(gold["protocol"], str) or (found := load(gold["protocol"])) is None:
        return None
    return gold if all(isinstance(gold.get(key), str) for key in ("answer", *getattr(found, "needs", ()))) else None


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
    """The protocol of this name, or None: a data set must not be able to name just any code, nor to have it imported.

    Raises:
        UserError: the user's protocol cannot be imported.
    """
    match = _NAME.fullmatch(OWN.get(name, name))
    if match is None or (name not in OWN and not _is_users(*match.groups())):
        return None
    module, attribute = match.groups()
    try:
        kind = getattr(importlib.import_module(module), attribute, None)
        return kind() if getattr(kind, FLAG, False) is True else None
    except Exception as error:
        raise UserError(f"the judge {name} of a gold cannot be imported ({error!r}); mend it") from None


def _is_users(module: str, attribute: str) -> bool:
    """Does a file of the user's below scripts/ say in its text that this class is a protocol?"""
    if module.split(".")[0] == "mathrl":
        return False
    try:
        file = module_file(module, SCRIPTS)
        tree = ast.parse(file.read_bytes() if file else b"")
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == attribute]
    return any(_is_flag(node) for body in bodies for node in body)


def _is_flag(node: ast.stmt) -> bool:
    """Is it `is_grader_protocol = True`?"""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    named = any(isinstance(target, ast.Name) and target.id == FLAG for target in targets)
    return named and isinstance(node.value, ast.Constant) and node.value.value is True


def versions(answers: Iterable[str]) -> dict[str, str]:
    """The protocols that these golds ask for, with their versions: part of fingerprints and evaluations."""
    names = {gold["protocol"] for answer in answers if (gold := gold_of(answer))}
    return {name: _version(name) for name in sorted(names)}


def _version(name: str) -> str:
    found = load(name)
    assert found is not None
    files = [] if name in OWN else sorted(module_files(name.partition(":")[0], SCRIPTS))
    return " ".join([found.version(), *(sha256_file(file) for file in files)])
