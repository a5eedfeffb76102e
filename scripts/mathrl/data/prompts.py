# ruff: noqa: E501 - tables are read by lines
r"""The problem inside a prompt: the last message of the user, without chat marks, worked examples and the instruction around it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mathrl.core.files import JsonObject, parse_json

_USER = ("user", "human")
_CHAT = re.compile(r"<\|im_start\|>user\n?(.*?)(?:<\|im_end\|>|\Z)", re.DOTALL)
# Worked examples before the problem (Tülu): the last block behind the same heading counts.
_EXAMPLES = tuple(
    (re.compile(rf"(?:\A|\n)\s*{question}:\s*"), re.compile(rf"\n\s*{answer}:.*\Z", re.DOTALL))
    for question, answer in (("Question", "Answer"), ("Problem", "Solution"), ("Q", "A"))
)
# What is known to stand around a problem; a line each, at the beginning or at the end.
_AROUND = (
    re.compile(
        r"\ASolve the following math problem(?: step by step| efficiently and clearly)?[.:]"
        r"(?: The last line of your response should be of the form Answer: \$?\\?(?:boxed\{)?\$?Answer\}? \(without quotes\) "
        r"where \$?Answer is the answer to the problem\.)?\s*(?=\S)"
    ),
    re.compile(r"\s*Remember to put your answer on its own line after \"Answer:\"\.\s*\Z"),
    re.compile(r"\s*(?:\b|(?<=[.?!$}]))(?:Let's|Please|Think|Reason|You should|You must)\b[^.?!\n]*\bstep[- ]by[- ]step\b[^\n]*\Z", re.IGNORECASE),
    re.compile(r"(?:(?<=[.?!$}\n])|\A)\s*[^.?!\n$]*(?:\banswer\b|\boutput\b|\bput\b)[^.?!\n$]*\\boxed\s?\{[^{}\n]*\}[^\n.?!$]*[.!]?\$?\s*\Z", re.IGNORECASE),
    re.compile(r"\A(?:Please )?[^.?!\n$]*\b(?:answer|reason|solve)\b[^.?!\n$]*\\boxed\s?\{[^{}\n]*\}[^\n.?!$]*[.!:]?\s*(?:(?:Question|Problem):)?\s*(?=\S)", re.IGNORECASE),
)  # fmt: skip
_INSTRUCTS = re.compile(
    r"\bboxed\b|step[- ]by[- ]step|\bfinal answer\b|\banswer:|\bfollowing\b.*\b(?:problem|question)\b|\b(?:question|problem|user|assistant):|\breasoning\b"
    r"|\byour (?:answer|response)\b",
    re.IGNORECASE | re.DOTALL,
)
ENOUGH = 8  # different prompts that must share an instruction nobody knows


def message_text(value: Any) -> str | None:
    """The text of a prompt: a text, the last user message of a list of messages, or such a list written as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("[{") and ('"role"' in value or '"from"' in value):
        try:
            value = parse_json(value)
        except ValueError:
            return value
    if isinstance(value, str):
        chat = _CHAT.findall(value)
        return chat[-1] if chat else value
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        return None
    texts = _said_by_user(value)
    return texts[-1] if texts else None


def earlier_messages(value: Any) -> bool:
    """Does the user say something before the last message, which alone is read?"""
    return isinstance(value, list) and all(isinstance(turn, dict) for turn in value) and len(_said_by_user(value)) > 1


def _said_by_user(turns: list[JsonObject]) -> list[str | None]:
    """The messages of the user; None for one that is no text, nor made of texts alone (`[{"type": "text", "text": …}]`)."""
    found: list[str | None] = []
    for turn in turns:
        if str(turn.get("role", turn.get("from"))).lower() in _USER:
            content = turn.get("content", turn.get("value"))
            if isinstance(content, list) and all(map(_is_text, content)):
                content = "\n".join(part["text"] for part in content)
            found.append(content if isinstance(content, str) else None)
    return found


def _is_text(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def without_examples(text: str) -> str:
    """The last of several blocks `Question: … Answer: …`, without its headings; any other text as it is."""
    for heading, answer in _EXAMPLES:
        starts = list(heading.finditer(text))
        if len(starts) > 1 or (starts and starts[0].start() == 0):
            return answer.sub("", text[starts[-1].end() :]).strip()
    return text


class Wrapper:
    """The instruction around the prompts of one file: what is known, and what all of them share at the beginning or the end."""

    def __init__(self, prompts: Sequence[str]) -> None:
        known = list(dict.fromkeys(map(_without_known, prompts)))
        self.prefix = self.suffix = ""
        if len(known) >= ENOUGH:
            self.prefix = _instruction(_shared(known), behind=False)
            self.suffix = _instruction(_shared([text[::-1] for text in known])[::-1], behind=True)

    def problem(self, prompt: str) -> str:
        """The prompt without them."""
        text = _without_known(prompt).removeprefix(self.prefix)
        return (text.removesuffix(self.suffix) if self.suffix else text).strip() or prompt


def _without_known(text: str) -> str:
    text = text.strip()
    for _ in range(2):  # one may stand behind another
        for pattern in _AROUND:
            text = pattern.sub("", text) or text
    return text.strip()


def _shared(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    least, most = min(texts), max(texts)
    same = next((place for place, (one, other) in enumerate(zip(least, most, strict=False)) if one != other), min(len(least), len(most)))
    return least[:same]


def _instruction(shared: str, behind: bool) -> str:
    """Of what all prompts share the sentences and lines that instruct; nothing where it is only how the problems begin or end."""
    ends = [match.end() for match in re.finditer(r"[.:?!]\s+|\n+", shared)]
    if behind:
        place = 0 if shared.startswith("\n") else next(iter(ends), len(shared))
        shared = shared[place:]
    else:
        shared = shared[: ends[-1] if ends else 0]
    return shared if len(shared) >= 12 and _INSTRUCTS.search(shared) else ""
