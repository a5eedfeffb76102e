"""A reward term that asks a server: the code of docs/how-to/your-own-code.md, in a folder outside the repository, as verl calls it."""

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from mathrl.config.reward_terms import plain, weights
from mathrl.config.stage import Reward
from support import pages

PAGE = "docs/how-to/your-own-code.md"
RIGHT = r"So \boxed{42}."
# As a worker of verl's does: Ray puts the working directory before ours on Python's path.
AS_VERL = r"""
import asyncio, importlib.util, json, sys
spec = importlib.util.spec_from_file_location("custom_module_by_verl", sys.argv[1])
ours = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ours)
told = {"terms": json.dumps({"reward.py:half": 1.0}), "failure": "failure.txt", "process": sys.argv[2], "store": "store"}
print(asyncio.run(ours.compute_score("x", "\\boxed{42}", "42", {"index": 0}, **told))["score"])
"""


@pytest.fixture(scope="module")
def compute_score(root_of_session):
    """The function that verl awaits, loaded by its path as verl does."""
    spec = importlib.util.spec_from_file_location("users_reward_by_verl", root_of_session / "scripts/users_reward.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.compute_score


@pytest.fixture(scope="module")
def root_of_session():
    return pages.ROOT


class Server:
    """Answers 0.5 after `seconds`; or fails, hangs, or answers a text."""

    def __init__(self):
        self.kind, self.seconds, self.asked, self.released = "sound", 0.0, 0, threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                server.asked += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                if server.kind == "hanging":
                    server.released.wait(60)
                time.sleep(server.seconds)
                self.send_response(500 if server.kind == "failing" else 200)
                self.end_headers()
                self.wfile.write(json.dumps({"score": "high" if server.kind == "garbled" else 0.5}).encode())

            def log_message(self, *_):
                pass

        class Listener(ThreadingHTTPServer):
            request_queue_size = 128  # five would be reset where many ask at once

        self.http = Listener(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.released.set()
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def terms(tmp_path, monkeypatch, server):
    """What verl is told for the page's configuration, with the server's address and other settings of the term."""
    pages.write_files(PAGE, tmp_path)
    monkeypatch.chdir(tmp_path)
    given = yaml.safe_load((tmp_path / "mine/term.yaml").read_text())

    def told(**changes):
        named = dict(given["reward"]["terms"])
        named["mine/terms.py:asked"] |= {"arguments": {"url": server.url}, **changes}
        return json.dumps(plain(Reward(terms=named).terms))

    return told


def ask(compute_score, terms, failure, count=1):
    """Rewards of so many right responses at once, as verl asks for them."""

    async def all_of_them():
        more = {"terms": terms, "failure": str(failure), "reward_router_address": None}
        return await asyncio.gather(*(compute_score("x", RIGHT, "42", {"index": n}, **more) for n in range(count)))

    return asyncio.run(all_of_them())


def test_a_newcomer_writes_few_lines(tmp_path):
    mine = [block for block in pages.blocks(PAGE) if block.file in ("mine/terms.py", "mine/term.yaml")]
    assert len(mine) == 2 and sum(len(block.text.splitlines()) for block in mine) <= 30


def test_a_slow_server_is_asked_by_many_at_once(compute_score, terms, server, tmp_path):
    server.seconds = 0.3
    begin = time.monotonic()
    found = ask(compute_score, terms(), tmp_path / "failed", count=60)
    assert [row["score"] for row in found] == [pytest.approx(0.95)] * 60 and server.asked == 60
    assert {row["term_asked"] for row in found} == {0.5} and {row["failed_asked"] for row in found} == {0.0}
    assert time.monotonic() - begin < 0.5 * 60 * 0.3, "32 at once, in all some 0.6 s"
    assert not (tmp_path / "failed").exists()


FAILS = {
    "failing": "HTTPError: HTTP Error 500: Internal Server Error (line 8 of terms.py)",
    "hanging": "gave no answer within 0.5 s",
    "garbled": "it answers 'high', not a number",
}


@pytest.mark.parametrize(("kind", "why"), FAILS.items(), ids=FAILS)
def test_zero_counts_what_failed(compute_score, terms, server, tmp_path, kind, why, capfd):
    server.kind = kind
    found = ask(compute_score, terms(timeout=0.5), tmp_path / "failed", count=3)
    assert [(row["score"], row["failed_asked"], row["acc"]) for row in found] == [(pytest.approx(0.9), 1.0, 1.0)] * 3
    assert f"mine/terms.py:asked' failed: {why}; 0 in its place, 1 times" in capfd.readouterr().err
    assert not (tmp_path / "failed").exists()


@pytest.mark.parametrize(("kind", "why"), FAILS.items(), ids=FAILS)
def test_stop_writes_one_line_and_asks_nobody_again(compute_score, terms, server, tmp_path, kind, why):
    server.kind = kind
    told, failure = terms(timeout=0.5, on_failure="stop", weight=0.11), tmp_path / "failed"
    (first,) = ask(compute_score, told, failure)
    assert failure.read_text() == f"reward term '{tmp_path}/mine/terms.py:asked' failed: {why}\n"
    asked = server.asked
    (second,) = ask(compute_score, told, failure)
    assert first["score"] == second["score"] == 0.0 and set(first) == set(second) and server.asked == asked


def test_a_file_that_is_gone_meanwhile_ends_the_training_too(compute_score, terms, tmp_path):
    told = terms().replace("terms.py", "moved.py")
    (found,) = ask(compute_score, told, tmp_path / "failed")
    assert found["score"] == 0.0 and "moved.py" in (tmp_path / "failed").read_text()


def test_weights_of_a_mapping_are_read_like_plain_ones(terms):
    assert list(weights(json.loads(terms())).values()) == [0.1, 0.8, 0.1]


@pytest.mark.parametrize("ours", ["users_reward.py", "process_reward.py"])
def test_a_file_of_the_users_may_be_called_as_one_of_ours(tmp_path, root_of_session, ours):
    (tmp_path / "reward.py").write_text("def half(*told):\n    return 0.5\n")
    scripts = root_of_session / "scripts"
    process = {"process": {"verifiers": ["sums"]}, "verifiers": {"named": {"sums": {"kind": "arithmetic"}}}, "workers": 1}
    command = [sys.executable, "-c", AS_VERL, str(scripts / ours), json.dumps(process)]
    environment = {**os.environ, "PYTHONPATH": str(scripts)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "0.5\n" and not (tmp_path / "failure.txt").exists(), done.stderr[-2000:]
