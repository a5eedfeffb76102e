"""An OpenAI-compatible server on loopback that behaves as a test asks: right, slow, dripping, garbage, 429, 500, refusing, dear, gone."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[BaseHTTPRequestHandler, str, int], None]
"""(request handler, prompt, number of the request from 0) → an answer is sent, or not."""


def reply(handler: BaseHTTPRequestHandler, text: str, usage: dict[str, int] | None = None) -> None:
    """Send a chat completion."""
    message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    body: dict[str, Any] = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [message]}
    body["usage"] = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110} | (usage or {})
    send(handler, 200, json.dumps(body).encode())


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """Send any answer."""
    handler.send_response(status)
    for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def right(handler: BaseHTTPRequestHandler, prompt: str, number: int) -> None:
    """Name the first step of the form `a + b = c` that is false."""
    for step, left, other, result in re.findall(r"<step_(\d+)>\n(\d+) \+ (\d+) = (\d+)", prompt):
        if int(left) + int(other) != int(result):
            return reply(handler, f"Step {step} is false. \\boxed{{{step}}}")
    return reply(handler, "All right. \\boxed{-1}")


def drip(handler: BaseHTTPRequestHandler, prompt: str, number: int) -> None:
    """One byte from time to time, for ever: no read of the client ever times out."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    for _ in range(600):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


class JudgeServer:
    """Context manager; `seen` are the prompts that arrived, `asked` temperature and limit of each."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.seen: list[str] = []
        self.keys: list[str | None] = []
        self.asked: list[tuple[float, int]] = []
        outer, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    number = len(outer.seen)
                    outer.seen.append(body["messages"][0]["content"])
                    outer.asked.append((body["temperature"], body.get("max_completion_tokens", body.get("max_tokens"))))
                    outer.keys.append(self.headers.get("Authorization"))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    behaviour(self, outer.seen[number], number)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> JudgeServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
