"""A model's chat template is a program (Jinja) that comes with it: tried once with limits, before an engine or a trainer runs it without.

transformers renders it in a sandbox, which keeps it from files and from Python, but not from looping for ever or filling the memory.
"""

from __future__ import annotations

import functools
from pathlib import Path

from mathrl.core.capped_calls import CappedCalls
from mathrl.core.files import UserError, read_json

SECONDS, MEMORY = 5.0, 1 << 30  # a template takes milliseconds
MESSAGES = [{"role": "user", "content": "What is 1 + 1?"}, {"role": "assistant", "content": "\\boxed{2}"}]


def published(model: Path) -> str | None:
    """The chat template of a model directory, as transformers finds it."""
    if (model / "chat_template.jinja").is_file():
        return (model / "chat_template.jinja").read_text(encoding="utf-8")
    settings = read_json(model / "tokenizer_config.json") if (model / "tokenizer_config.json").is_file() else {}
    found = settings.get("chat_template") if isinstance(settings, dict) else None
    return found if isinstance(found, str) else None


def render(template: str) -> int:
    """Characters that the template makes of a short dialogue, with and without the model's turn; 0 where it refuses it."""
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    world = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    world.globals |= {"raise_exception": refuse, "strftime_now": lambda form: form}
    try:
        made = world.from_string(template)
        return sum(len(made.render(messages=part, add_generation_prompt=part[1:] == [])) for part in (MESSAGES[:1], MESSAGES))
    except MemoryError:
        raise
    except Exception:
        return 0  # whoever uses it gets its own message


@functools.cache
def check(template: str, name: str) -> None:
    """Refuse a template that takes too long or too much.

    Raises:
        UserError: it was cut off.
    """
    calls = CappedCalls("mathrl.models.chat_template:render", SECONDS, MEMORY)
    try:
        reply = calls.ask(template)
    finally:
        calls.close()
    if "lost" in reply:
        raise UserError(
            f"{name}: its chat template was cut off after {SECONDS:g} s of processor time or {MEMORY >> 20} MB; choose another model"
        )
