"""Notices to the user: a program of theirs gets a text, a webhook gets JSON. A notice that fails is one line and fails nothing else.

What to do comes through the environment, as it must change no rule's params. URL and key of a webhook are read from the variables that
it names, and no line repeats them.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import IO
from urllib.parse import urlsplit

SETTINGS = "MATHRL_NOTICES"  # JSON: command, webhook, key
NOTICE = "MATHRL_NOTICE"  # the notice as JSON, for the command
COMMAND_SECONDS, WEBHOOK_SECONDS, TRIES, PAUSE = 30.0, 10.0, 2, 2.0
LONGEST = COMMAND_SECONDS + TRIES * WEBHOOK_SECONDS + 5  # seconds that a notice may keep others waiting
MOST = 4000  # characters of a text


def configure(command: Sequence[str] | None, webhook: str | None, key: str | None) -> None:
    """Set for this process and those that it starts what notices do; nothing where both are None."""
    os.environ.pop(SETTINGS, None)
    if command or webhook:
        os.environ[SETTINGS] = json.dumps({"command": list(command or ()), "webhook": webhook, "key": key})


def send(event: str, text: str, **more: str | int) -> None:
    """Tell the user of an event: `end`, `failure` or `collapse`. Returns after `LONGEST` seconds at the latest.

    Args:
        text: in plain words; it may hold others' text.
        more: what a program wants to know beside it, such as run, stage and step.
    """
    settings = os.environ.get(SETTINGS)
    if not settings:
        return
    clean = "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)[:MOST]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    notice = {"schema_version": 1, "event": event, "text": clean, "study": os.getcwd(), "host": socket.gethostname(), "time": now, **more}
    work = threading.Thread(target=_deliver, args=(json.loads(settings), notice), daemon=True)
    work.start()
    work.join(LONGEST)
    if work.is_alive():
        _say(f"took more than {LONGEST:g} s, left alone")


def send_beside(event: str, text: str, **more: str | int) -> None:
    """The same without waiting for it; the process ends after the notice has."""
    if os.environ.get(SETTINGS):
        threading.Thread(target=send, args=(event, text), kwargs=more).start()


def _say(line: str) -> None:
    print(f"notice: {line}", file=sys.stderr, flush=True)


def _deliver(settings: Mapping[str, str | Sequence[str] | None], notice: Mapping[str, str | int]) -> None:
    """Carry out both ways, each whatever becomes of the other."""
    command, webhook, key = settings["command"], settings["webhook"], settings["key"]
    for problem in (_run(list(command or ()), notice), _post(str(webhook or ""), str(key or ""), notice)):
        if problem:
            _say(problem)


def _run(command: Sequence[str], notice: Mapping[str, str | int]) -> str:
    """Give the text to a program; what went wrong, or nothing. What it prints is not shown: it may hold its secrets."""
    if not command:
        return ""
    environment = {**os.environ, NOTICE: json.dumps(notice)}
    none, pipe = subprocess.DEVNULL, subprocess.PIPE
    try:
        with subprocess.Popen(command, stdin=pipe, stdout=none, stderr=none, env=environment, start_new_session=True) as process:
            try:
                with contextlib.suppress(BrokenPipeError):  # it need not read
                    process.communicate(f"{notice['text']}\n".encode(), timeout=COMMAND_SECONDS)
                code = process.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return f"the command {command[0]} did not end within {COMMAND_SECONDS:g} s: killed"
    except (OSError, ValueError) as error:
        return f"the command {command[0]} cannot be run ({getattr(error, 'strerror', None) or 'an argument that none can have'})"
    return f"the command {command[0]} ended with exit code {code}" if code else ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to others: it is an answer like any other error."""

    def redirect_request(self, req: object, fp: object, code: int, msg: str, headers: object, newurl: str) -> None:
        """Follow nothing."""


def _post(webhook: str, key: str, notice: Mapping[str, str | int]) -> str:
    """Post the notice; what went wrong, or nothing. The URL is in no line, nor what a library says of it."""
    if not webhook:
        return ""
    url, token = os.environ.get(webhook, "").strip(), os.environ.get(key, "").strip() if key else ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        usable = False
    if not usable:
        return f"the environment variable {webhook} holds no http(s) URL; export it, or set notices.webhook to null"
    if not (token.isascii() and token.isprintable()):
        return f"the environment variable {key} holds what no HTTP header can carry; export the key alone"
    headers = {"Content-Type": "application/json", "User-Agent": "mathrl"} | ({"Authorization": f"Bearer {token}"} if token else {})
    body, problem = json.dumps(notice).encode(), ""
    opener = urllib.request.build_opener(_NoRedirect)
    for number in range(TRIES):
        if number:
            time.sleep(PAUSE)
        try:
            answer: IO[bytes]
            with opener.open(urllib.request.Request(url, body, headers, method="POST"), timeout=WEBHOOK_SECONDS) as answer:
                answer.read(1024)
            return ""
        except urllib.error.HTTPError as error:
            error.close()
            problem = f"answered {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem = f"cannot be reached ({type(getattr(error, 'reason', error)).__name__})"
    return f"the webhook of {webhook} {problem}"
