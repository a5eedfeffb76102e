r"""Golds that another judge than ours decides on: more than one answer is right, or the answer is no mathematics.

Such a gold is text like any other, so that reward, filter, solve rates and evaluation pass it on and get the same verdict:
`{"protocol": "reasoning-gym", "answer": "81 + 75 - 9", …}`. The box is found by our rules, only its content goes to the protocol.
A protocol is one of `named_judges.OWN`, or of the user's by the name that the configuration gives it (`grader_protocols`): a data set
can name no other code. A user's judge is asked in processes of its own, with limits: what it is asked about may hang it or fill its
memory.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from typing import Protocol as Interface

from mathrl.core import named_judges, users_code
from mathrl.core.capped_calls import CappedCalls
from mathrl.core.code_meaning import meanings
from mathrl.core.files import JsonObject, UserError, parse_json, sha256_json

MARK = '{"protocol": '

CPU_SECONDS, MEMORY = 5.0, 8 << 30
"""Processor time of one answer, and address space in bytes, of a user's judge."""

Gold = JsonObject


class Protocol(Interface):
    """Decides on the content of a box, which is hostile: it must never be evaluated in this process.

    `needs`, where a class has it, names further keys of its golds that must hold a text.
    """

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
        UserError: the user's protocol cannot be had.
    """
    if name in named_judges.OWN:
        module, _, kind = named_judges.OWN[name].partition(":")
        return getattr(importlib.import_module(module), kind)()
    users = named_judges.known()
    return UsersJudge(name, users[name]) if name in users else None


class UsersJudge:
    """A judge of the user's: FILE.py:Class, made once in each process that asks it.

    Raises:
        UserError: it cannot be had, or lacks a function of `Protocol`.
    """

    def __init__(self, name: str, judge: str) -> None:
        where = f"grader_protocols.{name}"
        begun = time.process_time()
        found = _made(judge, where)
        spent = time.process_time() - begun
        if spent > CPU_SECONDS:
            told = f"an answer has {CPU_SECONDS:.0f} s, and the first one includes this"
            raise UserError(f"{where}: making it takes {spent:.0f} s of processor time; {told}")
        missing = [function for function in ("right", "version") if not callable(getattr(found, function, None))]
        if missing:
            raise UserError(f"{where}: {judge.rpartition(':')[2]} has no function {' and no '.join(missing)}; see Protocol in {__name__}")
        needs = getattr(found, "needs", ())
        if not isinstance(needs, list | tuple) or not all(isinstance(key, str) for key in needs):
            raise UserError(f"{where}: its needs are {needs!r}; write a list of keys, such as ['answer']")
        try:
            version = str(found.version())
        except (Exception, SystemExit) as error:  # code of the user's may raise anything
            raise UserError(f"{where}: its version cannot be had ({users_code.told(error)}); mend it") from None
        self.needs = tuple(needs)
        self._judge, self._version = judge, version

    def right(self, extracted: str, gold: Gold) -> bool:
        """Its verdict; RuntimeError where it fails, or takes more than `CPU_SECONDS` or `MEMORY`."""
        reply = _calls().ask(self._judge, extracted, gold)
        if "value" not in reply:
            raise RuntimeError(reply["lost"])
        return reply["value"]

    def version(self) -> str:
        """What it says itself, and a hash of what its file does, with all that it imports or names beside it."""
        path = users_code.path_of(self._judge)
        return f"{self._version} {sha256_json(sorted(meanings([path], path.parent).values()))[:16]}"


@lru_cache(maxsize=16)
def _made(judge: str, where: str) -> Any:
    made = users_code.load(judge, where)
    try:
        return made()
    except (Exception, SystemExit) as error:  # code of the user's may raise anything
        raise UserError(f"{where}: {judge} cannot be made ({users_code.told(error)}); mend it") from None


@lru_cache(maxsize=1)
def _calls() -> CappedCalls:
    return CappedCalls(f"{__name__}:asked", CPU_SECONDS, memory=MEMORY)


def asked(judge: str, extracted: str, gold: Gold) -> bool:
    """The verdict of a judge of the user's; called in capped workers only.

    Raises:
        TypeError: it is no truth value of Python's or NumPy's, nor None, which a function without `return` gives.
    """
    verdict = _made(judge, judge).right(extracted, gold)
    if not isinstance(verdict, bool | None) and type(verdict).__name__ not in ("bool", "bool_"):  # NumPy's, without importing it
        raise TypeError(f"a verdict is True or False, not {type(verdict).__name__}")
    return bool(verdict)


def versions(answers: Iterable[str]) -> dict[str, str]:
    """The protocols that these golds ask for, with their versions: part of fingerprints and evaluations."""
    names = {gold["protocol"] for answer in answers if (gold := gold_of(answer))}
    return {name: found.version() for name in sorted(names) if (found := load(name)) is not None}
