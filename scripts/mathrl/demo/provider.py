"""A scripted server that speaks the API of model providers: it retells the demo's problems and solves them, on a laptop, for nothing.

It retells a formula in words and a story as a formula. Some of that is a benchmark item in other words, so that its doors have work.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mathrl.core.files import JsonObject
from mathrl.demo.sums import Sum, read
from mathrl.demo.world import NAMES, SIGNS, SYMBOL_FORMS, THINGS, WORD_FORMS

_PROBLEM = re.compile(r"<problem>\n(.*?)\n</problem>", re.DOTALL)


def retold(problem: Sum, rng: random.Random) -> str:
    """The same sum in another setting."""
    if problem.formula:
        form = next(form for first, second, _, form in WORD_FORMS if (first, second) == (problem.first, problem.second))
        return form.format(name=rng.choice(NAMES), thing=rng.choice(THINGS), a=problem.a, b=problem.b, c=problem.c)
    formula = f"{problem.a} {SIGNS[problem.first]} {problem.b} {SIGNS[problem.second]} {problem.c}"
    return rng.choice(SYMBOL_FORMS).format(formula)


def answer(prompt: str) -> str:
    """What a provider that can do these sums answers to a prompt of ours: a variant where one is asked for, else a worked solution."""
    found = _PROBLEM.search(prompt)
    problem = read(found[1]) if found else None
    if problem is None:
        return "I do not know this kind of problem."
    middle, value = problem.steps
    if "<answer>" in prompt:
        return f"<problem>\n{retold(problem, random.Random(prompt))}\n</problem>\n<answer>{value}</answer>"
    steps = f"{problem.a} {problem.first} {problem.b} = {middle}.\n{middle} {problem.second} {problem.c} = {value}."
    return f"{steps}\nThe answer is \\boxed{{{value}}}."


@dataclass(frozen=True)
class Reply:
    """What the server sends back."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


def completion(text: str, model: str, finish: str = "stop", prompt: str = "") -> Reply:
    """An answer in the API's form; a token is taken for four characters."""
    used = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(text) // 4, "total_tokens": (len(prompt) + len(text)) // 4}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    value = {"id": "scripted", "object": "chat.completion", "created": 0, "model": model, "choices": [choice], "usage": used}
    return Reply(json.dumps(value).encode())


def good(body: JsonObject) -> Reply:
    """The reply to the body of a request."""
    prompt = body["messages"][-1]["content"]
    return completion(answer(prompt), body["model"], prompt=prompt)


class Handler(BaseHTTPRequestHandler):
    """Answers POST …/chat/completions by `respond`."""

    protocol_version = "HTTP/1.1"
    respond: Callable[[JsonObject], Reply]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.path.endswith("/chat/completions")
        self.send(type(self).respond(body) if known else Reply(b'{"error": "no such path"}', 404))

    def send(self, reply: Reply) -> None:
        """Send a reply, whole."""
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """No line per request."""


def make_server(port: int, respond: Callable[[JsonObject], Reply]) -> ThreadingHTTPServer:
    """A server on loopback; port 0 takes a free one. Call `serve_forever`."""
    server = ThreadingHTTPServer(("127.0.0.1", port), type("Answering", (Handler,), {"respond": staticmethod(respond)}))
    server.daemon_threads = True
    return server
