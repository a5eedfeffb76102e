"""Notices reach a program and a webhook, and one that fails is a line without a secret in it. The server and the programs are real."""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mathrl.execution import notices

SECRET = "T0PSECRET-path-of-a-webhook"


class Server(ThreadingHTTPServer):
    """Answers each request with the next of `codes`; 0 closes without an answer, -1 never answers."""

    def __init__(self):
        self.codes, self.got = [], []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/{SECRET}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), json.loads(body)))
        code = self.server.codes.pop(0) if self.server.codes else 200
        if code == -1:
            time.sleep(3)
        if code > 0:
            self.send_response(code)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
            self.end_headers()

    do_GET = do_POST

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    with Server() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        monkeypatch.setenv("MY_WEBHOOK", made.url)
        monkeypatch.setenv("MY_TOKEN", "token-of-mine")
        monkeypatch.setattr(notices, "PAUSE", 0.01)
        monkeypatch.setenv(notices.SETTINGS, "{}")
        notices.configure(None, "MY_WEBHOOK", "MY_TOKEN")
        yield made
        made.shutdown()


def test_a_webhook_gets_json_and_the_token(server, capsys):
    notices.send("collapse", "train grpo: \x1b[31mlength 1\x07\nsecond", step=7)
    ((path, headers, body),) = server.got
    assert path.endswith(SECRET) and headers["Authorization"] == "Bearer token-of-mine" and headers["Content-Type"] == "application/json"
    assert body["event"] == "collapse" and body["step"] == 7 and body["text"] == "train grpo: �[31mlength 1�\nsecond"
    assert body["study"] == os.getcwd() and body["schema_version"] == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("codes", "tries", "line"),
    [
        ([500, 200], 2, ""),
        ([0, 204], 2, ""),
        ([503, 503, 200], 2, "the webhook of MY_WEBHOOK answered 503"),
        ([404, 200], 1, "the webhook of MY_WEBHOOK answered 404"),
        ([302, 200], 1, "the webhook of MY_WEBHOOK answered 302"),
        ([-1, -1, 200], 2, "the webhook of MY_WEBHOOK cannot be reached (TimeoutError)"),
    ],
)
def test_one_retry_and_one_line(server, monkeypatch, capsys, codes, tries, line):
    monkeypatch.setattr(notices, "WEBHOOK_SECONDS", 0.3)
    server.codes = codes
    notices.send("end", "done")
    told = capsys.readouterr().err
    assert told == (f"notice: {line}\n" if line else "") and len(server.got) == tries
    assert all(path.endswith(SECRET) for path, _, _ in server.got), "a redirect is not followed"
    assert SECRET not in told and "token-of-mine" not in told


def test_a_key_that_no_header_can_carry_is_one_line(server, monkeypatch, capsys):
    monkeypatch.setenv("MY_TOKEN", "schlüssel\nX: y")
    notices.send("end", "done")
    line = "the environment variable MY_TOKEN holds what no HTTP header can carry; export the key alone"
    assert capsys.readouterr().err == f"notice: {line}\n"
    assert server.got == []


UNUSABLE = ["", "file:///etc/passwd", "http://[bad", "127.0.0.1:1/x", f"http://127.0.0.1:1/{SECRET}", f"http://a\nb/{SECRET}"]


@pytest.mark.parametrize("url", UNUSABLE)
def test_an_unusable_url_is_not_repeated(server, monkeypatch, capsys, url):
    monkeypatch.setenv("MY_WEBHOOK", url)
    notices.send("end", "done")
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "MY_WEBHOOK" in told and SECRET not in told and "passwd" not in told


def test_a_command_gets_the_text_and_the_notice(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(notices.SETTINGS, "{}")
    code = "import os, sys; open('got', 'w').write(sys.stdin.read() + os.environ['MATHRL_NOTICE'])"
    monkeypatch.chdir(tmp_path)
    notices.configure([sys.executable, "-c", code], None, None)
    notices.send("failure", "数学: grade_samples failed")
    text, notice = (tmp_path / "got").read_text().split("\n")
    assert text == "数学: grade_samples failed" and json.loads(notice)["event"] == "failure"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["sh", "-c", "echo secret; echo secret >&2; exit 3"], "the command sh ended with exit code 3"),
        (["no-such-program"], "the command no-such-program cannot be run (No such file or directory)"),
        (["sh", "-c", "sleep 60 & wait"], "the command sh did not end within 0.3 s: killed"),
        (["sh", "-c", "exec <&-; sleep 0.05"], ""),
    ],
)
def test_a_command_that_fails_is_one_line(monkeypatch, capfd, command, line):
    monkeypatch.setenv(notices.SETTINGS, "{}")
    monkeypatch.setattr(notices, "COMMAND_SECONDS", 0.3)
    notices.configure(command, None, None)
    began = time.monotonic()
    notices.send("end", "x" * 3000)
    assert time.monotonic() - began < 20
    assert capfd.readouterr().err == (f"notice: {line}\n" if line else "")


def test_without_settings_nothing_happens(monkeypatch, server):
    notices.configure(None, None, "MY_TOKEN")
    assert notices.SETTINGS not in os.environ
    notices.send("end", "done")
    notices.send_beside("end", "done")
    assert server.got == []
