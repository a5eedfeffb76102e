"""The verifier `judge`: a served language model behind any OpenAI-compatible address, asked for the first wrong step.

Steps before the one that it names score 1, that one and all after it 0: what follows from a wrong step is not asked about. The key
comes from the environment alone. What a request may cost is written down before it is sent, what it did cost after it, below the
verifier's name: a limit holds over kills, reruns, jobs at the same time and changes of the prompt.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mathrl.config.entry import Limits, Prices, Server
from mathrl.core.files import UserError, sha256_text
from mathrl.models import spending
from mathrl.models.chat import Request
from mathrl.models.chat_client import Client, Failure
from mathrl.models.spending import Account, Cost
from mathrl.verifiers.interface import RetryLater, code_sha256
from mathrl.verifiers.records import Identity

PROMPT = Path(__file__).parent / "prompts/first_error.txt"
REPLY_TOKENS = 1024
AGAIN = 0.7  # temperature where a reply named no step
_BOX = re.compile(r"\\boxed\s*\{\s*(-?\d{1,6})\s*\}")
_SLOT = re.compile(r"\{(problem|steps)\}")


class Judge:
    """See the module; one request per response.

    Args:
        name: of the verifier, in messages.
        url, model: where, and what the server calls the model.
        account: of what it costs.
        limits, prices: the budget of this account, and money per million tokens.
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
        account: Account,
        limits: Limits,
        prices: Prices,
        timeout: float,
        key_env: str = "OPENAI_API_KEY",
        prompt: Path = PROMPT,
        max_tokens: int = REPLY_TOKENS,
    ) -> None:
        self.name, self._model, self._max_tokens = name, model, max_tokens
        self._unread: Counter[tuple[str, tuple[str, ...]]] = Counter()  # replies to a solution that named no step
        self._account, self._limits, self._prices = account, limits, prices
        self._client = Client(Server(model=model, address=url, key=key_env), timeout, max_tokens, key_needed=False)
        self._prompt = read_prompt(prompt)
        # Of the code this file alone: how a request is sent decides no score.
        self.identity: Identity = {
            "kind": "judge", "url": url, "model": model, "prompt": sha256_text(self._prompt), "max_tokens": max_tokens,
            "code": code_sha256(Path(__file__), Path(__file__).parent),
        }  # fmt: skip
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()  # the connections of all threads that ask

    def score(self, problems: Sequence[str], responses: Sequence[Sequence[str]]) -> list[list[float]]:
        """See `mathrl.verifiers.interface.Verifier`."""
        return [self._one(problem, steps) for problem, steps in zip(problems, responses, strict=True)]

    def _one(self, problem: str, steps: Sequence[str]) -> list[float]:
        solution = (problem, tuple(steps))
        tries = self._unread[solution]  # the same words at temperature 0 would get the same reply
        request = Request(self._model, fill(self._prompt, problem, steps), AGAIN if tries else 0.0, self._max_tokens, 0, seed=None)
        bound = spending.bound(request, self._prices)
        reservation = self._account.reserve_within(self._limits, bound)
        if reservation is None:
            raise UserError(f"verifier {self.name}: {self._over()}; scores so far are kept")
        try:
            found = asyncio.run_coroutine_threadsafe(self._client.attempt(request), self._loop).result()
        except UserError as error:  # it refuses all requests alike
            self._account.settle(reservation, Cost(), kind="failed", why=str(error))
            raise UserError(f"verifier {self.name}: {error}") from None
        if isinstance(found, Failure):
            self._account.settle(reservation, bound if found.charged else Cost(), kind="failed", why=found.why)
            raise RetryLater(found.why, found.wait or 0.0)
        self._account.settle(reservation, spending.paid(found, self._prices), kind="answer")
        if found.finish == "refused":
            raise UserError(f"verifier {self.name}: its server refuses the request: {found.text}")
        if found.finish in ("malformed", "too long"):
            raise ValueError(f"the reply is no chat completion ({found.finish})")
        try:
            return scores_of(found.text, len(steps))
        except ValueError:
            self._unread[solution] += 1
            raise

    def _over(self) -> str:
        """Which limit has no room for another request."""
        spent, limits = self._account.spent, self._limits
        which = [f"{limits.tokens} tokens (max_total_tokens)"] if limits.tokens is not None else []
        which += [f"{limits.money} USD (max_usd)"] if limits.money is not None else []
        told = f"{spent.tokens} tokens, {spent.money:.4f} USD are spent or set aside"
        return f"the budget of {' and '.join(which)} does not pay for another request; {told}"


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


def scores_of(reply: str, steps: int) -> list[float]:
    """Scores from a reply; ValueError where its last box names no step."""
    found = _BOX.findall(reply)
    place = int(found[-1]) if found else None
    if place is None or not -1 <= place < steps:
        said = " ".join(reply.split())[-80:]
        raise ValueError(f"the reply names no step of {steps}: …{said!r}")
    return [1.0] * steps if place == -1 else [1.0] * place + [0.0] * (steps - place)
