"""Scripted providers on this host: a good one, and hostile ones that hang, stutter, lie or send the key back."""

import contextlib
import hashlib
import json
import threading
import time
from http.server import ThreadingHTTPServer

from mathrl.demo import provider
from mathrl.demo.provider import Reply, completion

HANG, ENDLESS = Reply(b"hang"), Reply(b"endless")


class Server:
    """A server whose `respond(body)` is a test's; it notes what it was asked and what it answered."""

    def __init__(self, respond) -> None:
        self.asked, self.headers, self.lock = [], [], threading.Lock()
        outer = self

        class Handler(provider.Handler):
            def do_POST(self) -> None:
                with outer.lock:
                    outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                super().do_POST()

            def send(self, reply: Reply) -> None:
                if reply is HANG:
                    outer.gone.wait(20)
                    self.close_connection = True
                elif reply is ENDLESS:
                    self._without_end()
                else:
                    super().send(reply)

            def _without_end(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                with contextlib.suppress(OSError):
                    while not outer.gone.is_set():
                        self.wfile.write(b'{"choices": [{"message": {"content": "' + b"again and " * 5000)
                self.close_connection = True

            @staticmethod
            def respond(body):
                with outer.lock:
                    outer.asked.append(body)
                return respond(body)

        self.gone = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # clients that are killed leave in the middle
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.address = f"http://127.0.0.1:{self.http.server_port}/v1"

    def __enter__(self) -> "Server":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.gone.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def times_asked(self) -> dict[str, int]:
        """How often each request came, by what makes it the same one."""
        found: dict[str, int] = {}
        for body in self.asked:
            name = name_of(body)
            found[name] = found.get(name, 0) + 1
        return found


def name_of(body) -> str:
    """A request, as the server sees it."""
    return json.dumps(body, sort_keys=True)


def prompt_of(body) -> str:
    return body["messages"][-1]["content"]


def problem_in(prompt: str) -> str:
    """The problem that a prompt is about."""
    return prompt.split("<problem>\n")[1].split("\n</problem>")[0]


def chance(body, name: str) -> float:
    """A number from 0 to 1 that a request always has."""
    return int(hashlib.sha256(f"{name}{name_of(body)}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def slow(respond, seconds: float):
    """The same answers, later."""

    def later(body):
        time.sleep(seconds)
        return respond(body)

    return later


__all__ = ["ENDLESS", "HANG", "Reply", "Server", "chance", "completion", "name_of", "problem_in", "prompt_of", "slow"]
