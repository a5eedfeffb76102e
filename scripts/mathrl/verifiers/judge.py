"""The verifier `judge`: a served language model behind any OpenAI-compatible address, asked for the first wrong step.

Steps before the one that it names score 1, that one and all after it 0: what follows from a wrong step is not asked about. The key
comes from the environment alone. What was spent is written down with every reply, so that a limit holds over kills and reruns.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mathrl.core.checked_lines import Appender, read_rows
from mathrl.core.files import UserError, sha256_json, sha256_text
from mathrl.verifiers.interface import RetryLater

PROMPT = Path(__file__).parent / "prompts/first_error.txt"
REPLY_TOKENS = 1024
_BOX = re.compile(r"\\boxed\s*\{\s*(-?\d{1,6})\s*\}")
_SLOT = re.compile(r"\{(problem|steps)\}")


class Spending:
    """Tokens and money spent on one judge so far, over all runs, and their limits (None: no limit). From any thread.

    usd_per_million: price of a million tokens of prompt and of reply, in US dollars.
    """

    def __init__(
        self, directory: Path, max_tokens: int | None = None, max_usd: float | None = None, usd_per_million: Sequence[float] = (0.0, 0.0)
    ) -> None:
        self._lines, self._lock = Appender(directory), threading.Lock()
        self._max_tokens, self._max_usd, self._prices = max_tokens, max_usd, usd_per_million
        self._reserved = [0, 0]
        self.spent = [0, 0]
        for row in read_rows(directory):
            self._add(self.spent, (row["prompt_tokens"], row["reply_tokens"]), 1)

    @staticmethod
    def _add(to: list[int], tokens: Sequence[int], sign: int) -> None:
        to[0] += sign * tokens[0]
        to[1] += sign * tokens[1]

    def usd(self, tokens: Sequence[int]) -> float:
        """The price of so many tokens of prompt and of reply."""
        return sum(count * price for count, price in zip(tokens, self._prices, strict=True)) / 1e6

    def reserve(self, worst: tuple[int, int]) -> None:
        """Set aside what a request may cost at most.

        Raises:
            UserError: it would pass a limit.
        """
        with self._lock:
            total = [spent + kept + new for spent, kept, new in zip(self.spent, self._reserved, worst, strict=True)]
            spent = f"{sum(self.spent)} tokens, {self.usd(self.spent):.4f} USD are spent"
            if self._max_tokens is not None and sum(total) > self._max_tokens:
                raise UserError(f"the budget of {self._max_tokens} tokens (max_total_tokens) does not pay for another request; {spent}")
            if self._max_usd is not None and self.usd(total) > self._max_usd:
                raise UserError(f"the budget of {self._max_usd} USD (max_usd) does not pay for another request; {spent}")
            self._add(self._reserved, worst, 1)

    def settle(self, worst: tuple[int, int], used: tuple[int, int]) -> None:
        """Write down what a request did cost, in place of what was set aside."""
        with self._lock:
            self._add(self._reserved, worst, -1)
            self._add(self.spent, used, 1)
        if any(used):
            self._lines.write({"prompt_tokens": used[0], "reply_tokens": used[1]})


class Judge:
    """See the module; one request per response.

    Args:
        name: of the verifier, in messages.
        url, model: where, and what the server calls the model.
        spending: the limits.
        timeout: seconds of one request.
        key_env: environment variable of the key; where it is not set, none is sent.
        prompt: file with the slots {problem} and {steps}.
        max_tokens: of a reply.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str,
        model: str,
        spending: Spending,
        timeout: float,
        key_env: str = "OPENAI_API_KEY",
        prompt: Path = PROMPT,
        max_tokens: int = REPLY_TOKENS,
    ) -> None:
        import openai

        self.name, self._model, self._max_tokens, self._spending, self._key_env = name, model, max_tokens, spending, key_env
        self._openai = openai
        self._client = openai.OpenAI(base_url=url, api_key=os.environ.get(key_env) or "none", timeout=timeout, max_retries=0)
        self._prompt = read_prompt(prompt)
        self.identity: Mapping[str, Any] = identity(url, model, self._prompt, max_tokens)

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        """See `mathrl.verifiers.interface.Verifier`."""
        return [self._one(problem, steps) for problem, steps in zip(problems, responses, strict=True)]

    def _one(self, problem: str, steps: Sequence[str]) -> list[float]:
        text = fill(self._prompt, problem, steps)
        worst = (len(text) + 50, self._max_tokens)  # a token is a character or more
        try:
            self._spending.reserve(worst)
        except UserError as error:
            raise UserError(f"verifier {self.name}: {error}; scores so far are kept") from None
        used = worst  # what a request cost whose end nobody saw
        try:
            said, usage = _content(self._ask(text))
            used = usage or worst
        except (UserError, RetryLater, self._openai.APIStatusError):
            used = (0, 0)  # refused: nothing was generated
            raise
        finally:
            self._spending.settle(worst, used)
        return scores_of(said, len(steps))

    def _ask(self, text: str) -> Any:
        try:
            return self._client.chat.completions.create(
                model=self._model,
                messages=[{"role": "user", "content": text}],
                temperature=0.0,
                max_tokens=self._max_tokens,
            )
        except (self._openai.AuthenticationError, self._openai.PermissionDeniedError, self._openai.NotFoundError) as error:
            told = f"set the environment variable {self._key_env}" if error.status_code in (401, 403) else "look at its url and model"
            raise UserError(f"verifier {self.name}: its server refuses with status {error.status_code}; {told}") from None
        except (self._openai.BadRequestError, self._openai.UnprocessableEntityError) as error:
            what = " ".join(error.response.text.split())[:200] or f"status {error.status_code}"
            raise UserError(f"verifier {self.name}: its server refuses the request: {what}") from None
        except self._openai.RateLimitError as error:
            raise RetryLater(f"status {error.status_code}", _seconds(error.response.headers.get("retry-after"))) from None


