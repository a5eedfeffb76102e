"""Requests over a network, by the `openai` package, to any server that speaks its API. The server is a stranger.

It may answer slowly, endlessly, with an error, with nonsense, or with our key in its text. An attempt ends after `timeout` seconds and
after as many bytes as its tokens can take; a redirect is not followed; a packed body is refused; the key is taken out of every text.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import os
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from mathrl.config.entry import Server
from mathrl.core.files import UserError, parse_json
from mathrl.models.chat import Answer, Request

BYTES_PER_TOKEN = 64  # of a body: a token of 10 characters, each written as an escape of 6
BODY = 1 << 16  # bytes of a body beside its tokens
LONGEST_WAIT = 120.0  # seconds that a server may make us wait before the next attempt
FIRST_WAIT = 1.0  # seconds after a first failure; doubled each time
NO_KEY = "no-key"  # servers without keys get this one
SHORTEST_KEY = 8  # characters; a shorter one could be a word of an answer
CLIENT_ERRORS = {400, 413, 422}  # the server understood and will not answer this request, ever


class TooLong(httpx.ReadError):
    """A body that does not end where it should."""


class Packed(httpx.ReadError):
    """A packed body: a few bytes could stand for gigabytes."""


class _Capped(httpx.AsyncByteStream):
    """A body of `most` bytes at most; a longer one is cut off where it is only shown (`cut`), else an error."""

    def __init__(self, stream: Any, most: int, cut: bool) -> None:
        self._stream, self._most, self._cut = stream, most, cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._stream:
            seen += len(chunk)
            if seen > self._most:
                if self._cut:
                    return
                raise TooLong(f"more than {self._most} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Transport(httpx.AsyncHTTPTransport):
    """Cuts bodies off; `most` is set by the client."""

    most = BODY

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        refuses = response.status_code >= 300  # then its status counts, and nothing in its body
        if response.headers.pop("content-encoding", "identity").strip().lower() not in ("", "identity") and not refuses:
            await response.aclose()
            raise Packed("a packed body, which was not asked for")
        response.headers["content-type"] = "application/json"  # the charsets that it may name are not all of text
        response.stream = _Capped(response.stream, self.most, cut=refuses)
        return response


@dataclass(frozen=True)
class Failure:
    """An attempt without an answer. `charged`: the provider may count it; `wait`: seconds that the server asks for."""

    why: str
    charged: bool
    wait: float | None = None


class Client:
    """One server. Attempts are made one by one; retries are its caller's, who counts them.

    Args:
        server: who answers.
        timeout: seconds of an attempt.
        most_tokens: of an answer.
        key_needed: whether the environment variable that `server.key` names must be set; where it need not, none is sent without it.

    Raises:
        UserError: a key is needed and not there.
    """

    def __init__(self, server: Server, timeout: float, most_tokens: int, key_needed: bool = True) -> None:
        import openai

        self.server, self.timeout = server, timeout
        self._secret = _key_of(server, key_needed)
        address = str(server.address)
        # Reading all certificates takes a second, and a plain address needs none.
        transport = _Transport(retries=0, proxy=_proxy_of(address), verify=address.startswith("https"))
        transport.most = BODY + BYTES_PER_TOKEN * most_tokens
        http = httpx.AsyncClient(transport=transport, follow_redirects=False, timeout=httpx.Timeout(timeout), trust_env=False)
        headers = {"Accept-Encoding": "identity"}
        self._client = openai.AsyncOpenAI(
            api_key=self._secret or NO_KEY, base_url=server.address, max_retries=0, http_client=http, default_headers=headers
        )
        self._client.organization = self._client.project = None  # of the user's environment, for another provider
        self._errors = openai

    async def close(self) -> None:
        await self._client.close()

    async def attempt(self, request: Request) -> Answer | Failure:
        """Send a request once.

        Raises:
            UserError: the server refuses the key or knows no such model or path; no further request would fare better.
        """
        errors = self._errors
        try:
            raw = await asyncio.wait_for(self._send(request), self.timeout)
        except (TimeoutError, errors.APITimeoutError):
            return Failure(f"no whole answer within {self.timeout:g} s", charged=True)
        except errors.APIStatusError as error:
            return self._refusal(request, error)
        except errors.APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, TooLong):
                return self._ours(request, "too long", "", request.max_tokens)
            if isinstance(cause, Packed):
                return self._ours(request, "malformed", "", request.max_tokens)
            never_sent = isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout)
            return Failure(self._line(f"{type(cause or error).__name__}: {cause or error}"), charged=not never_sent)
        return self._read(request, raw)

    async def _send(self, request: Request) -> bytes:
        body: dict[str, object] = {"max_tokens": request.max_tokens}
        if request.own_seed is not None:
            body["seed"] = request.own_seed
        # What `parameters` sets to null is left out: some servers refuse `max_tokens` or `seed`.
        body = {key: value for key, value in (body | dict(request.parameters)).items() if value is not None}
        raw = await self._client.chat.completions.with_raw_response.create(
            model=request.model,
            messages=[{"role": "user", "content": request.text}],
            temperature=request.temperature,
            extra_body=body,
            extra_headers={"Idempotency-Key": request.key},  # a provider that knows it answers a repeated request from its memory
        )
        return raw.http_response.content

    def _refusal(self, request: Request, error: Any) -> Answer | Failure:
        status, said = error.status_code, self._line(error.response.text) or "no text"
        if status in (401, 403, 404):
            remedy = (
                f"set the environment variable {self.server.key} to a valid key" if status != 404 and self.server.key
                else "name the variable of a key as `key`" if status != 404 else "correct address and model"
            )  # fmt: skip
            raise UserError(f"{self.server.address}: answered {status} ({said}); {remedy}")
        if status in CLIENT_ERRORS:
            return self._ours(request, "refused", said, 0, charged=False)
        if status < 500 and status not in (408, 409, 425, 429):
            raise UserError(f"{self.server.address}: answered {status} ({said}); give the address that ends before /chat/completions")
        return Failure(f"{status}: {said}", charged=False, wait=_retry_after(error.response.headers))

    def _read(self, request: Request, body: bytes) -> Answer:
        """The answer in a body; one that holds none is an answer too, which passes no door."""
        try:
            value = parse_json(body.decode("utf-8"))
            choice = value["choices"][0]
            text, finish = choice["message"]["content"], choice.get("finish_reason")
            if not isinstance(text, str) or not isinstance(finish, str):
                raise TypeError("no text")
            text.encode()
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return self._ours(request, "malformed", "", request.max_tokens)
        counts = value.get("usage") if isinstance(value.get("usage"), dict) else {}
        prompt = _count(counts.get("prompt_tokens"), request.prompt_bound)
        completion = _count(counts.get("completion_tokens"), request.max_tokens)
        served = value.get("model") if isinstance(value.get("model"), str) else ""
        return Answer(request.key, self.clean(text), self.clean(finish)[:40], prompt, completion, self.clean(served)[:100])

    def _ours(self, request: Request, finish: str, text: str, completion: int, charged: bool = True) -> Answer:
        return Answer(request.key, text, finish, request.prompt_bound if charged else 0, completion)

    def _line(self, text: str) -> str:
        """What a server said as one line that a terminal can show."""
        shown = "".join(char if char.isprintable() else " " for char in self.clean(text))
        return " ".join(shown.split())[:300]

    def clean(self, text: str) -> str:
        """A text without our key, which a server may send back."""
        return text.replace(self._secret, "[key]") if len(self._secret) >= SHORTEST_KEY else text


def _key_of(server: Server, needed: bool) -> str:
    """The key from the environment; empty without one."""
    if server.key is None:
        return ""
    key = os.environ.get(server.key, "").strip()
    if needed and not key:
        raise UserError(f"{server.address}: needs a key, and the environment variable {server.key} is empty; export it and start again")
    return key


def _proxy_of(address: str) -> str | None:
    """The proxy of the environment for this address; none for this host."""
    import urllib.request

    parts = urlsplit(address)
    if urllib.request.proxy_bypass(parts.netloc) or parts.hostname in ("127.0.0.1", "localhost", "::1"):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _count(value: Any, otherwise: int) -> int:
    """A number of tokens as the server tells it; the upper bound where it tells none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31 else otherwise


def _retry_after(headers: Any) -> float | None:
    """Seconds that a server asks to wait, as it says them: a number, or a date."""
    said = headers.get("retry-after")
    if said is None:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_WAIT)


def backoff(attempt: int) -> float:
    """Seconds before attempt `attempt` + 1 (from 1), where the server asks for none: doubled each time, with some chance in it."""
    return min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) * random.uniform(0.5, 1.0)
