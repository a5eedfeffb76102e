r"""Answers to generated problems, judged by the generator itself (the package reasoning-gym).

Some of its judges evaluate the answer as Python. Theirs is therefore asked in capped processes only, and never about a text that
could call anything: what is evaluated may hold no call, no attribute and no name but those of functions that answers need.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from mathrl.core.capped_calls import CappedCalls
from mathrl.core.files import JsonObject
from mathrl.judges.protocols import Gold

CPU_SECONDS = 5.0
MAX_CHARS = 4_000
_ALGEBRA = frozenset(["countdown", "puzzle24", "simple_integration", "intermediate_integration", "polynomial_multiplication"])
_LISTS = frozenset(["string_insertion", "spiral_matrix", "binary_matrix", "n_queens"])
_TERM = re.compile(r"(?:\d+(?:\.\d+)?|(?:sin|cos|tan|asin|acos|atan|sinh|cosh|exp|log|sqrt|[A-Za-z])(?![A-Za-z0-9_])|[-+*/^() ])*")
_POWER = re.compile(r"(?:\*\*|\^)\s*[(-]*\s*\d{4,}|(?:\*\*|\^)[^-+]*(?:\*\*|\^)")  # a tower of powers fills any memory
_CALLS = re.compile(r"[(){}.`@:]|__")
_SPELLINGS = (
    (re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"((\1)/(\2))"),
    (re.compile(r"\\(?:text|mathrm|mathbf)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])|[×·]"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])|÷"), "/"),
    (re.compile(r"\\(?:left|right|,|;|!| )|\$"), ""),
    (re.compile(r"\\(?=sin|cos|tan|exp|log|sqrt)"), ""),
    (re.compile(r"\{([^{}]*)\}"), r"(\1)"),
)


class ReasoningGym:
    """The protocol `reasoning-gym`: right is what the generator gives its full score."""

    needs = ("generator",)

    def right(self, extracted: str, gold: Gold) -> bool:
        generator = gold["generator"]
        entry: Gold = {key: gold[key] for key in ("question", "answer", "metadata") if key in gold}
        for text in dict.fromkeys((extracted.strip(), plain(extracted))):
            if may_be_asked(generator, text) and _ask(generator, text, entry, gold.get("parameters", {})):
                return True
        return False

    def version(self) -> str:
        from importlib.metadata import version

        return f"reasoning-gym {version('reasoning-gym')}"


def plain(text: str) -> str:
    """LaTeX of an answer in the spelling of the generators, which know none."""
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    return text.strip()


def may_be_asked(generator: str, text: str) -> bool:
    """Can the generator's judge read this text without running anything of it?"""
    if not text or len(text) > MAX_CHARS:
        return False
    if generator in _ALGEBRA:
        return bool(_TERM.fullmatch(text)) and not _POWER.search(text)
    return generator not in _LISTS or not _CALLS.search(text)


@lru_cache(maxsize=1)
def _calls() -> CappedCalls:
    return CappedCalls("mathrl.judges.reasoning_gym:score", CPU_SECONDS, memory=8 << 30)


def _ask(generator: str, text: str, entry: JsonObject, parameters: JsonObject) -> bool:
    return _calls().ask(generator, text, entry, parameters).get("value", 0.0) >= 1 - 1e-9


def score(generator: str, text: str, entry: JsonObject, parameters: JsonObject) -> float:
    """The generator's score, 0–1; called in capped workers only."""
    return float(_judge(generator, json.dumps(parameters, sort_keys=True)).score_answer(text, entry))


@lru_cache(maxsize=128)
def _judge(generator: str, parameters: str) -> Any:
    import reasoning_gym

    return reasoning_gym.create_dataset(generator, seed=0, size=1, **json.loads(parameters))