def identity(url: str, model: str, prompt: str, max_tokens: int) -> dict[str, Any]:
    """What decides a judge's scores, as far as it can be known from here."""
    code = sha256_text(Path(__file__).read_text(encoding="utf-8"))
    return {"kind": "judge", "url": url, "model": model, "prompt": sha256_text(prompt), "max_tokens": max_tokens, "code": code}


def spending_directory(root: Path, name: Mapping[str, Any]) -> Path:
    """Where what is spent on a judge of this identity is written down."""
    return root / "spending" / sha256_json(dict(name))[:12]


def read_prompt(path: Path) -> str:
    """A prompt file; `UserError` where it is not there or lacks a slot."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: the judge's prompt cannot be read ({error})") from None
    for slot in ("problem", "steps"):
        if f"{{{slot}}}" not in text:
            raise UserError(f"{path}: the judge's prompt lacks the slot {{{slot}}}")
    return text


def fill(prompt: str, problem: str, steps: Sequence[str]) -> str:
    """The prompt with problem and numbered steps in their slots; a slot that stands in them stays text, and no step ends its tags."""
    numbered = "\n".join(f"<step_{number}>\n{step.replace('</step_', '< /step_')}\n</step_{number}>" for number, step in enumerate(steps))
    return _SLOT.sub(lambda slot: problem if slot[1] == "problem" else numbered, prompt)


def scores_of(reply: str | None, steps: int) -> list[float]:
    """Scores from a reply; ValueError where its last box names no step."""
    found = _BOX.findall(reply or "")
    place = int(found[-1]) if found else None
    if place is None or not -1 <= place < steps:
        said = " ".join((reply or "").split())[-80:]
        raise ValueError(f"the reply names no step of {steps}: …{said!r}")
    return [1.0] * steps if place == -1 else [1.0] * place + [0.0] * (steps - place)


def _content(reply: Any) -> tuple[str | None, tuple[int, int] | None]:
    """Text and tokens (of prompt and reply) of a chat completion; ValueError where a server sent anything else."""
    try:
        said = reply.choices[0].message.content
        usage = reply.usage and (max(0, int(reply.usage.prompt_tokens)), max(0, int(reply.usage.completion_tokens)))
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"the reply is no chat completion ({error})") from None
    return said if isinstance(said, str) else None, usage or None


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or 0))
    except ValueError:
        return 0.0
